"""What one caller may take: bytes, seconds and places; and that it never takes the others'."""

import json
import socket
import threading
import time

import pytest
from starlette.responses import Response
from starlette.routing import Route

from connector.server import protocol
from tests.laboratory import Lab
from tests.server.served import Served, client, problem, settings_of, started


class Raw:
    """A connection on which a test says what it wants."""

    def __init__(self, server: Served) -> None:
        host, port = server.url.removeprefix("http://").split(":")
        self.socket = socket.create_connection((host, int(port)), timeout=10)
        self.key = server.key

    def say(self, text: str | bytes) -> None:
        self.socket.sendall(text.encode("latin-1") if isinstance(text, str) else text)

    def head(self, *lines: str, path: str = "/actions/test_connection") -> None:
        known = ["Host: x", f"Authorization: Bearer {self.key}", "Content-Type: application/json"]
        self.say("\r\n".join([f"POST {path} HTTP/1.1", *known, *lines, "", ""]))

    def heard(self) -> tuple[int, dict]:
        """The status and the document of the next answer."""
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._more()
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(next(line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-l")))
        while len(body) < length:
            body += self._more()
        return int(head.split()[1]), json.loads(body)

    def _more(self) -> bytes:
        chunk = self.socket.recv(65536)
        assert chunk, "the connection ended"
        return chunk

    def is_closed(self) -> bool:
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def __enter__(self) -> "Raw":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


class TestSize:
    def test_a_body_that_announces_too_much_is_refused_before_it_comes(self, lab: Lab, server: Served):
        with Raw(server) as raw:
            raw.head(f"Content-Length: {(1 << 20) + 1}")

            status, body = raw.heard()

        assert (status, body["code"]) == (413, "body_too_large")
        assert lab.requests == []

    def test_it_is_not_even_asked_for(self, server: Served):
        with Raw(server) as raw:
            raw.head(f"Content-Length: {10 << 20}", "Expect: 100-continue")

            assert raw.heard()[0] == 413

    def test_a_body_without_a_length_is_refused_as_soon_as_it_is_too_long(self, server: Served):
        with Raw(server) as raw:
            raw.head("Transfer-Encoding: chunked")
            chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
            for _ in range(17):
                raw.say(chunk)

            assert raw.heard()[0] == 413

    @pytest.mark.parametrize("path", ["/actions/submit_file", "/hashes"])
    def test_a_form_has_the_same_limit(self, lab: Lab, server: Served, path):
        problem(server.upload(b"x" * (1 << 20), path=path), 413, "body_too_large")
        assert lab.ledger["submissions"] == []

    def test_up_to_the_limit_it_is_taken(self, lab: Lab):
        with started(settings_of(lab), max_body=2000) as server:
            padded = b"{" + b" " * 1998 + b"}"
            headers = {"content-type": "application/json"}
            assert server.http.post("/actions/test_connection", content=padded, headers=headers).status_code == 200
            problem(
                server.http.post("/actions/test_connection", content=padded + b" ", headers=headers),
                413,
                "body_too_large",
            )

    def test_the_rest_of_a_refused_body_is_read_for_a_while_so_that_the_answer_arrives(self, server: Served):
        content = b"x" * (8 << 20)

        problem(server.upload(content), 413, "body_too_large")

    def test_but_not_for_ever(self, server: Served, monkeypatch):
        monkeypatch.setattr(protocol, "LINGER_SECONDS", 0.2)
        with Raw(server) as raw:
            raw.head("Content-Length: 100000000")
            assert raw.heard()[0] == 413

            assert raw.is_closed()

    @pytest.mark.parametrize("length", ["-1", "x", "1, 2"])
    def test_a_length_that_is_none_is_no_request(self, server: Served, length):
        with Raw(server) as raw:
            raw.head(f"Content-Length: {length}")

            status, body = raw.heard()

        assert (status, body["code"]) == (400, "malformed_request")


class TestTime:
    def test_a_body_that_does_not_come_is_given_up(self, lab: Lab):
        with started(settings_of(lab), body_seconds=0.3) as server, Raw(server) as raw:
            raw.head("Content-Length: 100")
            raw.say("{")

            status, body = raw.heard()

            assert (status, body["code"]) == (408, "slow_body")
            assert raw.is_closed()
        assert lab.requests == []

    def test_a_body_that_drips_is_given_up_as_well(self, lab: Lab):
        with started(settings_of(lab), body_seconds=0.4) as server, Raw(server) as raw:
            raw.head("Content-Length: 100")
            began = time.monotonic()
            dripping = threading.Event()

            def drip() -> None:
                while not dripping.wait(0.05):
                    try:
                        raw.say(" ")
                    except OSError:
                        return

            thread = threading.Thread(target=drip)
            thread.start()
            status, _ = raw.heard()
            dripping.set()
            thread.join()

            assert status == 408
            assert time.monotonic() - began < 5

    def test_a_head_that_does_not_come_ends_its_connection(self, server: Served, monkeypatch):
        monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.2)
        with Raw(server) as raw:
            raw.say("POST /actions")

            assert raw.is_closed()

    def test_so_does_the_next_head_on_a_connection_that_was_kept(self, server: Served, monkeypatch):
        monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.3)
        with Raw(server) as raw:
            raw.head("Content-Length: 2")
            raw.say("{}")
            assert raw.heard()[0] == 200
            raw.say("POST /actions")

            assert raw.is_closed()

    def test_a_request_under_way_is_not_cut_by_the_time_for_heads(self, lab: Lab, monkeypatch):
        monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.2)
        lab.fault("/api/samples/status/", "POST", delay_seconds=0.6)
        with started(settings_of(lab)) as server, Raw(server) as raw:
            raw.head("Content-Length: 2")
            raw.say("{}")

            assert raw.heard()[0] == 200


