"""How the command line runs playbooks: in this process until the end, for the workers, or as a worker."""

import asyncio
import json
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import click

from connector.cli.failure import wants_json
from connector.cli.playbook_view import (
    Timeline,
    exit_code,
    print_planned,
    print_timeline,
    watch_async,
    write_page,
    write_stix,
)
from connector.cli.setting import settings_from
from connector.errors import ConfigError, InputRefused, SpectraError, Violation
from connector.playbooks import shelf
from connector.playbooks.dry import planned
from connector.playbooks.durable.engine import BRANCHES, PERMITS, RUNS, Engine, Limits
from connector.playbooks.durable.hosting import (
    Hosting,
    hosting,
    named_secrets,
    read_secret,
    server_from_environment,
    state_from,
)
from connector.playbooks.durable.runs import open_runs
from connector.playbooks.durable.state import State
from connector.playbooks.extension import needs_of
from connector.playbooks.order import Order, check_run_id
from connector.playbooks.variables import is_unicode
from connector.server.keys import Scope

TAKE_OVER_SECONDS: Final = 2.0
HOSTED: Final = ("server", "api_key_file", "server_ca", "secrets")


def run_playbook(
    name: str,
    given: tuple[str, ...],
    run_id: str | None,
    dry_run: bool,
    detach: bool,
    html: Path | None,
    stix: Path | None,
    state: str | None,
    as_json: bool,
    **options: Any,
) -> int:
    """Run one playbook; the exit code."""
    order = make_order(name, given, run_id)
    if dry_run:
        print_planned(planned(order), as_json=as_json)
        return 0
    where = state_from(state)
    if detach:
        return asyncio.run(_leave(where, order, as_json=as_json))
    how = _hosting(where, options, files=_files(order), scopes=_scopes(order))
    told = asyncio.run(_here(how, order, as_json=as_json))
    return _end(told, html, stix, as_json=as_json)


def resume_run(run_id: str, detach: bool, html: Path | None, state: str | None, as_json: bool, **options: Any) -> int:
    """Go on with a run; the exit code."""
    where = state_from(state)
    if detach:
        with open_runs(where) as runs:
            runs.resume(run_id, RUNS)
        click.echo(json.dumps({"run": run_id, "state": "queued"}))
        return 0
    with open_runs(where) as runs:
        order = runs.find(run_id).order
    how = _hosting(where, options, files=_files(order), scopes=_scopes(order))
    told = asyncio.run(_again(how, run_id, as_json=as_json))
    return _end(told, html, None, as_json=as_json)


def work(concurrency: int | None, rate: str | None, state: str | None, **options: Any) -> int:
    """Be a worker until a signal; the exit code."""
    calls, seconds = _rate(rate)
    limits = Limits(runs=concurrency, calls=calls, seconds=seconds)
    return asyncio.run(_work(_hosting(state_from(state), options, limits=limits)))


def make_order(name: str, given: tuple[str, ...], run_id: str | None) -> Order:
    """The order for a playbook, with its variables checked and the files among them found.

    Raises:
        InputRefused: naming what is wrong with the playbook or a variable.
    """
    playbook = shelf.find(name)
    run = run_id or str(uuid4())
    check_run_id(run)
    values = dict(_assigned(item) for item in given)
    order = Order(run=run, playbook=playbook, given=values, at=time.time(), others=shelf.called(playbook))
    order.walker()  # refuses what does not fit
    found = {variable: str(_existing(variable, values[variable])) for variable in _file_variables(order)}
    return replace(order, given=values | found)


def _assigned(item: str) -> tuple[str, str]:
    name, equals, value = item.partition("=")
    if not equals or not name:
        raise InputRefused.of([Violation("", "takes NAME=VALUE")], "--var")
    if not is_unicode(item):
        raise InputRefused.of([Violation("", "takes text in UTF-8, which alone can be kept")], "--var")
    return (name if name.startswith("__") else f"__{name}__"), value


def _file_variables(order: Order) -> list[str]:
    needs = needs_of(order.main())
    return [name for name in (needs.files if needs else ()) if name in order.given]


def _existing(variable: str, path: str) -> Path:
    found = Path(path).expanduser().absolute()
    if not found.is_file():
        raise InputRefused.of([Violation(f"/playbook_variables/{variable}", "must be a file that is there")])
    return found


def _files(order: Order) -> tuple[Path, ...]:
    """The folders of the files that a person named, which the action server of this process may read."""
    return tuple({Path(order.given[name]).parent for name in _file_variables(order)})


