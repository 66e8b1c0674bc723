"""Calls over real sockets: what leaves and where to, what comes back, and what is asked again."""

import asyncio
import base64
import gzip
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import trustme
from pydantic import SecretStr

from connector.playbooks import calling
from connector.playbooks.asking import Call, Credentials, Reply
from connector.playbooks.calling import Caller
from connector.playbooks.filling import Request, Value, fill_target

KEY = "key-of-the-action-server"
PASSWORD = "password-of-the-ticket-system"
OUTCOME = {"action": "look", "branch": "ok"}
JSON = {"Content-Type": "application/json"}


@dataclass
class Asked:
    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for given, value in self.headers if given.lower() == name.lower()]


@dataclass
class Server:
    """A server that answers with what it was told to, and keeps what it was asked."""

    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    before: Callable[[BaseHTTPRequestHandler], None] = lambda handler: None
    url: str = ""

    def says(self, status: int = 200, body: Any = OUTCOME, **headers: str) -> "Server":
        made = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.append((status, JSON | named, made))
        return self


@contextmanager
def serving(server: Server, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            server.asked.append(Asked(self.command, self.path, self.headers.items(), body))
            status, headers, content = server.answers[min(len(server.asked), len(server.answers)) - 1]
            server.before(self)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if "Transfer-Encoding" not in headers:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            try:
                self.wfile.write(content)
            except OSError:
                return

        do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            return

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http{'s' if tls else ''}://127.0.0.1:{http.server_port}"
    if tls is not None:
        http.socket = tls.wrap_socket(http.socket, server_side=True)
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join(5)


@pytest.fixture
def server() -> Iterator[Server]:
    """The action server."""
    with serving(Server()) as made:
        yield made


@pytest.fixture
def other() -> Iterator[Server]:
    """Another target."""
    with serving(Server()) as made:
        yield made


@pytest.fixture(autouse=True)
def pauses(monkeypatch) -> list[float]:
    """The pauses between attempts, which no test waits for."""
    made: list[float] = []

    async def sleep(seconds: float) -> None:
        made.append(seconds)

    monkeypatch.setattr(calling.asyncio, "sleep", sleep)
    return made


def request(method: str = "POST", target: str = "/actions/look", body: bytes = b"{}", **headers: str) -> Request:
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Request(method, target, named, body)


def call_of(base: str | None = None, asked: Request | None = None, credentials: Credentials | None = None) -> Call:
    return Call("2:1", "action--x", asked or request(), base, credentials, "run-1:2:1", 10.0)


def sent(url: str, *calls: Call, in_doubt: bool = False, key: str = KEY, **secrets: str) -> list[Reply]:
    """Send calls one after the other with one caller."""

    async def all_of_them() -> list[Reply]:
        named = {f"__{name}__": SecretStr(text) for name, text in secrets.items()}
        async with Caller(url, SecretStr(key), secrets=named) as caller:
            replies = [await caller.call(one, in_doubt=in_doubt) for one in calls]
            assert caller.under_way == 0
            return replies

    return asyncio.run(all_of_them())


# --- what leaves


def test_a_call_to_the_action_server_carries_its_key_and_its_operation(server):
    server.says()
    (reply,) = sent(server.url + "/", call_of(asked=request(Content_Type="application/json")))
    (asked,) = server.asked
    assert (asked.method, asked.target, asked.body) == ("POST", "/actions/look", b"{}")
    assert asked.all("Authorization") == [f"Bearer {KEY}"]
    assert asked.all("Idempotency-Key") == ["run-1:2:1"]
    assert asked.all("Spectra-In-Doubt") == []
    assert asked.all("Content-Type") == ["application/json"]
    assert asked.all("User-Agent") == ["spectra-analyze-connector"]
    assert (reply.status, reply.body, reply.problem) == (200, OUTCOME, None)
    assert abs(reply.at - time.time()) < 60


def test_what_may_have_been_done_elsewhere_is_said_to_be_in_doubt(server):
    server.says()
    sent(server.url, call_of(), in_doubt=True)
    assert server.asked[0].all("Spectra-In-Doubt") == ["true"]


def test_a_read_by_get_has_no_operation(server):
    server.says()
    sent(server.url, call_of(asked=request("GET", "/healthz", b"")))
    assert server.asked[0].all("Idempotency-Key") == []


def test_what_a_playbook_says_of_its_own_about_key_and_operation_is_replaced(server):
    server.says()
    own = request(authorization="Bearer stolen", IDEMPOTENCY_KEY="mine", spectra_in_doubt="true", User_Agent="mine")
    sent(server.url, call_of(asked=own, credentials=Credentials("Bearer", ("__api_key__:value",))))
    (asked,) = server.asked
    assert asked.all("Authorization") == [f"Bearer {KEY}"]
    assert asked.all("Idempotency-Key") == ["run-1:2:1"]
    assert asked.all("Spectra-In-Doubt") == []
    assert asked.all("User-Agent") == ["mine"]


def test_the_key_of_the_action_server_never_goes_to_another_target(server, other):
    server.says()
    other.says()
    sent(
        server.url,
        call_of(),
        call_of(other.url),
        call_of(other.url, credentials=Credentials("Basic", ("robot", "__password__:value"))),
        password=PASSWORD,
    )
    assert server.asked[0].all("Authorization") == [f"Bearer {KEY}"]
    assert other.asked[0].all("Authorization") == []
    assert other.asked[1].all("Authorization") == ["Basic " + base64.b64encode(f"robot:{PASSWORD}".encode()).decode()]
    assert KEY not in str(other.asked)
    assert PASSWORD not in str(server.asked)


def test_a_credential_that_is_not_set_is_asked_for_and_nothing_is_sent(other):
    (reply,) = sent("http://127.0.0.1:9", call_of(other.url, credentials=Credentials("Bearer", ("__token__:value",))))
    assert reply.problem == "the credential __token__ is not set here; give it with --secret __token__=FILE"
    assert other.asked == []


def test_credentials_of_a_target_stand_instead_of_what_the_command_says(other):
    other.says()
    asked = request(Authorization="Basic eDp5", Idempotency_Key="mine")
    sent(
        "http://127.0.0.1:9",
        call_of(other.url, asked, Credentials("Token", ("a__one__:valueb",))),
        one="__two__:value",
        two="no",
    )
    assert other.asked[0].all("Authorization") == ["Token a__two__:valueb"]
    assert other.asked[0].all("Idempotency-Key") == ["run-1:2:1"]


def test_another_target_without_credentials_is_told_what_the_command_says(other):
    other.says()
    sent("http://127.0.0.1:9", call_of(other.url, request(Authorization="Basic eDp5", Spectra_In_Doubt="theirs")))
    assert other.asked[0].all("Authorization") == ["Basic eDp5"]
    assert other.asked[0].all("Spectra-In-Doubt") == ["theirs"]


def test_a_secret_that_no_header_may_hold_is_told_without_being_said(other):
    for secret in ("sécret\u20ac", "two\r\nlines: x"):
        (reply,) = sent(
            "http://127.0.0.1:9", call_of(other.url, credentials=Credentials("Bearer", ("__t__:value",))), t=secret
        )
        assert reply.problem
        assert secret not in reply.problem
    assert other.asked == []


def test_a_header_beyond_ascii_arrives_as_its_bytes(server):
    server.says()
    sent(server.url, call_of(asked=request(X_Note="café")))
    assert server.asked[0].all("X-Note") == ["café"]


@pytest.mark.parametrize(
    "text", ["a/b", "..%2f", "a b+c", "?x=1", "#", "%2e%2e", "é😀", "a\r\nX: y", '[]{}|^`"<>\\', ";,:@&=$!*'()~"]
)
def test_a_value_in_a_path_and_a_query_arrives_as_it_was_written(server, text):
    server.says()
    target = fill_target("/a/__x__:value/b?q=__x__:value", {"__x__": Value("string", text)})
    sent(server.url, call_of(asked=request("GET", target, b"")))
    assert server.asked[0].target == target


def test_a_path_of_the_target_stands_before_that_of_the_command(other):
    other.says()
    sent("http://127.0.0.1:9", call_of(other.url + "/api/v2", request("GET", "/tickets?id=5", b"")))
    assert other.asked[0].target == "/api/v2/tickets?id=5"


def test_the_environment_does_not_lead_calls_elsewhere(server, other, monkeypatch):
    server.says()
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, other.url)
    sent(server.url, call_of())
    assert (len(server.asked), other.asked) == (1, [])