class TestHeads:
    @pytest.mark.parametrize(
        "said",
        [
            b"nonsense\r\n\r\n",
            b"GET / HTTP/X\r\n\r\n",
            b"GET /healthz HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 40_000,
        ],
        ids=["nonsense", "version", "no host", "header", "TLS", "long"],
    )
    def test_what_is_no_request_is_told_so(self, server: Served, said):
        with Raw(server) as raw:
            raw.say(said)

            status, body = raw.heard()

            assert (status, body["code"]) == (400, "malformed_request")
            assert raw.is_closed()

    def test_the_server_goes_on(self, server: Served):
        assert server.http.get("/healthz").json() == {"status": "ok"}


class TestPlaces:
    def test_more_requests_than_places_are_turned_away_at_once(self, lab: Lab):
        held, free = threading.Semaphore(0), threading.Event()

        def hold(_request):
            held.release()
            free.wait(10)
            return Response("done")

        routes = [Route("/hold", hold)]
        with started(settings_of(lab), routes=routes, max_concurrent=2) as server:
            threads = [threading.Thread(target=server.http.get, args=("/hold",)) for _ in range(2)]
            for thread in threads:
                thread.start()
            assert held.acquire(timeout=5)
            assert held.acquire(timeout=5)
            try:
                answer = server.run("test_connection")
                problem(answer, 503, "overloaded")
                assert answer.headers["retry-after"] == "1"
                assert lab.requests == []
                for path in ("/healthz", "/readyz", "/metrics", "/openapi.json"):
                    assert server.http.get(path).status_code == 200
            finally:
                free.set()
                for thread in threads:
                    thread.join()
            assert server.run("test_connection").status_code == 200

    def test_a_caller_who_goes_away_gives_its_place_back(self, lab: Lab):
        with started(settings_of(lab), max_concurrent=1) as server:
            for _ in range(3):
                with Raw(server) as raw:
                    raw.head("Content-Length: 100")
                    raw.say("{")
            for _ in range(50):
                if server.run("test_connection").status_code == 200:
                    break
                time.sleep(0.02)
            else:
                pytest.fail("the places were not given back")

    def test_a_routes_own_errors_are_problems_like_any(self, lab: Lab):
        async def broken(_request):
            raise RuntimeError("canary")

        with started(settings_of(lab), routes=[Route("/broken", broken)]) as server, client(server.url) as http:
            body = problem(http.get("/broken"), 500, "defect")
        assert "canary" not in json.dumps(body)
