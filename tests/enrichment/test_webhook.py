"""Events over HTTP: answered when they are out, refused in a way that has senders come again, and never lost."""

import asyncio
import json
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openapi_spec_validator import validate

from connector.enrichment.bodies import body_of
from connector.enrichment.codec import loads
from connector.enrichment.serving import order_from
from connector.enrichment.webhook import Webhook
from connector.errors import ConfigError, InputRefused, StateError
from connector.server.keys import generated, toml_entry
from tests.enrichment.posting import (
    JSON,
    LOOK_UP,
    NDJSON,
    Taker,
    event,
    order_file,
    process,
    refused,
    sha1,
    taking,
)
from tests.enrichment.redis_server import redis_server
from tests.server.served import problem


@pytest.fixture
def known(lab):
    """An appliance that knows file 1."""
    lab.load(sha1=sha1(1), classification="malicious", threat_name="Win32.Trojan.Fictional", cloud=True)
    return lab


@pytest.fixture
def taker(known, tmp_path):
    with taking(known, tmp_path) as made:
        yield made


def names(lines):
    return [line["n"] for line in lines]


def enriched(line):
    return "enrichments" in line.get("threat", {})


@contextmanager
def waiting(taker: Taker, *events: bytes, answers: list, **headers: str):
    """A sender whose events are under way while the block lasts; it has its answer when the block is over."""
    thread = threading.Thread(target=lambda: answers.append(taker.post(*events, **headers)))
    thread.start()
    try:
        yield
    finally:
        thread.join()


def until(true, seconds=10.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


# --- what is taken


class TestTaken:
    def test_lines_are_in_the_output_when_they_are_answered(self, taker):
        answer = taker.post(event(1), event(2), b'{"n": 3}')

        assert (answer.status_code, answer.json()) == (200, {"events": 3})
        assert names(taker.lines()) == [1, 2, 3]
        assert [enriched(line) for line in taker.lines()] == [True, False, False]

    def test_an_array_and_one_object_are_as_good(self, taker):
        first = taker.post(media=JSON, body=b"[" + event(1) + b",\n " + event(2) + b"]")
        second = taker.post(media="Application/JSON; charset=utf-8", body=json.dumps({"n": 3}, indent=2).encode())

        assert (first.json(), second.json()) == ({"events": 2}, {"events": 1})
        assert names(taker.lines()) == [1, 2, 3]

    def test_numbers_of_an_array_stay_as_they_are_written(self, taker):
        numbers = b'{"n": 1, "big": 123456789012345678901234567890, "exact": 1.10, "small": 1E-9}'

        assert taker.post(media=JSON, body=b"[" + numbers + b"]").status_code == 200

        assert (taker.folder / "out").read_bytes() == numbers + b"\n"

    @pytest.mark.parametrize(
        ("media", "body"), [(NDJSON, b""), (NDJSON, b"\n \r\n\n"), (JSON, b"[]"), (JSON, b" [ ] ")]
    )
    def test_no_events_are_none_and_nothing_is_written(self, taker, media, body):
        answer = taker.post(media=media, body=body)

        assert (answer.status_code, answer.json()) == (200, {"events": 0})
        assert taker.lines() == []

    def test_a_line_that_is_no_event_is_in_the_dead_letters_and_the_others_go_on(self, taker):
        answer = taker.post(event(1), b"{not JSON", b"\xff\xfe", event(2))

        assert (answer.status_code, answer.json()) == (200, {"events": 4})
        assert names(taker.lines()) == [1, 2]
        assert [letter["reason"] for letter in taker.letters] == ["not_json", "not_utf8"]

    def test_an_event_longer_than_max_line_is_a_dead_letter_as_a_whole(self, known, tmp_path):
        long = json.dumps({"n": 2, "text": "x" * 2000}).encode()
        with taking(known, tmp_path, max_line=1024) as taker:
            assert taker.post(event(1), long).json() == {"events": 2}

            assert names(taker.lines()) == [1]
            assert [(letter["reason"], letter["event"]) for letter in taker.letters] == [("too_long", long.decode())]

    def test_line_ends_of_windows_are_no_part_of_an_event(self, taker):
        assert taker.post(body=event(2) + b"\r\n" + event(3) + b"\r\n").json() == {"events": 2}
        assert b"\r" not in (taker.folder / "out").read_bytes()

    def test_a_body_of_many_batches_is_answered_once_and_whole_and_in_order(self, taker):
        answer = taker.post(*[event(number, 1) for number in range(3456)])

        assert answer.json() == {"events": 3456}
        assert names(taker.lines()) == list(range(3456))
        assert all(enriched(line) for line in taker.lines())

    def test_senders_at_the_same_time_each_find_their_events(self, taker):
        def send(sender):
            answer = taker.post(*[event(100 * sender + n, 1) for n in range(20)])
            return answer.status_code, {100 * sender + n for n in range(20)} <= set(names(taker.lines()))

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(send, range(24))) == [(200, True)] * 24
        assert len(taker.lines()) == 480

    def test_what_is_known_is_answered_well_below_a_second(self, taker):
        taker.post(event(1))
        took = []
        with taker.client() as http:
            for number in range(10):
                began = time.monotonic()
                http.post("/events", content=event(number, 1), headers={"content-type": NDJSON})
                took.append(time.monotonic() - began)

        assert sorted(took)[5] < 0.15, took

    def test_what_is_out_is_answered_though_others_behind_it_are_looked_up(self, known, tmp_path, monkeypatch):
        monkeypatch.setattr("connector.enrichment.serving.SETTLE", 5.0)
        with taking(known, tmp_path) as taker, ThreadPoolExecutor(2) as pool, taker.client() as http:

            def send(line):
                return http.post("/events", content=line, headers={"content-type": NDJSON})

            send(event(1))
            known.fault(LOOK_UP, delay_seconds=2.0)
            first = pool.submit(send, event(7, 1))
            until(lambda: 7 in names(taker.lines()))
            second = pool.submit(send, event(2))

            assert first.result().status_code == 200
            assert not second.done()
            assert second.result().status_code == 200

    def test_the_appliance_is_asked_once_for_what_many_name(self, taker, known):
        taker.post(event(1), event(2, 1))
        taker.post(event(3, 1))

        assert sum(sha1(1) in path for path in known.paths) == 1


