"""What the HTTPS output sends, and what it makes of each answer, at a real server on this machine."""

import asyncio
import json
import ssl
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from connector.enrichment.formats.cef import events
from connector.enrichment.formats.sentinel import indicators
from connector.enrichment.formats.stix import bundles
from connector.enrichment.ports import Format, Sink
from connector.enrichment.sinks import upload
from connector.enrichment.sinks.exchange import MOST_PARTS
from connector.enrichment.sinks.upload import UploadSink
from connector.enrichment.values import Batch, Output, Refusal
from connector.errors import ConfigError, SpectraError, StateError, Unreachable
from connector.stix import StixOptions
from tests.enrichment.made import FINDINGS, found
from tests.enrichment.place import Asked, Said, place

TOKEN = "abc.DEF-123_~+/="
SENTINEL = indicators("SOC")
NO_MORE = Said(204)


def output(lines: Sequence[bytes]) -> Output:
    return Output(Batch([], None, "test"), list(lines), range(len(lines)))


def numbered(count: int) -> list[bytes]:
    return [b'{"n":%d}' % n for n in range(count)]


def written(
    base: str, lines: Sequence[bytes], *, form: Format | None = None, token: str | None = TOKEN, **more: Any
) -> Sequence[Refusal]:
    async def run() -> Sequence[Refusal]:
        sink: Sink = UploadSink(base, token, form=form, **more)
        try:
            await sink.open(None)
            refused = await sink.write(output(lines))
            assert await sink.sync() is None
            return refused
        finally:
            await sink.close()

    return asyncio.run(run())


def failed(base: str, lines: Sequence[bytes] = (b"{}",), **more: Any) -> SpectraError:
    with pytest.raises(SpectraError) as caught:
        written(base, lines, **more)
    error = caught.value
    assert TOKEN not in str(error.as_dict())
    assert error.__cause__ is None
    assert error.__context__ is None
    return error


def test_indicators_reach_the_upload_api_in_its_bodies() -> None:
    lines = [line for of in FINDINGS.values() if (line := SENTINEL.render(found(of), of))] * 50
    path = "/workspaces/1/threat-intelligence-stix-objects:upload?api-version=2024-02-01-preview"
    with place(lambda _: Said(200)) as there:
        assert written(there.base + path, lines, form=SENTINEL) == []
    told = [json.loads(asked.body) for asked in there.asked]
    assert [len(body["stixobjects"]) for body in told] == [100, 100, 50]
    assert [o for body in told for o in body["stixobjects"]] == [json.loads(line) for line in lines]
    for asked in there.asked:
        assert (asked.method, asked.path) == ("POST", path)
        assert asked.headers["authorization"] == f"Bearer {TOKEN}"
        assert asked.headers["content-type"] == "application/json"


def test_a_partial_failure_refuses_its_lines_only() -> None:
    def answer(asked: Asked) -> Said:
        objects = json.loads(asked.body)["stixobjects"]
        bad = [n for n, o in enumerate(objects) if o["n"] in {7, 130}]
        errors = [{"recordIndex": n, "errorMessages": ["no pattern"]} for n in [*bad, 100, 9999]]
        return Said(200, json.dumps({"errors": errors}).encode())

    with place(answer) as there:
        refused = written(there.base, numbered(150), form=SENTINEL)
    assert [(each.line, each.failure.detail) for each in refused] == [(7, "no pattern"), (130, "no pattern")]
    assert len(there.asked) == 2


@pytest.mark.parametrize(
    ("form", "kind"),
    [
        (None, "application/x-ndjson"),
        (bundles(StixOptions()), "application/x-ndjson"),
        (events("1"), "text/plain; charset=utf-8"),
    ],
)
def test_a_format_without_bodies_goes_as_lines(form: Format | None, kind: str) -> None:
    with place(lambda _: NO_MORE) as there:
        assert written(there.base + "/in", numbered(3), form=form, token=None) == []
    (asked,) = there.asked
    assert asked.body == b'{"n":0}\n{"n":1}\n{"n":2}\n'
    assert asked.headers["content-type"] == kind
    assert "authorization" not in asked.headers


@given(st.lists(st.integers(0, 1200), max_size=8))
def test_lines_are_cut_into_bodies_in_order_without_loss(sizes: list[int]) -> None:
    lines = [b"x" * (1 << 10) * size for size in sizes]
    cut = list(upload._sizes(lines))
    assert sum(cut) == len(lines)
    start = 0
    for count in cut:
        part = lines[start : start + count]
        assert count == 1 or sum(len(line) + 1 for line in part) <= upload.MOST_BYTES
        start += count


def test_no_lines_ask_nothing() -> None:
    with place(lambda _: NO_MORE) as there:
        assert written(there.base, [], form=SENTINEL) == []
    assert there.asked == []


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("form", [None, SENTINEL])
def test_one_bad_line_takes_no_other_with_it(status: int, form: Format | None) -> None:
    taken: list[bytes] = []

    def answer(asked: Asked) -> Said:
        if b'"n":66}' in asked.body:
            return Said(status)
        taken.append(asked.body)
        return NO_MORE

    with place(answer) as there:
        refused = written(there.base, numbered(100), form=form)
    assert [(each.line, each.failure.reason) for each in refused] == [(66, "refused")]
    assert f"HTTP {status}" in refused[0].failure.detail
    numbers = sorted(int(part.split(b"}")[0]) for body in taken for part in body.split(b'"n":')[1:])
    assert numbers == [n for n in range(100) if n != 66]
    assert len(there.asked) <= 15


