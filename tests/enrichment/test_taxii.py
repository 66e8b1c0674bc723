"""The TAXII output pushes to a real TAXII 2.1 server (medallion), and knows every answer that a server may give."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from connector.enrichment.formats.stix import bundles
from connector.enrichment.ports import Sink
from connector.enrichment.sinks.taxii import MOST_OBJECTS, TaxiiSink
from connector.enrichment.values import Batch, Output, Refusal
from connector.errors import ConfigError, SpectraError, StateError, Unreachable
from connector.stix import StixOptions
from tests.enrichment.made import FINDINGS, found
from tests.enrichment.place import Asked, Place, Said, place

pytest.importorskip("medallion")
FORM = bundles(StixOptions(target="taxii"))
LINES = [line for of in FINDINGS.values() if (line := FORM.render(found(of), of))]
ID = "365fed99-08fa-4fed-a1b3-fb247eb41d01"
SERVE = """
import logging, sys
from tests.interop.taxii import served
logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = served(sys.argv[1])
print(server.server_port, flush=True)
sys.stdin.read()
"""


def objects_of(lines: Sequence[bytes]) -> dict[str, Any]:
    return {o["id"]: o for line in lines for o in json.loads(line)["objects"]}


def output(lines: Sequence[bytes]) -> Output:
    return Output(Batch([], None, "test"), list(lines), range(len(lines)))


def written(url: str, *outputs: Sequence[bytes], user: str = "user", password: str = "pass", **more: Any) -> list[Any]:
    """What each write in one run gives: its refusals, or the error that it raised."""

    async def run() -> list[Any]:
        sink: Sink = TaxiiSink(url, user, password, **more)
        told: list[Any] = []
        try:
            await sink.open(None)
            for given in outputs:
                told.append(await sink.write(output(given)))  # noqa: PERF401  # what was told before an error counts
            assert await sink.sync() is None
        except SpectraError as error:
            told.append(error)
        finally:
            await sink.close()
        return told

    return asyncio.run(run())


@pytest.fixture
def medallion(tmp_path: Path) -> Iterator[str]:
    """A server of its own for each test, with an empty collection; the address of that."""
    command = [sys.executable, "-W", "ignore", "-c", SERVE, str(tmp_path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        yield f"taxii+http://127.0.0.1:{int(server.stdout.readline())}/root/collections/{ID}/"
        server.kill()


def held(url: str) -> dict[str, Any]:
    """What taxii2-client itself reads back, its own connection and all."""
    from taxii2client.v21 import Collection

    with Collection(url.removeprefix("taxii+"), user="user", password="pass") as collection:
        objects = collection.get_objects().get("objects", [])
    assert len({o["id"] for o in objects}) == len(objects), "an object is there twice"
    return {o["id"]: o for o in objects}


def test_what_is_pushed_comes_back_as_it_was_and_twice_is_once(medallion: str) -> None:
    assert written(medallion, LINES, LINES) == [[], []]
    assert held(medallion) == objects_of(LINES)


def test_a_run_that_starts_again_pushes_what_is_there_already_without_refusals(medallion: str) -> None:
    """The server counts an object that it holds as a failure; the manifest shows that it holds it."""
    assert written(medallion, LINES[:2]) == [[]]
    assert written(medallion, LINES) == [[]]
    assert held(medallion) == objects_of(LINES)


def test_a_line_that_is_no_bundle_takes_no_other_with_it(medallion: str) -> None:
    bad = [b"no bundle", b"[]", b'{"objects":[{"id":7}]}', b'{"objects":[{"id":"x--1","modified":7}]}']
    (refused,) = written(medallion, [LINES[0], *bad, *LINES[1:]])
    assert [each.line for each in refused] == [1, 2, 3, 4]
    assert held(medallion) == objects_of(LINES)


def test_wrong_credentials_end_the_run_and_say_what_to_set(medallion: str) -> None:
    (error,) = written(medallion, LINES, password="wr0ng-pass")
    assert isinstance(error, StateError)
    assert "SPECTRA_TAXII_PASSWORD" in str(error.hint)
    assert "wr0ng-pass" not in str(error.as_dict())


def test_a_collection_that_is_not_there_ends_the_run(medallion: str) -> None:
    (error,) = written(medallion.replace(ID, ID.replace("3", "4")), LINES)
    assert isinstance(error, StateError)


Pushing = Callable[[list[dict[str, Any]]], Said]


def said(body: Any, status: int = 200) -> Said:
    return Said(status, json.dumps(body).encode(), {"Content-Type": "application/taxii+json;version=2.1"})


def status(
    total: int, *, failures: Sequence[dict[str, str]] = (), pending: bool = False, failed: int | None = None
) -> Any:
    count = len(failures) if failed is None else failed
    done = {"success_count": 0 if pending else total - count, "failure_count": count, "failures": list(failures)}
    left = {"pending_count": total - count if pending else 0, "status": "pending" if pending else "complete"}
    return {"id": "s1", "total_count": total, **done, **left}


def taxii(
    push: Pushing, *, can_write: bool = True, can_read: bool = True, manifest: Any = None, later: Any = None
) -> Any:
    """A server whose every answer is the test's; ``later`` answers when a status is asked for."""

    def answer(asked: Asked) -> Said:
        path = urlsplit(asked.path).path
        if asked.method == "POST":
            return push(json.loads(asked.body)["objects"])
        if path.endswith("/manifest/"):
            return said(manifest or {})
        if "/status/" in path:
            return later() if later else Said(404)
        return said({"id": ID, "title": "t", "can_read": can_read, "can_write": can_write})

    return place(answer)