# --- what is refused


class TestRefused:
    @pytest.mark.parametrize("media", ["text/plain", "text/csv", "multipart/form-data", ""])
    def test_another_media_type(self, taker, media):
        problem(taker.post(event(1), media=media), 415, "media_type")
        assert taker.lines() == []

    @pytest.mark.parametrize(
        "body",
        [b"", b"{", b"nothing", b'"text"', b"5", b"null", b"[1]", b'[{"n": 1}, 2]', b"[{}] {}", b"\xff", b"[NaN]"],
    )
    def test_wrong_json_with_nothing_taken(self, taker, body):
        answer = problem(taker.post(media=JSON, body=body), 422, "input_refused")

        assert answer["outcome"] == "not_sent"
        assert (taker.lines(), taker.letters) == ([], [])

    def test_json_nested_too_deep(self, taker):
        problem(taker.post(media=JSON, body=b"[" * 5000 + b"]" * 5000), 422, "input_refused")
        problem(taker.post(media=JSON, body=b'[{"a":' + b"[" * 5000 + b"]" * 5000 + b"}]"), 422, "input_refused")

    def test_elements_that_are_no_event_are_named(self, taker):
        answer = problem(taker.post(media=JSON, body=b'[{"n": 1}, 2, {"n": 3}, "four"]'), 422, "input_refused")

        assert [violation["pointer"] for violation in answer["violations"]] == ["/1", "/3"]

    def test_a_body_that_is_too_large(self, known, tmp_path):
        with taking(known, tmp_path, {"max_body": 2000}) as taker:
            problem(taker.post(*[event(1)] * 40), 413, "body_too_large")
            assert taker.lines() == []
            assert taker.post(event(1)).status_code == 200

    def test_without_a_key_or_with_a_wrong_one(self, taker):
        with httpx.Client(base_url=taker.url, trust_env=False) as http:
            answer = http.post("/events", content=event(1), headers={"content-type": NDJSON})
            problem(answer, 401, "no_key")
        with taker.client("wrong-0123456789abcdef") as http:
            problem(http.post("/events", content=event(1), headers={"content-type": NDJSON}), 401, "no_key")
        assert taker.lines() == []

    def test_a_key_that_may_not_read(self, known, tmp_path):
        plain, key = generated(["submit"], "submitter")
        (tmp_path / "keys.toml").write_text(toml_entry(key))
        with process(known, tmp_path, "--keys", str(tmp_path / "keys.toml")) as taker:
            with taker.client(plain) as http:
                problem(http.post("/events", content=event(1), headers={"content-type": NDJSON}), 403, "missing_scope")
            assert taker.lines() == []

    @pytest.mark.parametrize("key", ["", "with space", "-begins", "x" * 129])
    def test_an_idempotency_key_that_is_none(self, taker, key):
        answer = problem(taker.post(event(1), idempotency_key=key), 422, "input_refused")

        assert [violation["pointer"] for violation in answer["violations"]] == ["/operation_id"]
        assert taker.lines() == []

    def test_another_method(self, taker):
        problem(taker.get("/events"), 405, "method")