def test_no_cookie_is_taken_along(server, other):
    server.says(Set_Cookie="session=abc; Path=/")
    other.says()
    sent(server.url, call_of(), call_of(), call_of(other.url))
    assert [asked.all("Cookie") for asked in (*server.asked, *other.asked)] == [[], [], []]


def test_over_tls_a_server_is_called_only_where_its_certificate_is_trusted(pauses):
    authority, theirs, trusting = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(theirs)
    authority.configure_trust(trusting)

    async def called(url: str, verify: ssl.SSLContext | None) -> Reply:
        async with Caller(url, SecretStr(KEY), verify=verify) as caller:
            return await caller.call(call_of())

    with serving(Server().says(), theirs) as server:
        refused = asyncio.run(called(server.url, None))
        assert refused.problem == f"the action server at {server.url} cannot be reached (ConnectError)"
        assert server.asked == []
        assert asyncio.run(called(server.url, trusting)).body == OUTCOME


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://example.com/a?b=c", "https://example.com"),
        ("http://example.com:8080/", "http://example.com:8080"),
        ("http://user:secret@example.com", "http://example.com"),
        ("http://a:b/", "an address that is none"),
    ],
)
def test_an_address_is_told_by_its_host_and_port_only(url, told):
    assert calling._origin(url) == told