def test_a_place_that_takes_nothing_is_asked_a_bounded_number_of_times() -> None:
    with place(lambda _: Said(400)) as there:
        refused = written(there.base, numbered(500))
    assert [each.line for each in refused] == list(range(500))
    assert len(there.asked) <= 2 * MOST_PARTS


def test_a_body_that_is_too_large_is_halved() -> None:
    with place(lambda asked: Said(413) if len(asked.body) > 100 else NO_MORE) as there:
        refused = written(there.base, [*numbered(50), b"x" * 200])
    assert [each.line for each in refused] == [50]
    assert b"".join(asked.body for asked in there.asked if len(asked.body) <= 100).count(b"\n") == 50


@pytest.mark.parametrize("status", [401, 403])
def test_bad_credentials_end_the_run_and_say_what_to_do(status: int) -> None:
    with place(lambda _: Said(status, TOKEN.encode())) as there:
        error = failed(there.base)
    assert isinstance(error, StateError)
    assert "SPECTRA_OUTPUT_TOKEN" in str(error.hint)


@pytest.mark.parametrize("status", [301, 307, 404, 405])
def test_a_wrong_address_ends_the_run_and_no_redirect_is_followed(status: int) -> None:
    with place(lambda _: Said(status, headers={"Location": "/elsewhere"})) as there:
        assert isinstance(failed(there.base), StateError)
    assert len(there.asked) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_a_place_that_is_busy_is_waited_for(status: int) -> None:
    with place(lambda _: Said(status)) as there:
        error = failed(there.base)
    assert isinstance(error, Unreachable)
    assert (error.status, error.retryable) == (status, True)


@pytest.mark.parametrize(("said", "seconds"), [("7", 7.0), ("86400", 300.0), ("soon", None)])
def test_the_seconds_that_it_asks_to_wait_are_kept_within_bounds(said: str, seconds: float | None) -> None:
    with place(lambda _: Said(429, headers={"Retry-After": said})) as there:
        assert failed(there.base).retry_after == seconds


def test_a_time_to_come_back_at_is_measured_by_the_clock_of_the_place() -> None:
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=120), usegmt=True)
    with place(lambda _: Said(503, headers={"Retry-After": at})) as there:
        wait = failed(there.base).retry_after
    assert wait is not None
    assert 100 <= wait <= 121


def test_a_write_goes_on_where_it_was_broken_off() -> None:
    busy = [False, False, True, True, False, False]

    def answer(asked: Asked) -> Said:
        if busy.pop(0):
            return Said(429, headers={"Retry-After": "1"})
        errors = [{"recordIndex": 0, "errorMessages": ["bad"]}]
        return Said(200, json.dumps({"errors": errors}).encode())

    async def run(base: str) -> Sequence[Refusal]:
        sink, out = UploadSink(base, TOKEN, form=SENTINEL), output(numbered(250))
        try:
            for _ in range(2):
                with pytest.raises(Unreachable):
                    await sink.write(out)
            return await sink.write(out)
        finally:
            await sink.close()

    with place(answer) as there:
        refused = asyncio.run(run(there.base))
    assert [each.line for each in refused] == [0, 100, 200]
    assert [len(json.loads(asked.body)["stixobjects"]) for asked in there.asked] == [100, 100, 50, 50, 50]


def test_a_place_that_is_away_is_unreachable() -> None:
    with place(lambda _: NO_MORE) as there:
        pass
    assert isinstance(failed(there.base), Unreachable)


def test_a_place_that_does_not_answer_in_time_is_unreachable() -> None:
    done = threading.Event()

    def answer(_: Asked) -> Said:
        done.wait(5)
        return NO_MORE

    with place(answer) as there:
        error = failed(there.base, timeout=0.2)
        done.set()
    assert isinstance(error, Unreachable)


def test_an_answer_without_end_is_not_read_to_it() -> None:
    with place(lambda _: Said(200, b"x" * (5 << 20))) as there:
        assert isinstance(failed(there.base), StateError)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def certified(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def test_tls_is_verified_by_the_ca_that_is_named(
    authority: trustme.CA, certified: ssl.SSLContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    with place(lambda _: NO_MORE, certified) as there:
        assert written(there.base, numbered(2), ca=ca) == []
        monkeypatch.setenv("SSL_CERT_FILE", str(ca))
        error = failed(there.base)
    assert isinstance(error, StateError)
    assert "ca_file" in str(error.hint)
    assert len(there.asked) == 1


def test_nothing_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    with place(lambda _: NO_MORE) as there:
        assert written(there.base, numbered(1)) == []


@pytest.mark.parametrize(
    "url",
    [
        "http://siem.example/",
        "ftp://siem.example/",
        "siem.example",
        "https://user:hunter2@siem.example/",
        "https:///in",
        "https://siem.example/#part",
        "https://siem.example:99999/",
        "https://[::1/",
    ],
)
def test_an_address_that_is_not_safe_is_refused_before_anything_is_sent(url: str) -> None:
    with pytest.raises(ConfigError, match="output:") as caught:
        UploadSink(url, TOKEN)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("token", ["", "sec ret", 'a"b', "a\r\nb", "t\u00f6ken"])
def test_a_token_that_none_can_be_is_refused_and_not_repeated(token: str) -> None:
    with pytest.raises(ConfigError, match="SPECTRA_OUTPUT_TOKEN") as caught:
        UploadSink("https://siem.example/", token)
    assert not token or token not in str(caught.value)
