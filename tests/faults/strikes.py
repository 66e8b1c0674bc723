"""What each kind of fault does to an answer: it is given the real one and writes what the client gets instead."""

import contextlib
import gzip
import socket
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import chain
from typing import Final

from tests.faults.messages import Answer, Head
from tests.faults.peer import finish, gone_within, reset
from tests.faults.plan import Fault

Connection = socket.socket
MEBIBYTE: Final = 1 << 20
APART: Final = 0.02  # seconds, so that two pieces are read one after the other and not as one
_BAD_HEADERS: Final = {"nul": b"x-bad: a\x00b\r\n", "fold": b"x-bad: a\r\n b\r\n", "name": b"x bad{}: a\r\n"}
# What is sent where no real answer was asked for.
NO_ANSWER: Final = Answer(
    Head(b"HTTP/1.1 200 OK\r\n\r\n", ("HTTP/1.1", "200", "OK"), (("content-type", "application/json"),)), b"{}", 2, True
)


def strike(connection: Connection, fault: Fault, answer: Answer) -> bool:
    """Carry out a fault on an answer; True when the connection goes on, and otherwise it is closed."""
    if fault.kind in _ANSWERS:
        head, body, goes_on = _ANSWERS[fault.kind](fault, answer)
        _send(connection, chain([head], body))
        if not goes_on:
            finish(connection)
        return goes_on
    if fault.kind in _SLOW:
        _SLOW[fault.kind](connection, fault, answer)
        finish(connection)
        return False
    portion, end = fault.kind.removeprefix("answer_").rsplit("_", 1)
    _send(connection, [_portion(portion, answer)])
    end_so(connection, end, fault.longest)
    return False


def end_so(connection: Connection, end: str, longest: float) -> None:
    """End with an RST, a FIN, or first with silence until the client leaves or the longest wait is over."""
    if end == "rst":
        reset(connection)
        return
    if end == "wait":
        gone_within(connection, longest)
    finish(connection)


def _send(connection: Connection, pieces: Iterable[bytes]) -> None:
    """Write until the client leaves."""
    with contextlib.suppress(OSError):
        for piece in pieces:
            connection.sendall(piece)