def _scopes(order: Order) -> tuple[Scope, ...]:
    """The scopes that the playbooks of a run say they need; the key of this process's server has no more."""
    needed = [needs_of(playbook) for playbook in order.shelf().values()]
    return tuple({scope for needs in needed if needs for scope in needs.scopes}) or ("read",)


def _hosting(state: State, options: dict[str, Any], *, files: tuple[Path, ...] = (), **more: Any) -> Hosting:
    server, key_file, ca_file, secrets = (options.pop(name) for name in HOSTED)
    known_server, known_key = server_from_environment()
    key = known_key if key_file is None else read_secret(key_file, "--api-key-file")
    settings = None
    if server is None and known_server is None:
        settings = settings_from(**options)
        settings = settings.model_copy(update={"file_roots": (*(settings.file_roots or ()), *files)})
    return Hosting(
        state=state,
        settings=settings,
        server=server or known_server,
        api_key=key,
        ca_file=ca_file,
        secrets=named_secrets(secrets),
        **more,
    )


def _rate(text: str | None) -> tuple[int | None, float]:
    if text is None:
        return None, 1.0
    calls, _, seconds = text.partition("/")
    with suppress(ValueError):
        if int(calls) >= 0 and float(seconds or 1) > 0:
            return int(calls), float(seconds or 1)
    raise ConfigError("--rate takes CALLS/SECONDS, such as 5/1 or 100/60; 0 lifts the limit")


async def _here(how: Hosting, order: Order, *, as_json: bool) -> Timeline:
    async with hosting(how) as engine:
        await engine.start(order)
        return await _watched(how.state, engine, order.run, as_json=as_json)


async def _again(how: Hosting, run: str, *, as_json: bool) -> Timeline:
    async with hosting(how) as engine, engine.private_queue() as queue:
        with open_runs(how.state, engine.life) as runs:
            await asyncio.to_thread(runs.resume, run, queue)
        return await _watched(how.state, engine, run, as_json=as_json)


async def _watched(state: State, engine: Engine, run: str, *, as_json: bool) -> Timeline:
    """Show a run until it is over, or this process is told to stop."""
    with open_runs(state, engine.life) as runs:
        stop = _stop_event()
        watching = asyncio.ensure_future(watch_async(lambda: runs.timeline(run), as_json=as_json))
        await asyncio.wait({watching, asyncio.ensure_future(stop.wait())}, return_when=asyncio.FIRST_COMPLETED)
        if watching.done():
            return watching.result()
        watching.cancel()
        click.echo(f"stopped; it goes on with: spectra playbook resume {run}", err=True)
        return await asyncio.to_thread(runs.timeline, run)


async def _leave(state: State, order: Order, *, as_json: bool) -> int:
    state.prepare()
    with open_runs(state, prepare=True) as runs:
        await asyncio.to_thread(runs.enqueue, order)
    told = {"run": order.run, "state": "queued"}
    click.echo(json.dumps(told) if wants_json(forced=as_json) else f"queued: {order.run}")
    return 0


async def _work(how: Hosting) -> int:
    stop = _stop_event()
    async with hosting(how, queues=(RUNS, BRANCHES, PERMITS)) as engine:
        with open_runs(how.state, engine.life) as runs:
            click.echo(json.dumps({"worker": engine.life.name, "state": how.state.shown()}))
            while not stop.is_set():
                if await asyncio.to_thread(engine.life.lost):
                    click.echo("the connection that says this worker lives was lost; it stops", err=True)
                    return 1
                await _quietly(lambda: asyncio.to_thread(runs.take_over))
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), TAKE_OVER_SECONDS)
        await engine.drained()
    return 0


async def _quietly(job: Callable[[], Awaitable[Any]]) -> None:
    """Do what is done again anyway; what goes wrong once is told and not fatal."""
    try:
        await job()
    except SpectraError as error:
        click.echo(f"taking over: {error.message}", err=True)


def _stop_event() -> asyncio.Event:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError, ValueError):  # not on every system
            loop.add_signal_handler(number, stop.set)
    return stop


def _end(told: Timeline, html: Path | None, stix: Path | None, *, as_json: bool) -> int:
    if html is not None:
        write_page(told, html)
    if stix is not None:
        write_stix(told, stix)
    print_timeline(told, as_json=as_json)
    sys.stdout.flush()
    return exit_code(told)