# --- the ids of events


class TestIds:
    BROKEN = (b"{one", b"{two")

    def ids(self, taker):
        return [letter["id"] for letter in taker.letters]

    def test_the_same_body_gives_the_same_ids_and_another_one_others(self, taker):
        taker.post(*self.BROKEN)
        taker.post(*self.BROKEN)
        taker.post(b"{three", b"{four")

        ids = self.ids(taker)
        assert ids[:2] == ids[2:4]
        assert len(set(ids)) == 4

    def test_the_same_key_gives_the_same_ids_also_to_a_server_that_was_started_again(self, known, tmp_path):
        for _ in range(2):
            with taking(known, tmp_path) as taker:
                assert taker.post(*self.BROKEN, idempotency_key="batch-4711").status_code == 200
        ids = self.ids(taker)

        assert ids[:2] == ids[2:]
        assert len(set(ids)) == 2

    def test_two_keys_are_two_posts_though_their_events_are_the_same(self, taker):
        taker.post(*self.BROKEN, idempotency_key="first")
        taker.post(*self.BROKEN, idempotency_key="second")

        assert len(set(self.ids(taker))) == 4

    def test_a_key_of_other_events_is_refused_before_they_pass_for_these(self, taker):
        taker.post(event(1), idempotency_key="constant")

        answer = problem(taker.post(event(2), idempotency_key="constant"), 409, "input_refused")

        assert "belongs to other events" in answer["violations"][0]["message"]
        assert names(taker.lines()) == [1]
        assert taker.post(event(1), idempotency_key="constant").status_code == 200

    def test_a_stream_has_what_came_twice_once(self, known, tmp_path):
        redis = pytest.importorskip("redis")
        with redis_server() as server, taking(known, tmp_path, output=server.address("told")) as taker:
            for _ in range(2):
                assert taker.post(event(1), event(2), idempotency_key="again").json() == {"events": 2}
                assert taker.post(media=JSON, body=event(3)).json() == {"events": 1}
            with redis.Redis(port=server.port) as client:
                told = client.xrange("told")

        assert len(told) == 3


# --- too much at once, and senders that go away


class TestPressure:
    @pytest.mark.parametrize(("name", "most"), [("WAITING", 2), ("WAITING_BYTES", 200)])
    def test_too_many_that_wait_are_told_to_come_again_and_then_they_are_taken(
        self, known, tmp_path, monkeypatch, name, most
    ):
        monkeypatch.setattr(f"connector.enrichment.webhook.{name}", most)
        known.fault(LOOK_UP, delay_seconds=0.7)
        with taking(known, tmp_path) as taker, ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda number: taker.post(event(number)), range(1, 21)))

            refused = [answer for answer in answers if answer.status_code == 503]
            taken = [answer for answer in answers if answer.status_code == 200]
            assert refused
            assert len(taken) + len(refused) == 20
            assert problem(refused[0], 503, "overloaded")["outcome"] == "not_sent"
            assert refused[0].headers["retry-after"] == "1"
            assert len(taker.lines()) == len(taken) > 0
            assert taker.post(event(1)).status_code == 200

    def test_a_sender_that_goes_away_early_takes_nothing_of_the_others(self, known, tmp_path):
        known.fault(LOOK_UP, delay_seconds=0.5)
        with taking(known, tmp_path) as taker:
            host, port = taker.url.removeprefix("http://").split(":")
            with socket.create_connection((host, int(port))) as gone:
                gone.sendall(
                    f"POST /events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {taker.key}\r\nContent-Type: {NDJSON}\r\n"
                    f"Content-Length: {len(event(7))}\r\n\r\n".encode()
                    + event(7)
                )
                time.sleep(0.1)
            with socket.create_connection((host, int(port))) as gone:
                gone.sendall(
                    f"POST /events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {taker.key}\r\nContent-Type: {NDJSON}\r\n"
                    f"Content-Length: 1000\r\n\r\n".encode()
                    + event(8)
                )

            assert taker.post(event(1), event(2)).json() == {"events": 2}
            assert sorted(names(taker.lines())) == [1, 2, 7]


# --- an output that fails