def url(there: Place) -> str:
    return f"taxii+{there.base}/root/collections/{ID}/"


def pushed(there: Place) -> list[list[str]]:
    return [[o["id"] for o in json.loads(a.body)["objects"]] for a in there.asked if a.method == "POST"]


def lines(count: int, size: int = 10) -> list[bytes]:
    """Bundles of one object each."""
    return [
        json.dumps(
            {"objects": [{"type": "x", "id": f"x--{n}", "modified": "2026-01-01T00:00:00.000Z", "p": "a" * size}]}
        ).encode()
        for n in range(count)
    ]


def test_envelopes_hold_at_most_100_objects_and_a_mebibyte() -> None:
    with taxii(lambda objects: said(status(len(objects)), 202)) as there:
        assert written(url(there), lines(250)) == [[]]
    assert [len(ids) for ids in pushed(there)] == [MOST_OBJECTS, MOST_OBJECTS, 50]
    assert list(chain(*pushed(there))) == [f"x--{n}" for n in range(250)]
    with taxii(lambda objects: said(status(len(objects)), 202)) as there:
        assert written(url(there), lines(9, 300_000)) == [[]]
    assert [len(ids) for ids in pushed(there)] == [3, 3, 3]


def test_a_new_version_of_an_object_is_pushed() -> None:
    newer = [line.replace(b"2026-01-01", b"2026-01-02") for line in lines(2)]
    with taxii(lambda objects: said(status(len(objects)), 202)) as there:
        assert written(url(there), lines(2), lines(2), newer) == [[], [], []]
    assert pushed(there) == [["x--0", "x--1"], ["x--0", "x--1"]]


def test_a_failure_is_told_with_the_words_of_the_server() -> None:
    failures = [{"id": "x--1", "message": "bad \x1b[2J pattern"}]
    with taxii(lambda objects: said(status(len(objects), failures=failures), 202)) as there:
        (refused,) = written(url(there), lines(3))
    assert [(each.line, each.failure.detail) for each in refused] == [(1, "bad \ufffd[2J pattern")]


@pytest.mark.parametrize("can_read", [True, False])
def test_failures_without_names_are_looked_up_where_that_is_allowed(can_read: bool) -> None:
    manifest = {
        "objects": [
            {"id": "x--0", "version": "2026-01-01T00:00:00Z"},
            {"id": "x--1", "version": "2025-01-01T00:00:00Z"},
        ]
    }
    server = taxii(lambda o: said(status(len(o), failed=2), 202), manifest=manifest, can_read=can_read)
    with server as there:
        (refused,) = written(url(there), lines(2))
    assert [each.line for each in refused] == ([1] if can_read else [0, 1])
    asked = [parse_qs(urlsplit(a.path).query) for a in there.asked if "/manifest/" in a.path]
    assert asked == ([{"match[id]": ["x--0,x--1"], "match[version]": ["all"]}] if can_read else [])


def test_a_status_is_polled_to_its_end_within_bounds() -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    answers = [said(status(2, pending=True)), said(status(2, failures=[{"id": "x--0", "message": "no"}]))]
    server = taxii(lambda _: said(status(2, pending=True), 202), later=lambda: answers.pop(0))
    with server as there:
        (refused,) = written(url(there), lines(2), sleep=sleep)
    assert [each.line for each in refused] == [0]
    assert waits == [0.1, 0.2]