# --- what comes back


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (422, {"detail": "/url must be given", "hint": "give it"}, "/url must be given (HTTP 422); give it"),
        (
            404,
            {"detail": "there is no action of this name", "hint": None},
            "there is no action of this name (HTTP 404)",
        ),
        (400, {"detail": "line\nbreak " + "x" * 5000}, "line break " + "x" * 989 + " (HTTP 400)"),
        (500, {"message": "no problem document"}, "answered with HTTP 500"),
        (500, {"detail": 5}, "answered with HTTP 500"),
        (422, {"detail": "no", "hint": 5}, "no (HTTP 422)"),
        (422, {"detail": "no", "hint": ""}, "no (HTTP 422)"),
        (502, [], "answered with HTTP 502"),
        (401, b"", "answered with HTTP 401"),
        (304, b"", "answered with HTTP 304"),
    ],
)
def test_a_refusal_is_a_sentence(server, status, body, told):
    server.says(status, body, Content_Type="application/problem+json")
    (reply,) = sent(server.url, call_of())
    assert (reply.status, reply.problem) == (status, told)
    assert len(server.asked) == 1


def test_what_the_problem_was_is_kept(server):
    server.says(409, {"detail": "no", "code": "conflict"})
    assert sent(server.url, call_of())[0].body == {"detail": "no", "code": "conflict"}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(server, other, status):
    server.says(status, b"", Location=other.url + "/actions/look")
    (reply,) = sent(server.url, call_of())
    assert reply.problem == f"answered with HTTP {status}"
    assert other.asked == []


def test_text_is_text_whatever_it_looks_like(server):
    server.says(body=b'{"a": 1}', Content_Type="text/markdown; charset=utf-8")
    assert sent(server.url, call_of())[0].body == '{"a": 1}'


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"not json",
        b'{"a": NaN}',
        b'{"a": 1e999}',
        b'{"a": 1, "a": 2}',
        b"[" * 100_000,
        b'"\\ud800"',
        b"\xff",
        b"<html>",
    ],
)
def test_what_is_called_json_and_is_none_is_a_problem(server, body):
    server.says(body=body)
    (reply,) = sent(server.url, call_of())
    assert (reply.body, reply.problem) == (None, "the answer (HTTP 200) is neither JSON nor text")


def test_bytes_that_are_no_text_are_a_problem(server):
    server.says(body=b"\xff\xfe\x00", Content_Type="application/octet-stream")
    assert sent(server.url, call_of())[0].problem == "the answer (HTTP 200) is neither JSON nor text"


@pytest.mark.parametrize("kind", ["application/json", "text/plain"])
def test_an_answer_without_a_body_is_one(server, kind):
    server.says(202, b"", Content_Type=kind)
    (reply,) = sent(server.url, call_of())
    assert (reply.status, reply.problem) == (202, None)
    assert not reply.body