class TestFailing:
    def full(self, folder: Path):
        named = {"checkpoint": str(folder / "point"), "dead_letter": str(folder / "dead")}
        return {"output": "/dev/full", **named}

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
    def test_a_full_disk_has_this_sender_and_those_who_follow_come_again(self, known, tmp_path, caplog):
        with taking(known, tmp_path, **self.full(tmp_path)) as taker:
            first = problem(taker.post(event(1)), 503, "not_ready")
            second = problem(taker.post(event(2)), 503, "not_ready")

            assert "No space left" in first["detail"]
            assert (first["outcome"], second["outcome"]) == ("unknown", "not_sent")
            assert first["retryable"]
            assert "retry-after" in taker.post(event(3)).headers
            assert taker.get("/healthz").status_code == 200
        assert [record.message for record in caplog.records if "No space left" in record.message]

    def test_wrong_credentials_do_not_make_a_sender_drop_its_events(self, known, tmp_path):
        known.fault(LOOK_UP, status=401)
        with taking(known, tmp_path) as taker:
            problem(taker.post(event(1)), 503, "not_ready")
            problem(taker.post(event(2)), 503, "not_ready")

    def test_whatever_ends_the_run_is_told_to_all_who_wait(self):
        async def told():
            webhook = Webhook(1024)
            post = webhook._offered(body_of(event(1), lines=True), None)
            webhook.end(ZeroDivisionError("with a secret in it"))
            return post.answer.result()

        answer = asyncio.run(told())
        assert (answer.status, answer.code) == (500, "defect")
        assert "secret" not in answer.detail


# --- the end of a server


class TestEnd:
    def test_sigterm_finishes_what_was_taken_and_answers_it(self, known, tmp_path):
        known.fault(LOOK_UP, delay_seconds=1.0)
        answers: list[httpx.Response] = []
        with process(known, tmp_path) as taker:
            with waiting(taker, event(1), event(2), answers=answers):
                until(lambda: "spectra_requests_in_flight 2.0" in taker.get("/metrics").text)
                began = time.monotonic()
                code, err = taker.end(signal.SIGTERM)
            assert code == 0, err
            assert time.monotonic() - began < 10
            assert answers[0].json() == {"events": 2}
            assert names(taker.lines()) == [1, 2]

    def test_what_cannot_be_finished_is_answered_within_ten_seconds(self, known, tmp_path):
        known.fault(LOOK_UP, status=503)
        answers: list[httpx.Response] = []
        with process(known, tmp_path) as taker:
            with waiting(taker, event(1), answers=answers):
                until(lambda: "spectra_requests_in_flight 2.0" in taker.get("/metrics").text)
                began = time.monotonic()
                code, err = taker.end(signal.SIGTERM)
            assert code == 0, err
            assert time.monotonic() - began < 10
            assert problem(answers[0], 503, "stopping")["retryable"]
            assert taker.lines() == []

    def test_an_idle_server_ends_at_once_and_goes_on_behind_what_it_wrote(self, known, tmp_path):
        for number in (1, 2):
            with process(known, tmp_path) as taker:
                assert taker.post(event(number, 1)).status_code == 200
                began = time.monotonic()
                assert taker.end()[0] == 0
                assert time.monotonic() - began < 4
        assert names(taker.lines()) == [1, 2]

    def test_what_was_answered_outlives_a_server_that_is_killed(self, known, tmp_path):
        with process(known, tmp_path) as taker:
            taker.post(event(1))
            taker.post(event(2))
            taker.end(signal.SIGKILL)
        with process(known, tmp_path) as taker:
            assert names(taker.lines()) == [1, 2]
            assert taker.post(event(3)).status_code == 200
            assert names(taker.lines()) == [1, 2, 3]


# --- the file of --enrich


