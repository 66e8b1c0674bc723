"""The application: its routes, what they share, and how every error of theirs becomes a problem document."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any, Final

from starlette.applications import Starlette
from starlette.datastructures import State
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Scope

from connector.actions import NAMES
from connector.async_client import AsyncConnector
from connector.errors import ConfigError, InputRefused, SpectraError, StateError, Violation
from connector.server import metrics, openapi
from connector.server.actions import require_open, run_action
from connector.server.bodies import JSON, MULTIPART, media_of, read_object, wrong_media
from connector.server.forms import read_form
from connector.server.gate import Gate, writer
from connector.server.hashing import Hasher, given, hashed
from connector.server.keys import Keys, require, required
from connector.server.options import DEFAULT, Options
from connector.server.problems import MEDIA_TYPE, Problem, Refused, own, problem_of
from connector.server.readiness import Readiness
from connector.server.spool import Spool
from connector.server.told import paths_of
from connector.settings import Settings

Alongside = Callable[[], AbstractAsyncContextManager[metrics.More | None]]
_OF_THE_CALLER: Final = (InputRefused, ConfigError, StateError)  # these say nothing about the appliance


def application(
    settings: Settings,
    keys: Keys,
    *,
    routes: Sequence[BaseRoute] = (),
    options: Options = DEFAULT,
    alongside: Alongside = nullcontext,
) -> Starlette:
    """The ASGI application of one appliance; ``routes`` are served beside its own, with the same errors and limits.

    Those that are a ``ToldRoute`` are in the OpenAPI document, too. ``alongside`` is open for as long as the server,
    and may give metrics that are shown with its own.

    A path in ``file`` is taken below ``settings.file_roots`` only; left out, that is nowhere. What a route may need is
    ``request.app.state``: ``connector`` (an AsyncConnector), ``settings``, ``keys``, ``options``, ``metrics``.
    """
    counted = metrics.Metrics()
    every = [*_routes(), *routes]
    gate = Middleware(Gate, options=options, metrics=counted, label=_labels(every), write=writer(options.log))
    handlers = {Refused: _refused, SpectraError: _failed, HTTPException: _no_route}
    made = Starlette(routes=every, middleware=[gate], exception_handlers=handlers, lifespan=_lifespan)
    made.router.redirect_slashes = False
    made.state.keys, made.state.options, made.state.metrics = keys, options, counted
    made.state.settings, made.state.roots = settings, settings.file_roots or ()
    made.state.alongside = alongside
    made.state.told, made.state.failure = json.dumps(paths_of(routes)), None
    return made


def _routes() -> list[BaseRoute]:
    return [
        Route("/actions/{name}", run_action, methods=["POST"]),
        Route("/hashes", hashes, methods=["POST"]),
        Route("/openapi.json", document),
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/metrics", show_metrics),
    ]


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    """One connector for the life of the server; it alone may read the folder of the uploads."""
    state = app.state
    spool = Spool()
    try:
        try:
            connector = AsyncConnector(state.settings.model_copy(update={"file_roots": (*state.roots, spool.folder)}))
        except SpectraError as error:
            state.failure = error
            raise
        async with connector:
            state.connector, state.spool, state.readiness = connector, spool, Readiness(connector)
            async with _alongside(state):
                yield
    finally:
        await spool.close()


@asynccontextmanager
async def _alongside(state: State) -> AsyncIterator[None]:
    """What runs beside the requests; what keeps it from starting keeps the server from it."""
    beside = state.alongside()
    try:
        measured = await beside.__aenter__()
        if measured is not None:
            state.metrics.add(measured)
    except SpectraError as error:
        state.failure = error
        raise
    try:
        yield
    finally:
        await beside.__aexit__(None, None, None)


async def hashes(request: Request) -> Response:
    """POST /hashes: the hashes of a file, by path, as base64 or as a form; nothing leaves the machine."""
    require(request, "read")
    if media_of(request) == MULTIPART:
        hasher = Hasher()
        form = await read_form(request, hasher)
        if not form.has_file or form.fields:
            raise InputRefused.of([Violation("/file", "must be the one part of the form")])
        found = hasher.hashes(form.filename, "/file")
    elif media_of(request) in {"", JSON}:
        named = given(await read_object(request))
        require_open(request, named.file)
        found = await hashed(named, request.app.state.roots)
    else:
        raise wrong_media(JSON, MULTIPART)
    return Response(found.model_dump_json(), media_type=JSON)


async def document(request: Request) -> Response:
    """GET /openapi.json."""
    made = openapi.encoded(bool(request.app.state.roots), request.app.state.told)
    return Response(made, media_type=JSON, headers={"cache-control": "no-cache"})


async def healthz(_request: Request) -> Response:
    """GET /healthz: the process lives."""
    return Response('{"status": "ok"}', media_type=JSON)


async def readyz(request: Request) -> Response:
    """GET /readyz: actions can be run."""
    problem = await request.app.state.readiness.problem()
    return Response('{"status": "ready"}', media_type=JSON) if problem is None else _answer(request, problem)


async def show_metrics(request: Request) -> Response:
    """GET /metrics."""
    if not request.app.state.options.open_metrics:
        required(request)
    return Response(request.app.state.metrics.text(), headers={"content-type": metrics.MEDIA_TYPE})


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)  # noqa: S101  # for the type checker: handlers take any exception
    return _answer(request, error.problem)


async def _failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, SpectraError)  # noqa: S101  # as above
    if not isinstance(error, _OF_THE_CALLER):
        request.app.state.metrics.failed(error.code)
    return _answer(request, problem_of(error))


async def _no_route(request: Request, error: Exception) -> Response:
    """What the router refuses: an unknown path or method."""
    assert isinstance(error, HTTPException)  # noqa: S101  # as above
    if error.status_code == 405:
        allowed = ", ".join(sorted((error.headers or {}).get("Allow", "").split(", ")))
        return _answer(
            request,
            own("method", f"this path takes {allowed}; nothing was done", headers={"allow": allowed}),
        )
    return _answer(
        request, own("no_route", "there is nothing at this path; nothing was done", hint="see /openapi.json")
    )


def _answer(request: Request, problem: Problem) -> Response:
    return Response(problem.body(request.state.instance), problem.status, problem.all_headers(), media_type=MEDIA_TYPE)


def _labels(routes: Sequence[BaseRoute]) -> Callable[[Scope], str]:
    """What a request is called in metrics and log: its action or its route, never what a caller wrote."""
    paths: dict[Any, str] = {route.endpoint: route.path for route in routes if isinstance(route, Route)}

    def label(scope: Scope) -> str:
        endpoint = scope.get("endpoint")
        if endpoint is run_action:
            name = scope["path_params"]["name"]
            return name if name in NAMES else "unknown_action"
        return paths.get(endpoint, "no_route")

    return label
