"""Runs over HTTP, beside the actions: list them, look at one, and answer what it waits for."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal, TypeVar, get_args

from pydantic import Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from connector.check import refusal
from connector.playbooks.durable.runs import Runs, open_runs
from connector.playbooks.durable.state import State
from connector.playbooks.timeline import RunState
from connector.server.bodies import read_object
from connector.server.keys import allow, required
from connector.server.openapi import SECURED, problems
from connector.server.told import ToldRoute
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
        ToldRoute("GET", "/runs", every, _LISTED),
        ToldRoute("GET", "/runs/{run}", one, _SHOWN),
        ToldRoute("POST", "/runs/{run}/steps/{step}/decision", decide, _DECIDED),
    ]


def _operation(
    name: str, summary: str, scope: str, answer: dict[str, Any], *places: str, **more: Any
) -> dict[str, Any]:
    """An operation of OpenAPI 3.1 as the server writes its own."""
    made = {
        "operationId": name,
        "summary": summary,
        "tags": ["runs"],
        "x-required-scope": scope,
        "responses": {"200": {"description": f"{summary}.", "content": {"application/json": {"schema": answer}}}}
        | problems(SECURED),
    }
    parameters = [{"name": p, "in": "path", "required": True, "schema": {"type": "string"}} for p in places]
    return made | more | ({"parameters": parameters} if parameters else {})


_RUN: Final = {
    "type": "object",
    "required": ["run", "state"],
    "properties": {"run": {"type": "string"}, "state": {"enum": sorted(get_args(RunState))}},
}
_LISTED: Final = _operation(
    "list_runs",
    "The newest runs",
    "read",
    {"type": "object", "required": ["runs"], "properties": {"runs": {"type": "array", "items": _RUN}}},
)
_SHOWN: Final = _operation("get_run", "A run's timeline", "read", _RUN, "run")
_DECIDED: Final = _operation(
    "decide_run",
    "Answer what a run waits for; the step is its name or id",
    "approve",
    {"type": "object", "required": ["run", "step", "decision"]},
    *("run", "step"),
    requestBody={"required": True, "content": {"application/json": {"schema": Decision.model_json_schema()}}},
)


def _decision(body: dict[str, Any]) -> Decision:
    try:
        return Decision.model_validate(body)
    except ValidationError as error:
        raise refusal(body, error, "the decision", "; it takes decision, note and by") from None
