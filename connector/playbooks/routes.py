"""Runs over HTTP, beside the actions: list them, look at one, and answer what it waits for."""

import asyncio
import json
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from connector.check import told
from connector.errors import InputRefused, Violation
from connector.playbooks.runs import Runs, open_runs
from connector.playbooks.state import State
from connector.server.bodies import read_object
from connector.server.keys import allow, required
from connector.vocabulary import Message

T = TypeVar("T")


class Decision(Message):
    """What a person decided of a manual command."""

    decision: Literal["approved", "rejected"]
    note: Annotated[str, Field(max_length=2000)] = ""
    by: Annotated[str, Field(max_length=200)] | None = None


def routes(state: State) -> list[BaseRoute]:
    """The routes of the runs of a state, for ``server.application``."""

    async def every(request: Request) -> Response:
        allow(required(request), "read")
        return JSONResponse({"runs": await _ask(lambda runs: runs.listed())})

    async def one(request: Request) -> Response:
        allow(required(request), "read")
        return JSONResponse(await _ask(lambda runs: runs.timeline(request.path_params["run"])))

    async def decide(request: Request) -> Response:
        key = required(request)
        allow(key, "approve")
        given, place = _decision(await read_object(request)), request.path_params
        by = given.by or key.name
        before = await _ask(lambda runs: runs.decide(place["run"], place["step"], given.decision, by, given.note))
        return JSONResponse({"run": place["run"], "step": before["waiting"]["step"], "decision": given.decision})

    async def _ask(question: Callable[[Runs], T]) -> T:
        return await asyncio.to_thread(_asked, question)

    def _asked(question: Callable[[Runs], T]) -> T:
        with open_runs(state, prepare=not state.exists()) as runs:
            return question(runs)

    return [
        Route("/runs", every),
        Route("/runs/{run}", one),
        Route("/runs/{run}/steps/{step}/decision", decide, methods=["POST"]),
    ]


def _decision(body: dict[str, Any]) -> Decision:
    try:
        return Decision.model_validate_json(json.dumps(body))
    except ValidationError as error:
        found = [Violation(*item) for item in told(body, error, "; it takes decision, note and by").items()]
    raise InputRefused.of(found, "the decision")