def test_a_compressed_answer_is_read(server):
    server.says(body=gzip.compress(json.dumps(OUTCOME).encode()), Content_Encoding="gzip")
    assert sent(server.url, call_of())[0].body == OUTCOME


def test_an_answer_that_is_not_what_its_encoding_says_is_a_problem(server):
    server.says(body=b"not gzip", Content_Encoding="gzip")
    assert "gave no whole answer" in (sent(server.url, call_of())[0].problem or "")


@pytest.mark.parametrize("packed", [False, True])
def test_a_body_that_is_too_large_is_not_kept(server, monkeypatch, packed):
    monkeypatch.setattr(calling, "MOST_BYTES", 100_000)
    body = json.dumps("x" * 200_000).encode()
    server.says(body=gzip.compress(body) if packed else body, **({"Content_Encoding": "gzip"} if packed else {}))
    (reply,) = sent(server.url, call_of())
    assert (reply.body, reply.problem) == (None, "the answer is larger than 100000 bytes")
    server.answers.clear()
    server.says(body=json.dumps("x" * 99_998).encode())
    assert sent(server.url, call_of())[0].problem is None


# --- time


def test_an_answer_that_does_not_come_is_given_up_in_its_time(server):
    held = threading.Event()
    server.before = lambda _handler: held.wait(10)
    server.says()
    began = time.monotonic()
    (reply,) = sent(server.url, replace(call_of(), timeout=0.3))
    held.set()
    assert reply.problem == "ACTION_TIMEOUT: no answer within 0.3 seconds"
    assert time.monotonic() - began < 5


def test_a_body_that_drips_is_given_up_in_the_same_time(server):
    stop = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        while not stop.wait(0.05):
            handler.wfile.write(b" ")
            handler.wfile.flush()

    server.before = drip
    server.says()
    began = time.monotonic()
    (reply,) = sent(server.url, replace(call_of(), timeout=0.4))
    stop.set()
    assert reply.problem == "ACTION_TIMEOUT: no answer within 0.4 seconds"
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(("seconds", "told"), [(600.0, "600"), (604800.0, "604800"), (59.96, "60"), (0.25, "0.2")])
def test_the_time_is_told_as_people_read_it(seconds, told, monkeypatch):
    async def never(*_: object) -> Reply:
        raise TimeoutError

    monkeypatch.setattr(Caller, "_persist", never)
    (reply,) = sent("http://127.0.0.1:9", replace(call_of(), timeout=seconds))
    assert reply.problem == f"ACTION_TIMEOUT: no answer within {told} seconds"


# --- again, or not


@pytest.mark.parametrize("status", [429, 503])
def test_the_action_server_is_asked_again_when_it_says(server, pauses, status):
    server.says(status, {"detail": "busy"}, Retry_After="2").says(status, {"detail": "busy"}, Retry_After="4").says()
    (reply,) = sent(server.url, call_of())
    assert reply.body == OUTCOME
    assert pauses == [2.0, 4.0]
    assert {asked.all("Idempotency-Key")[0] for asked in server.asked} == {"run-1:2:1"}


def test_the_action_server_is_asked_three_times_at_most(server, pauses):
    server.says(503, {"detail": "busy"}, Retry_After="1")
    (reply,) = sent(server.url, call_of())
    assert reply.problem == "busy (HTTP 503)"
    assert (len(server.asked), pauses) == (3, [1.0, 1.0])


@pytest.mark.parametrize("after", ["", "soon", "Wed, 21 Oct 2026 07:28:00 GMT", "-5", "1.5", "²"])
def test_where_the_server_does_not_say_when_there_is_a_short_pause(server, pauses, after):
    server.says(503, {"detail": "busy"}, Retry_After=after.encode().decode("latin-1")).says()
    assert sent(server.url, call_of())[0].body == OUTCOME
    assert pauses == [0.5]


def test_a_server_that_wants_to_be_left_alone_for_long_is(server, pauses):
    server.says(429, {"detail": "busy"}, Retry_After="3600")
    assert sent(server.url, call_of())[0].problem == "busy (HTTP 429)"
    assert (len(server.asked), pauses) == (1, [])


