"""One action in one scene on one lane, with everything watched that a secret could come out of."""

import base64
import io
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from unittest.mock import patch

import pyzipper

from connector import AsyncConnector, Connector, Outcome, Settings, SpectraError
from connector.actions import NAMES
from tests.laboratory import Time, hurried
from tests.secrecy.canaries import ARCHIVE_PASSWORD, TOKEN, Search
from tests.secrecy.scenes import SHA1, Scene, World
from tests.secrecy.sinks import debugged, feed_error, feed_outcome, feed_value, watched

LANES: Final = ("sync", "async", "threads")
MAY_HAVE_FAILED: Final = (SpectraError, ValueError)


def _archive() -> str:
    """A ZIP of one file under the password, in base64."""
    kept = io.BytesIO()
    with pyzipper.AESZipFile(kept, "w", encryption=pyzipper.WZ_AES) as archive:
        archive.setpassword(ARCHIVE_PASSWORD.encode())
        archive.writestr("inner.bin", b"SPECTRA-LAB-MALICIOUS:Win32.Trojan.X/9")
    return base64.b64encode(kept.getvalue()).decode()


PARAMS: Final[Mapping[str, dict[str, Any]]] = {
    "submit_file": {"content_base64": _archive(), "filename": "a.zip", "archive_password": ARCHIVE_PASSWORD},
    "submit_url": {"url": "http://127.0.0.1:9/a?b=c", "archive_password": ARCHIVE_PASSWORD},
    "get_ticloud_reputation": {"hash_value": SHA1},
    "get_classification": {"hash_value": SHA1},
    "get_url_reputation": {"url": "https://www.example.com/a?b=c"},
    "advanced_search": {"query": "classification:malicious", "limit": 5},
    "count_search_results": {"query": "classification:malicious"},
    "bulk_delete": {"hash_values": [SHA1], "plan": True},
    "get_file_status": {"hash_values": [SHA1]},
    "get_url_status": {"task_id": 421},
    "get_bulk_delete_status": {"task_id": 17},
    "get_report": {"hash_values": [SHA1]},
    "add_tags": {"hash_value": SHA1, "tags": ["phishing"]},
    "get_tags": {"hash_value": SHA1},
    "remove_tags": {"hash_value": SHA1, "tags": ["old"]},
    "test_connection": {},
}
assert set(PARAMS) == set(NAMES), "every action has its params here"


@contextmanager
def lane_of(name: str) -> Iterator[None]:
    """The lane "threads" is the asynchronous one where the [fast] extra is not installed."""
    if name != "threads":
        yield
        return
    with patch.dict(sys.modules, {"connector.fast": None}):
        yield


def play(world: World, scene: Scene, action: str, lane: str, search: Search) -> Outcome | BaseException:
    """Run it, and search whatever came out; gives what it ended with."""
    world.as_new()
    given = {"token": TOKEN, "allow_delete": True, "allow_internal_urls": True, "state": str(world.state / "journal")}
    if action == "get_url_reputation":  # without it nothing is sent
        given["allow_cloud"] = True
    if action == "submit_url":  # the current endpoint takes no archive password
        given["api_generation"] = "legacy"
    settings = Settings(**given | scene.settings(world))
    time = None if scene.slow else world.lab.time
    with watched(search), lane_of(lane):
        try:
            ended: Outcome | BaseException = _on_lane(settings, action, lane, time, search)
        except MAY_HAVE_FAILED as error:
            ended = error
    if isinstance(ended, Outcome):
        feed_outcome(search, ended)
    else:
        feed_error(search, ended)
    return ended


def _on_lane(settings: Settings, action: str, lane: str, time: Time | None, search: Search) -> Outcome:
    if lane == "sync":
        with hurried(Connector(settings), time) as connector:
            try:
                outcome = connector.run(action, PARAMS[action])
                return connector.run(action, confirmed(outcome)) if action == "bulk_delete" else outcome
            finally:
                _look_inside(connector, search)

    async def once() -> Outcome:
        async with hurried(AsyncConnector(settings), time) as connector:
            try:
                outcome = await connector.run(action, PARAMS[action])
                return await connector.run(action, confirmed(outcome)) if action == "bulk_delete" else outcome
            finally:
                _look_inside(connector, search)

    found: Outcome = debugged(once())
    return found


def confirmed(planned: Outcome) -> dict[str, Any]:
    """The params that confirm a planned deletion."""
    return {"hash_values": [SHA1], "confirm": json.loads(planned.to_json())["result"]["digest"]}


def _look_inside(connector: Connector | AsyncConnector, search: Search) -> None:
    session = connector._session
    inside = {"connector": connector, "session": session, "wire": session.wire, "settings": session.settings}
    for name, value in inside.items():
        feed_value(search, value, name, but=("user name",) if name == "settings" else ())
    search.feed("settings JSON", session.settings.model_dump_json(exclude={"username"}))