def _portion(portion: str, answer: Answer) -> bytes:
    """The beginning of an answer; one without a body is cut within its head, so that it is never complete."""
    head, body = answer.head.raw, answer.body
    if portion == "all_but_one":
        return (head + body)[:-1]
    if portion == "half":
        return head + body[: len(body) // 2] if body else head[: len(head) // 2]
    if portion == "head":
        return head if body else head[:-2]
    return head + body if portion == "whole" else b""


def written(status: str, headers: Iterable[tuple[str, str]], extra: bytes = b"", version: str = "HTTP/1.1") -> bytes:
    """The bytes of a head; `extra` are more header lines as they are."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"{version} {status}\r\n{lines}".encode("latin-1") + extra + b"\r\n"


def _sized(answer: Answer, body: bytes, *more: tuple[str, str]) -> bytes:
    """The head of an answer with this body instead of its own."""
    return written(answer.status, [*answer.described(), *more, ("content-length", str(len(body)))])


# Answers that are written at once: the head, the body in pieces, and whether the connection goes on.
Written = tuple[bytes, Iterable[bytes], bool]


def _replace(fault: Fault, _answer: Answer) -> Written:
    named = {name.lower() for name, _ in fault.headers}
    length = [] if named & {"content-length", "transfer-encoding"} else [("content-length", str(len(fault.body)))]
    return written(f"{fault.status} Replaced", [*fault.headers, *length]), [fault.body], True


def _chunk_broken(_fault: Fault, answer: Answer) -> Written:
    content = answer.content()
    half = len(content) // 2

    def body() -> Iterator[bytes]:
        time.sleep(APART)
        yield _chunk(content[:half])
        time.sleep(APART)
        yield b"zz\r\n" + content[half:] + b"\r\n0\r\n\r\n"

    return written(answer.status, [*answer.described(), ("transfer-encoding", "chunked")]), body(), False


def _chunk_unterminated(_fault: Fault, answer: Answer) -> Written:
    head = written(answer.status, [*answer.described(), ("transfer-encoding", "chunked")])
    return head, [_chunk(answer.content())], False


def _chunk(content: bytes) -> bytes:
    return f"{len(content):x}\r\n".encode() + content + b"\r\n" if content else b""


def _gzip_cut(fault: Fault, answer: Answer) -> Written:
    packed = gzip.compress(answer.content(), mtime=0)
    cut = packed[: fault.part(len(packed))]
    return _sized(answer, cut, ("content-encoding", "gzip")), [cut], True


def _gzip_bomb(fault: Fault, answer: Answer) -> Written:
    body = bomb(fault.mebibytes)
    return _sized(answer, body, ("content-encoding", "gzip")), [body], True


@lru_cache(maxsize=4)
def bomb(mebibytes: int) -> bytes:
    """That many MiB of zeros, as gzip packs them: about a thousandth."""
    packer, block = zlib.compressobj(9, zlib.DEFLATED, 31), bytes(MEBIBYTE)
    return b"".join(packer.compress(block) for _ in range(mebibytes)) + packer.flush()


def _encoded_many(fault: Fault, answer: Answer) -> Written:
    body = answer.content()
    for _ in range(fault.encodings):
        body = gzip.compress(body, 1, mtime=0)
    return _sized(answer, body, ("content-encoding", ", ".join(["gzip"] * fault.encodings))), [body], True


def _plain_huge(fault: Fault, answer: Answer) -> Written:
    block = b" " * MEBIBYTE
    length = [("content-length", str(fault.mebibytes * MEBIBYTE))] if fault.announced else []
    head = written(answer.status, [*answer.described(), *length, ("connection", "close")])
    return head, (block for _ in range(fault.mebibytes)), False


def _close_delimited_cut(_fault: Fault, answer: Answer) -> Written:
    content = answer.content()
    head = written(answer.status, answer.described(), version="HTTP/1.0")
    return head, [content[: len(content) // 2]], False


def _content_length_twice(_fault: Fault, answer: Answer) -> Written:
    content = answer.content()
    return _sized(answer, content, ("content-length", str(len(content) + 1))), [content], False


def _content_length_more(_fault: Fault, answer: Answer) -> Written:
    content = answer.content()
    head = written(answer.status, [*answer.described(), ("content-length", str(len(content) + 10))])
    return head, [content], False


def _garbage(_fault: Fault, _answer: Answer) -> Written:
    return b"\x00\xff\xfeSSH-2.0-nothing of HTTP\r\n", [bytes(range(256))], False


def _status_line_long(_fault: Fault, answer: Answer) -> Written:
    content = answer.content()
    head = written(answer.status + "x" * MEBIBYTE, [*answer.described(), ("content-length", str(len(content)))])
    return head, [content], False


def _headers_many(_fault: Fault, answer: Answer) -> Written:
    content = answer.content()
    many = [(f"x-filler-{number}", "y" * 1000) for number in range(1040)]
    return _sized(answer, content, *many), [content], False


def _headers_bad(fault: Fault, answer: Answer) -> Written:
    content = answer.content()
    length = ("content-length", str(len(content)))
    return written(answer.status, [*answer.described(), length], _BAD_HEADERS[fault.bad]), [content], False


_ANSWERS: Final[dict[str, Callable[[Fault, Answer], Written]]] = {
    "replace": _replace,
    "chunk_broken": _chunk_broken,
    "chunk_unterminated": _chunk_unterminated,
    "gzip_cut": _gzip_cut,
    "gzip_bomb": _gzip_bomb,
    "encoded_many": _encoded_many,
    "plain_huge": _plain_huge,
    "close_delimited_cut": _close_delimited_cut,
    "content_length_twice": _content_length_twice,
    "content_length_more": _content_length_more,
    "garbage": _garbage,
    "status_line_long": _status_line_long,
    "headers_many": _headers_many,
    "headers_bad": _headers_bad,
}


# Answers that take their time, until they are whole, the client leaves, or the longest wait is over.
def _dribble_head(connection: Connection, fault: Fault, answer: Answer) -> None:
    if _slowly(connection, fault, (answer.head.raw[i : i + 1] for i in range(len(answer.head.raw)))):
        _send(connection, [answer.body])


def _dribble_body(connection: Connection, fault: Fault, answer: Answer) -> None:
    _send(connection, [answer.head.raw])
    _slowly(connection, fault, (answer.body[i : i + 1] for i in range(len(answer.body))))


def _interim(line: bytes) -> Callable[[Connection, Fault, Answer], None]:
    def endless(connection: Connection, fault: Fault, _answer: Answer) -> None:
        _slowly(connection, fault, iter(lambda: line, b""))

    return endless


def _slowly(connection: Connection, fault: Fault, pieces: Iterable[bytes]) -> bool:
    """Write a piece every so many seconds; True when all of them were written in time."""
    ends = time.monotonic() + fault.longest
    with contextlib.suppress(OSError):
        for piece in pieces:
            connection.sendall(piece)
            left = ends - time.monotonic()
            if left <= 0 or gone_within(connection, min(left, fault.every_seconds)):
                return False
        return True
    return False


_SLOW: Final[dict[str, Callable[[Connection, Fault, Answer], None]]] = {
    "answer_dribble_head": _dribble_head,
    "answer_dribble_body": _dribble_body,
    "answer_early_hints": _interim(b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n"),
    "answer_100_continue_endless": _interim(b"HTTP/1.1 100 Continue\r\n\r\n"),
}