@pytest.mark.parametrize(("after", "again"), [("30", True), ("31", False)])
def test_half_a_minute_is_what_a_server_is_waited_for(server, pauses, after, again):
    server.says(503, {"detail": "busy"}, Retry_After=after).says()
    assert (sent(server.url, call_of())[0].problem is None) is again
    assert pauses == ([30.0] if again else [])


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 413, 422, 500, 502, 504])
def test_no_other_refusal_is_asked_again(server, pauses, status):
    server.says(status, {"detail": "no"}, Retry_After="1")
    sent(server.url, call_of())
    assert (len(server.asked), pauses) == (1, [])


def test_what_the_server_is_doing_already_is_waited_for_to_its_end(server, pauses):
    for _ in range(5):
        server.says(409, {"detail": "is being run"}, Retry_After="2")
    server.says()
    assert sent(server.url, call_of())[0].body == OUTCOME
    assert pauses == [2.0] * 5


def test_a_conflict_that_does_not_end_by_itself_is_told(server, pauses):
    server.says(409, {"detail": "belongs to another"})
    assert sent(server.url, call_of())[0].problem == "belongs to another (HTTP 409)"
    assert pauses == []


@pytest.mark.parametrize("status", [429, 503])
def test_another_target_is_never_asked_again(other, pauses, status):
    other.says(status, {"detail": "busy"}, Retry_After="1")
    (reply,) = sent("http://127.0.0.1:9", call_of(other.url))
    assert reply.problem == f"busy (HTTP {status})"
    assert (len(other.asked), pauses) == (1, [])


def nowhere() -> str:
    """An address at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


def test_a_server_that_cannot_be_reached_is_tried_three_times_and_named(pauses):
    url = nowhere()
    (reply,) = sent(url, call_of())
    assert reply.problem == f"the action server at {url} cannot be reached (ConnectError)"
    assert pauses == [0.5, 1.0]


def test_a_target_that_cannot_be_reached_is_tried_once_and_named_without_its_path(pauses):
    url = nowhere()
    (reply,) = sent("http://127.0.0.1:9", call_of(url + "/secret/path", request("GET", "/x?token=abc", b"")))
    assert reply.problem == f"the target at {url} cannot be reached (ConnectError)"
    assert pauses == []


def test_a_server_that_comes_up_meanwhile_is_reached(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    raw: list[socket.socket] = []

    async def come_up(_seconds: float) -> None:
        listener = socket.create_server(("127.0.0.1", port))
        raw.append(listener)
        threading.Thread(target=answer_one, args=(listener,), daemon=True).start()

    monkeypatch.setattr(calling.asyncio, "sleep", come_up)
    (reply,) = sent(f"http://127.0.0.1:{port}", call_of())
    raw[0].close()
    assert reply.body == OUTCOME


def answer_one(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        read_request(connection)
        body = json.dumps(OUTCOME).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode() + body)


def read_request(connection: socket.socket) -> bytes:
    got = b""
    while b"\r\n\r\n" not in got or len(got.partition(b"\r\n\r\n")[2]) < int(
        (re.search(rb"(?i)content-length: (\d+)", got) or [0, 0])[1]
    ):
        got += connection.recv(65536)
    return got


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{", b"SSH-2.0-x\r\n"])
def test_an_answer_that_breaks_off_is_told_and_not_asked_for_again(answer, pauses):
    asked: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            asked.append(read_request(connection))
            connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        (reply,) = sent(url, call_of())
        thread.join(5)
    assert re.fullmatch(rf"the action server at {url} gave no whole answer \(\w+\)", reply.problem or "")
    assert (len(asked), pauses) == (1, [])


@pytest.mark.parametrize(
    "base",
    [
        "http://",
        "http://a b",
        "ftp://example.com",
        "http://\x00",
        "nonsense",
        "http://[::1",
        "http://127.0.0.1:99999",
        "http://" + "a" * 70 + ".example",
    ],
)
def test_an_address_that_is_none_is_told(base):
    (reply,) = sent("http://127.0.0.1:9", call_of(base))
    assert reply.problem
    assert "\x00" not in reply.problem


def test_a_caller_is_never_put_into_a_pickle():
    import pickle

    async def pickled() -> None:
        async with Caller("http://127.0.0.1:9", SecretStr(KEY)) as caller:
            assert KEY not in repr(caller)
            pickle.dumps(caller)

    with pytest.raises(TypeError):
        asyncio.run(pickled())
