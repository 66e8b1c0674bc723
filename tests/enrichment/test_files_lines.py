"""Blocks of bytes become lines with exact offsets, however the bytes come."""

from hypothesis import given, settings
from hypothesis import strategies as st

from connector.enrichment.files.lines import HEAD, MOST, Splitter

TEXTS = st.lists(st.sampled_from([b"a", b"bc", b"\n", b"\n\n", b"\r\n", b"\r", b"{}", b"x" * 30]), max_size=40)


class Kept:
    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.pieces: list[bytes] = []

    def take(self, piece: bytes) -> None:
        self.pieces.append(piece)

    def end(self) -> str:
        self.lines.append(b"".join(self.pieces))
        self.pieces = []
        return f"kept-{len(self.lines)}"


def expected(text: bytes, longest: int) -> tuple[list[tuple[int, bytes]], list[bytes], list[int]]:
    """Numbered events, the overlong lines, and the offset behind each event, the plain way."""
    given_out, overlong, ends, offset = [], [], [], 0
    for line in text.split(b"\n"):
        offset += len(line) + 1
        if len(line) > longest:
            overlong.append(line)
            given_out.append((len(given_out), line[:HEAD]))
            ends.append(min(offset, len(text)))
        elif line.removesuffix(b"\r"):
            given_out.append((len(given_out), line.removesuffix(b"\r")))
            ends.append(min(offset, len(text)))
    return given_out, overlong, ends


def split(blocks: list[bytes], longest: int):
    kept = Kept()
    splitter = Splitter(longest, kept)
    made = [lines for block in blocks for lines in splitter.feed(block)] + splitter.flush()
    numbered = [(lines.number + n, event) for lines in made for n, event in enumerate(lines.events)]
    return numbered, kept.lines, made, splitter


@settings(max_examples=150, deadline=None)
@given(TEXTS.map(b"".join), st.data(), st.sampled_from([3, 20, 1000]))
def test_any_cut_into_blocks_gives_the_same_lines_and_offsets(text, data, longest):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=10)))
    blocks = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]

    numbered, overlong, made, splitter = split(blocks, longest)

    events, long_ones, ends = expected(text, longest)
    assert numbered == events
    assert overlong == long_ones
    assert splitter.consumed == splitter.offset == len(text)
    assert {lines.end for lines in made} <= set(ends) | {len(text)} | {
        n + 1 for n, byte in enumerate(text) if byte == 10
    }


@settings(max_examples=80, deadline=None)
@given(TEXTS.map(b"".join), st.integers(1, 40))
def test_reading_on_from_any_end_gives_what_was_left(text, size):
    blocks = [text[n : n + size] for n in range(0, len(text), size)]
    whole, _, made, _ = split(blocks, 20)

    for lines in made:
        kept = Kept()
        rest = Splitter(20, kept, lines.end, lines.number + len(lines.events))
        again = rest.feed(text[lines.end :]) + rest.flush()
        numbered = [(one.number + n, event) for one in again for n, event in enumerate(one.events)]
        assert numbered == whole[lines.number + len(lines.events) :]


def test_a_batch_holds_a_bounded_number_of_lines():
    made = Splitter().feed(b"x\n" * (2 * MOST + 1))

    assert [len(lines.events) for lines in made] == [MOST, MOST, 1]
    assert [lines.end for lines in made] == [2 * MOST, 4 * MOST, 4 * MOST + 2]


def test_a_line_that_is_too_long_is_never_held_in_memory():
    class Counting:
        largest = total = 0

        def take(self, piece: bytes) -> None:
            self.largest, self.total = max(self.largest, len(piece)), self.total + len(piece)

        def end(self) -> None:
            return None

    counting = Counting()
    splitter = Splitter(1000, counting)
    for _ in range(500):
        assert splitter.feed(b"y" * 400) == []
    (lines,) = splitter.feed(b"\n")

    assert lines.overlong == (0, 200_000, None)
    assert lines.events == [b"y" * HEAD] or len(lines.events[0]) <= HEAD
    assert counting.total == 200_000
    assert counting.largest <= 1400
    assert lines.end == 200_001


def test_tiny_blocks_of_a_long_line_are_not_copied_over_and_over():
    splitter = Splitter()
    for _ in range(200_000):
        splitter.feed(b"z")

    assert splitter.feed(b"\n")[0].events == [b"z" * 200_000]
