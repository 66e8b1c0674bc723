"""The route of an action: who may run it, in which form it is answered, its parameters, and its outcome."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from connector.action import Action
from connector.actions import NAMES, find
from connector.client import check_operation_id
from connector.errors import InputRefused, Violation
from connector.files import NO_ROOTS, OUTSIDE
from connector.outcome import Outcome
from connector.server.bodies import MULTIPART, media_of, read_object, wrong_media
from connector.server.forms import params_of, read_form
from connector.server.keys import allow, required
from connector.server.negotiation import JSON, MARKDOWN, STIX, media_type, wanted
from connector.server.notes import note
from connector.server.problems import refused
from connector.server.spool import Spool

UPLOADS: Final = "submit_file"  # the one action that takes a form
OPERATION: Final = "idempotency-key"
DOUBT: Final = "spectra-in-doubt"
_TRUTH: Final = {"true": True, "false": False}


async def run_action(request: Request) -> Response:
    """POST /actions/{name}."""
    key = required(request)
    action = known(request.path_params["name"])
    allow(key, action.effect)
    form = wanted(request.headers.get("accept", ""), _forms(request, action))
    operation_id, in_doubt = operation_of(request), doubt_of(request)
    async with given(request, action) as params:
        outcome = await request.app.state.connector.run(
            action.name, params, operation_id=operation_id, in_doubt=in_doubt
        )
        return answer(outcome, form, params)


def known(name: str) -> Action[Any]:
    """The action of this name.

    Raises:
        Refused: 404, naming the actions that there are.
    """
    if name not in NAMES:
        told = f"there is no action of this name, and nothing was done; the actions are {', '.join(NAMES)}"
        raise refused("unknown_action", told, hint="see /openapi.json")
    return find(name)


def _forms(request: Request, action: Action[Any]) -> tuple[str, ...]:
    """The forms of an action's outcome; what never has STIX is refused in that form before anything is done."""
    without = not action.stix or request.app.state.settings.stix_profile == "none"
    return (JSON, MARKDOWN) if without else (JSON, MARKDOWN, STIX)


def operation_of(request: Request) -> str | None:
    """The operation id of a request.

    Raises:
        InputRefused: for one that could be mistaken for anything else.
    """
    values = request.headers.getlist(OPERATION)
    if len(values) > 1:
        raise InputRefused.of([Violation("/operation_id", "must be given once (the header Idempotency-Key)")])
    name = values[0] if values else None
    check_operation_id(name)
    return name


def doubt_of(request: Request) -> bool:
    """Whether the caller may have sent this operation before, from where another journal is kept."""
    values = request.headers.getlist(DOUBT)
    if len(values) > 1 or any(value.lower() not in _TRUTH for value in values):
        raise InputRefused.of([Violation("/in_doubt", "must be true or false (the header Spectra-In-Doubt)")])
    return bool(values) and _TRUTH[values[0].lower()]


@asynccontextmanager
async def given(request: Request, action: Action[Any]) -> AsyncIterator[dict[str, Any]]:
    """The parameters of a request; an uploaded file is there for as long as the block lasts."""
    if media_of(request) != MULTIPART:
        if action.name != UPLOADS:
            yield await read_object(request)
            return
        params = await _object_or_form(request)
        require_open(request, params.get("file"))
        yield params
        return
    if action.name != UPLOADS:
        raise wrong_media(JSON)
    spool: Spool = request.app.state.spool
    with spool.file() as file:
        form = await read_form(request, file)
        params = await params_of(form, action.params.model_json_schema())
        if form.filename is not None:
            params.setdefault("filename", form.filename)
        yield {**params, "file": str(file.done())}


async def _object_or_form(request: Request) -> dict[str, Any]:
    if media_of(request) not in {"", JSON}:
        raise wrong_media(JSON, MULTIPART)
    return await read_object(request)


def require_open(request: Request, file: object) -> None:
    """Refuse a path on the server, where its operator opened no folder, or into the folder of other uploads.

    Raises:
        InputRefused: naming /file.
    """
    if not isinstance(file, str):
        return
    if not request.app.state.roots:
        raise InputRefused.of([Violation("/file", NO_ROOTS)])
    try:
        inside = request.app.state.spool.holds(Path(file))
    except (ValueError, RuntimeError):  # NUL, or a home that there is not: refused where the file is opened
        return
    if inside:
        raise InputRefused.of([Violation("/file", OUTSIDE)])


def answer(outcome: Outcome, form: str, params: dict[str, Any]) -> Response:
    """An outcome in one of its forms.

    Raises:
        Refused: 404, where it has no STIX; it says whether anything was done.
    """
    if form == JSON:
        return Response(outcome.to_json(), media_type=JSON)
    if form == MARKDOWN:
        return Response(note(outcome, params), headers={"content-type": media_type(MARKDOWN)})
    if outcome.stix is None:
        changed = outcome.operation_id is not None
        raise refused(
            "no_stix",
            f"{outcome.action} answered {outcome.branch}, of which there is no STIX",
            outcome="applied" if changed else "rejected",
            operation_id=outcome.operation_id,
            hint="ask for application/json" + (" with this operation_id as Idempotency-Key" if changed else ""),
        )
    bundle = json.dumps(outcome.stix, ensure_ascii=False).encode("utf-8", "replace")
    return Response(bundle, headers={"content-type": media_type(STIX)})
