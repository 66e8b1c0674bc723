"""What breaks an exchange off, or a defect within it, shows no values of its frames: they hold the request."""

import asyncio
import logging
import os
import signal

import pytest

import connector.fast
from connector import AsyncConnector, Connector, Settings, SpectraError
from connector.network import Network, Stream
from connector.quiet import NAMES
from connector.reader import Reader
from connector.wire import UploadBody
from tests.laboratory import RawServer, run
from tests.secrecy.canaries import TOKEN, Search
from tests.secrecy.running import LANES, PARAMS, lane_of
from tests.secrecy.scenes import LOGIN, World
from tests.secrecy.sinks import debugged, feed_error, watched

PLACES = {
    "connecting": (Network, "connect_tcp"),
    "sending": (Stream, "write"),
    "receiving": (Stream, "read"),
    "reading the body": (Reader, "feed"),
    "sending a file": (UploadBody, "__iter__"),
}
KINDS = (KeyboardInterrupt, SystemExit, MemoryError, TypeError, AttributeError, AssertionError, RuntimeError, KeyError)


def broken(monkeypatch, place, kind, after=0):
    """Raise within an exchange, after so many calls that went well; gives how often it was raised."""
    owner, name = PLACES[place]
    original, calls = getattr(owner, name), []

    def breaking(*given, **more):
        calls.append(1)
        if len(calls) > after:
            raise kind("broken")
        return original(*given, **more)

    monkeypatch.setattr(owner, name, breaking)
    return calls


def ended(world: World, action: str, lane: str, **settings) -> tuple[BaseException, Search]:
    search = Search()
    made = world.lab.settings(**{"state": "memory", "api_generation": "legacy"} | settings)
    with watched(search), lane_of(lane), pytest.raises(BaseException) as raised:  # noqa: PT011  # each kind is looked at
        run(made, action, PARAMS[action], lane=lane)
    feed_error(search, raised.value)
    return raised.value, search


@pytest.mark.parametrize(
    ("kind", "lane"),  # signals reach the main thread only
    [(kind, lane) for kind in KINDS for lane in ("sync", "threads") if lane == "sync" or issubclass(kind, Exception)],
)
@pytest.mark.parametrize("place", PLACES)
def test_whatever_is_raised_in_an_exchange_shows_no_value(world, monkeypatch, place, kind, lane):
    world.as_new()
    calls = broken(monkeypatch, place, kind)
    error, search = ended(world, "submit_file", lane)

    assert calls
    assert search.hits == []
    if not isinstance(error, SpectraError):
        assert isinstance(error, kind)
        assert "raised in" in error.__notes__[0], "a defect must show where it is"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", ["connecting", "sending", "receiving"])
def test_a_login_that_is_broken_off_shows_no_password(world, monkeypatch, place, kind):
    world.as_new()
    broken(monkeypatch, place, kind)
    _, search = ended(world, "test_connection", "sync", token=None, **{k: v for k, v in LOGIN.items() if v})

    assert search.hits == []


@pytest.mark.parametrize("kind", [*KINDS, asyncio.CancelledError])
def test_a_defect_of_the_fast_lane_shows_no_value(world, monkeypatch, kind):
    world.as_new()

    def breaking(*_given, **_more):
        raise kind("broken")

    monkeypatch.setattr(connector.fast, "Reader", breaking)
    _, search = ended(world, "get_classification", "async")

    assert search.hits == []


@pytest.mark.parametrize("lane", LANES)
def test_a_defect_in_a_plan_shows_no_value(world, monkeypatch, lane):
    world.as_new()

    def breaking(*_given, **_more):
        raise TypeError("broken")

    monkeypatch.setattr("connector.action.judge", breaking)
    error, search = ended(world, "submit_url", lane)

    assert search.hits == []
    assert "persist (retry.py" in error.__notes__[0]


def silent(connection, _asked):
    connection.recv(1)


@pytest.mark.parametrize("lane", LANES)
def test_control_c_in_the_middle_of_an_exchange_shows_no_value(lane):
    """A real signal, while the appliance is silent."""
    search = Search()

    def interrupting(connection, asked):
        os.kill(os.getpid(), signal.SIGINT)
        silent(connection, asked)

    with RawServer(interrupting) as server, watched(search), lane_of(lane):
        settings = Settings(url=server.url, token=TOKEN, deadline_seconds=3)

        async def once():
            async with AsyncConnector(settings) as connector:
                await connector.run("test_connection")

        def blocking():
            with Connector(settings) as connector:
                connector.run("test_connection")

        with pytest.raises(KeyboardInterrupt) as raised:
            blocking() if lane == "sync" else debugged(once())
    feed_error(search, raised.value)

    assert server.asked, "it was under way"
    assert search.hits == []


def test_a_task_that_is_cancelled_shows_no_value(world):
    search = Search()

    async def once(url):
        async with AsyncConnector(Settings(url=url, token=TOKEN)) as connector:
            task = asyncio.create_task(connector.run("test_connection"))
            while not server.asked:
                await asyncio.sleep(0.005)
            task.cancel()
            await task

    with RawServer(silent) as server, watched(search), pytest.raises(asyncio.CancelledError) as raised:
        debugged(once(server.url))
    feed_error(search, raised.value)

    assert search.hits == []


PLAN = """
def plan(held, error):
    try:
        {}[held]
    except KeyError:
        raise error from None
    yield
"""


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("error", [SpectraError("refused"), TypeError("broken")], ids=["an error", "a defect"])
def test_what_is_behind_an_error_of_a_plan_shows_no_value(world, error, lane):
    """A plan of another file than this one, as the frames of tests are left out."""
    names: dict = {}
    exec(compile(PLAN, "elsewhere.py", "exec"), names)
    search, settings = Search(), world.lab.settings()

    async def once():
        async with AsyncConnector(settings) as connector:
            await connector._driver.run(names["plan"](TOKEN, error))

    def blocking():
        with Connector(settings) as connector:
            connector.execute(names["plan"](TOKEN, error))

    with lane_of(lane), pytest.raises(type(error)) as raised:
        blocking() if lane == "sync" else debugged(once())
    feed_error(search, raised.value)

    assert search.hits == []


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("logger", NAMES)
def test_what_a_library_logs_of_an_exchange_is_kept_out(world, monkeypatch, logger, lane):
    """Whatever it is: it is logged in the middle of an exchange, by the name of the library."""
    world.as_new()
    logged = []

    def logging_too(encoding):
        logging.getLogger(logger).warning("Can not load %r", TOKEN) if logger != "asyncio" else None
        logged.append(logger)
        return Reader(encoding)

    for module in ("connector.fast", "connector.exchange"):
        monkeypatch.setattr(f"{module}.Reader", logging_too)
    search = Search()
    with watched(search), lane_of(lane):
        run(world.lab.settings(), "get_classification", PARAMS["get_classification"], lane=lane)

    assert logged
    assert search.hits == []
