"""Where a message ends is known, however it comes and wherever it is cut."""

from hypothesis import given
from hypothesis import strategies as st

from tests.faults.messages import Ended, Stream, read_answer

SIZED = b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n" + bytes(20)


class Script:
    """A socket that gives prepared pieces, and then its end."""

    def __init__(self, pieces):
        self.pieces = iter(pieces)

    def recv(self, _size):
        return next(self.pieces, b"")


def cut_up(data, sizes):
    at = 0
    for size in sizes:
        yield data[at : at + size]
        at += size
    yield data[at:]


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6), st.lists(st.integers(1, 30), max_size=20), st.binary())
def test_a_chunked_answer_ends_where_it_ends_however_it_comes(parts, sizes, behind):
    body = b"".join(b"%x;q\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\na: b\r\n\r\n"
    message = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body
    stream = Stream(Script(piece for piece in cut_up(message + behind, sizes) if piece))

    answer = read_answer(stream, "GET")

    assert answer.whole
    assert answer.head.raw + answer.body == message
    assert answer.content() == b"".join(parts)
    assert b"".join(stream.pieces("close")) == behind


@given(st.data())
def test_a_message_that_ends_early_is_never_whole(data):
    message = data.draw(
        st.sampled_from([SIZED, b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"])
    )
    cut = data.draw(st.integers(1, len(message) - 1))

    try:
        answer = read_answer(Stream(Script([message[:cut]])), "GET")
    except Ended:
        assert b"\r\n\r\n" not in message[:cut]
    else:
        assert not answer.whole
        assert answer.head.raw + answer.body == message[:cut]