class TestOrder:
    @pytest.mark.parametrize(
        ("named", "told"),
        [
            ({"formatt": "ecs"}, "formatt"),
            ({"format": "xml"}, "format"),
            ({"source": "events.ndjson"}, "source"),
            ({"follow": True, "group": "siem"}, "follow, group"),
            ({"replay": True}, "replay"),
            ({"output": None}, "output"),
            ({"output": "-"}, "output"),
            ({"output": "ftp://example.com/"}, "ftp"),
            ({"output": "taxii+https://example.com/a/collections/b/", "format": "ecs"}, "stix"),
            ({"shape": "csv"}, "shape"),
            ({"urls": True}, "urls"),
            ({"lifetime": "forever"}, "lifetime"),
        ],
    )
    def test_what_cannot_be_is_refused_before_anything_is_served(self, known, tmp_path, named, told):
        with pytest.raises((ConfigError, InputRefused), match=told), taking(known, tmp_path, **named):
            pass
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize("text", [b"output = ", b"\xff", b"output"])
    def test_a_file_that_is_no_toml(self, tmp_path, text):
        (tmp_path / "enrich.toml").write_bytes(text)

        with pytest.raises(ConfigError, match=r"--enrich must be TOML"):
            order_from(tmp_path / "enrich.toml")

    def test_the_command_says_it_in_a_sentence(self, known, tmp_path):
        code, error = refused(known, order_file(tmp_path, formatt="ecs"))
        assert (code, error["code"]) == (2, "input_refused")
        assert "formatt" in error["message"]

        code, error = refused(known, tmp_path / "nothing.toml")
        assert (code, error["code"]) == (2, "config")
        assert "--enrich cannot be read: No such file" in error["message"]

    def test_an_output_that_holds_something_else_keeps_the_server_from_starting(self, known, tmp_path):
        (tmp_path / "out").write_text("something\n")

        code, error = refused(known, order_file(tmp_path))

        assert (code, error["code"]) == (2, "state")
        assert "holds something already" in error["message"]
        assert (tmp_path / "out").read_text() == "something\n"

    def test_two_servers_do_not_share_an_output(self, known, tmp_path):
        with taking(known, tmp_path) as taker:
            with pytest.raises(StateError, match="in use by another run"), taking(known, tmp_path):
                pass
            other = {"checkpoint": str(tmp_path / "other"), "append": True, "cache": "none"}
            with pytest.raises(StateError, match="in use by another run"), taking(known, tmp_path, **other):
                pass
            assert taker.post(event(1)).status_code == 200
        assert names(taker.lines()) == [1]


# --- what is told of it


class TestTold:
    def test_the_route_is_in_a_valid_openapi_document(self, taker):
        document = taker.get("/openapi.json").json()

        validate(document)
        operation = document["paths"]["/events"]["post"]
        assert operation["x-required-scope"] == "read"
        assert operation["requestBody"]["content"].keys() == {NDJSON, JSON}
        assert {"200", "401", "403", "409", "413", "415", "422", "500", "503"} <= operation["responses"].keys()

    def test_without_an_order_there_is_no_such_route(self, known):
        from tests.server.served import settings_of, started

        with started(settings_of(known)) as server:
            assert "/events" not in server.http.get("/openapi.json").json()["paths"]
            problem(server.http.post("/events", json={}), 404, "no_route")

    def test_the_counts_are_among_the_metrics_of_the_server(self, taker):
        assert 'spectra_enrich_events_total{outcome="enriched"} 0.0' in taker.get("/metrics").text
        taker.post(event(1), event(2), b"{broken")

        text = taker.get("/metrics").text
        assert 'spectra_enrich_events_total{outcome="enriched"} 1.0' in text
        assert 'spectra_enrich_events_total{outcome="dead"} 1.0' in text
        assert 'spectra_enrich_look_ups_total{classification="malicious"} 1.0' in text
        assert 'spectra_requests_total{action="/events",status="200"} 1.0' in text

    def test_metrics_say_what_is_left_of_the_quota(self, known, tmp_path):
        with taking(known, tmp_path, quota=1000) as taker:
            taker.post(event(1))
            until(lambda: "spectra_enrich_quota_left" in taker.get("/metrics").text)


# --- bodies


OBJECTS = st.dictionaries(
    st.text(max_size=5),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
)


class TestBodies:
    @given(st.lists(OBJECTS, max_size=5), st.sampled_from([None, 0, 1, "\t", "\r\n"]), st.booleans())
    def test_an_array_is_its_elements_each_on_one_line(self, values, indent, ascii_only):
        body = json.dumps(values, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")

        events = body_of(body, lines=False).events

        assert [json.loads(line) for line in events] == values
        assert not any(b"\n" in line or b"\r" in line for line in events)

    @given(st.binary(max_size=60), st.booleans())
    def test_any_bytes_are_events_or_refused(self, data, lines):
        try:
            body = body_of(data, lines=lines)
        except InputRefused:
            assert not lines
            return
        assert not any(b"\n" in line for line in body.events)
        assert body.size == len(data)

    @given(st.binary(max_size=30).map(lambda inner: b'[{"a":' + inner + b"}]"))
    def test_what_is_no_json_never_gets_through_an_array(self, data):
        try:
            events = body_of(data, lines=False).events
        except InputRefused:
            return
        assert [loads(line) for line in events] == loads(data)