def test_a_server_that_is_still_at_work_is_asked_again_and_not_sent_the_same_twice() -> None:
    async def sleep(_: float) -> None: ...

    over = [False] * 5 + [True]
    server = taxii(lambda _: said(status(2, pending=True), 202), later=lambda: said(status(2, pending=not over.pop(0))))

    async def run(address: str) -> Sequence[Refusal]:
        sink, out = TaxiiSink(address, None, None, sleep=sleep), output(lines(2))
        try:
            await sink.open(None)
            with pytest.raises(Unreachable):
                await sink.write(out)
            return await sink.write(out)
        finally:
            await sink.close()

    with server as there:
        assert asyncio.run(run(url(there))) == []
    assert len(pushed(there)) == 1
    assert not over


def test_an_envelope_that_is_too_large_is_halved() -> None:
    with taxii(lambda objects: said(status(len(objects)), 202) if len(objects) <= 3 else Said(413)) as there:
        assert written(url(there), lines(10)) == [[]]
    taken = [ids for ids in pushed(there) if len(ids) <= 3]
    assert list(chain(*taken)) == [f"x--{n}" for n in range(10)]


def test_an_object_that_the_server_cannot_take_refuses_only_the_lines_that_hold_it() -> None:
    """The server stops in the middle of an envelope; what stood before the bad object it holds by then."""
    there_already: set[str] = set()

    def push(objects: list[dict[str, Any]]) -> Said:
        failures = []
        for made in objects:
            if made["id"] == "x--5":
                return Said(422)
            if made["id"] in there_already:
                failures.append({"id": made["id"], "message": "Unable to process object"})
            there_already.add(made["id"])
        return said(status(len(objects), failures=failures), 202)

    manifest = {"objects": [{"id": f"x--{n}", "version": "2026-01-01T00:00:00Z"} for n in range(10) if n != 5]}
    with taxii(push, manifest=manifest) as there:
        (refused,) = written(url(there), lines(10))
    assert [each.line for each in refused] == [5]
    assert "HTTP 422" in refused[0].failure.detail
    assert there_already == {f"x--{n}" for n in range(10) if n != 5}


@pytest.mark.parametrize(
    ("code", "kind"), [(401, StateError), (403, StateError), (404, StateError), (503, Unreachable), (429, Unreachable)]
)
def test_what_a_refused_push_means(code: int, kind: type[SpectraError]) -> None:
    with taxii(lambda _: Said(code, headers={"Retry-After": "9"})) as there:
        (error,) = written(url(there), lines(1))
    assert isinstance(error, kind)
    assert error.retry_after == (9.0 if kind is Unreachable else None)


def test_a_collection_that_nobody_may_write_ends_the_run() -> None:
    with taxii(lambda _: Said(500), can_write=False) as there:
        (error,) = written(url(there), lines(1))
    assert isinstance(error, StateError)
    assert pushed(there) == []


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"id":"s1"}', b'{"id":"../../../../x","status":"complete"}']
)
def test_a_server_of_another_kind_ends_the_run(body: bytes) -> None:
    with taxii(lambda _: Said(200, body)) as there:
        (error,) = written(url(there), lines(1))
    assert isinstance(error, StateError)
    assert "TAXII 2.1" in error.message


def test_a_server_that_is_away_is_unreachable() -> None:
    with taxii(lambda _: Said(500)) as there:
        pass
    (error,) = written(url(there), lines(1))
    assert isinstance(error, Unreachable)


@pytest.mark.parametrize(
    "bad",
    [
        "taxii+http://taxii.example/root/collections/1/",
        "https://taxii.example/root/collections/1/",
        "taxii+https://taxii.example/root/",
        "taxii+https://taxii.example/",
        "taxii+https://u:hunter2@taxii.example/root/collections/1/",
        "taxii+https://taxii.example/root/collections/1/?a=b",
    ],
)
def test_only_the_address_of_a_collection_is_accepted(bad: str) -> None:
    with pytest.raises(ConfigError, match="output:") as caught:
        TaxiiSink(bad, None, None)
    assert "hunter2" not in str(caught.value)


def test_a_user_without_a_password_is_refused() -> None:
    with pytest.raises(ConfigError, match="SPECTRA_TAXII_PASSWORD"):
        TaxiiSink("taxii+https://taxii.example/root/collections/1/", "user", None)
