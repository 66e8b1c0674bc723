"""Dead letters tell what failed and why, are never lost or dropped, and bring the very event back."""

import asyncio
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.enrichment.files.dead_letter import DeadLetters, ReplaySource
from connector.enrichment.files.letter import Letter
from connector.enrichment.files.letter import read as read_letter
from connector.enrichment.files.letter import written as letter_of
from connector.enrichment.files.source import FileSource
from connector.enrichment.files.spill import SideFiles
from connector.enrichment.ids import event_id
from connector.enrichment.values import Batch, Failure
from connector.errors import StateError
from tests.enrichment.reading import broken, events, ids, read

WHY = Failure("not_json", "the event is not JSON")
NOW = 1_785_000_000.25


@pytest.fixture
def path(tmp_path):
    return tmp_path / "out.dead-letter.ndjson"


def batch_of(*raw, origin="file:/events#1", first=0, names=None):
    return Batch(list(raw), None, origin, first, ids=names)


def buried(path, *batches, place=None, most=1000, failure=WHY):
    """Write all events of these batches as letters; the place after them."""

    async def run():
        letters = DeadLetters(path, most=most, durable=False, clock=lambda: NOW)
        try:
            await letters.open(place)
            for batch in batches:
                dead = batch.broken or dict.fromkeys(range(len(batch.events)), failure)
                await letters.write(batch, dead)
            return await letters.sync()
        finally:
            await letters.close()

    return asyncio.run(run())


def told(path):
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_a_letter_tells_the_event_the_reason_and_what_names_it(path):
    batch = batch_of(b'{"a":', first=41)
    place = buried(path, batch)

    (letter,) = told(path)
    assert letter.pop("run") == place["run"]
    assert letter == {
        "event": '{"a":',
        "reason": "not_json",
        "detail": "the event is not JSON",
        "origin": "file:/events#1",
        "name": "41",
        "id": event_id(batch, 0),
        "at": "2026-07-25T17:20:00.250Z",
        "attempts": 1,
    }


def test_no_file_is_made_without_a_letter(path):
    place = buried(path)

    assert not path.exists()
    assert place["length"] == 0


def test_letters_of_many_runs_stand_one_after_the_other(path):
    buried(path, batch_of(b"one"))
    buried(path, batch_of(b"two"))

    assert [letter["event"] for letter in told(path)] == ["one", "two"]


def test_letters_that_a_run_writes_again_are_not_there_twice(path):
    place = buried(path, batch_of(b"one"))
    buried(path, batch_of(b"two"), place=place)
    with path.open("ab") as stream:
        stream.write(b'{"event":"tor')

    buried(path, batch_of(b"two"), place=place)

    assert [letter["event"] for letter in told(path)] == ["one", "two"]


def test_letters_after_a_commit_of_none_are_not_there_twice(path):
    place = buried(path)
    buried(path, batch_of(b"one"), place=place)

    buried(path, batch_of(b"one"), place=place)

    assert [letter["event"] for letter in told(path)] == ["one"]


def test_letters_of_another_run_are_never_cut_off(path):
    place = buried(path, batch_of(b"one"))
    buried(path, batch_of(b"of another run"))

    buried(path, batch_of(b"two"), place=place)

    assert [letter["event"] for letter in told(path)] == ["one", "of another run", "two"]


def test_letters_that_were_moved_away_leave_room_for_new_ones(path):
    place = buried(path, batch_of(b"one"))
    path.unlink()

    buried(path, batch_of(b"two"), place=place)

    assert [letter["event"] for letter in told(path)] == ["two"]


def test_a_full_file_stops_the_run_and_drops_nothing(path):
    buried(path, batch_of(b"one", b"two"), most=3)

    with pytest.raises(StateError, match="is full: it holds 2 letters; nothing was dropped"):
        buried(path, batch_of(b"three", b"four"), most=3)
    assert len(told(path)) == 2


def test_a_file_of_something_else_is_left_as_it_is(path):
    path.write_bytes(b'{"mine": 1}\nand torn')

    with pytest.raises(StateError, match="holds something else than dead letters"):
        buried(path)
    assert path.read_bytes() == b'{"mine": 1}\nand torn'


def test_two_runs_never_write_one_file_of_letters(path):
    async def run():
        first, second = DeadLetters(path), DeadLetters(path)
        await first.open(None)
        await second.open(None)
        await first.write(batch_of(b"one"), {0: WHY})
        with pytest.raises(StateError, match="in use by another run"):
            await second.write(batch_of(b"two"), {0: WHY})
        await first.close()
        await second.close()

    asyncio.run(run())


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=50) | st.text(max_size=30).map(str.encode), st.text(max_size=9), st.integers(0, 2**40))
def test_any_event_comes_back_as_it_was_under_its_own_id(raw, origin, number):
    batch = Batch([raw], None, origin, number)

    letter = read_letter(letter_of(batch, 0, WHY, NOW, "run"))

    assert isinstance(letter, Letter)
    assert letter.event == raw
    assert event_id(Batch([raw], None, letter.origin, ids=[letter.name]), 0) == event_id(batch, 0)


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=60)
    | st.dictionaries(
        st.sampled_from(["event", "event_base64", "event_file", "event_start", "origin", "name", "attempts"]),
        st.none() | st.text(max_size=5) | st.integers(-1, 3) | st.just("../x"),
    ).map(lambda told: json.dumps(told).encode())
)
def test_no_line_breaks_the_reading_of_letters(line):
    letter = read_letter(line)

    assert isinstance(letter, Letter | Failure)
    assert isinstance(letter, Failure) or "/" not in (letter.file or "")


def test_a_replay_brings_the_events_of_every_origin_with_their_ids(path):
    batches = [
        batch_of(b"one", b"t\xffwo", first=7),
        batch_of(b"three", origin="redis:events", names=["1-0"]),
        batch_of(b"four", first=9),
    ]
    buried(path, *batches)

    got = read(ReplaySource(path))

    assert events(got) == [b"one", b"t\xffwo", b"three", b"four"]
    assert ids(got) == ids(batches)
    assert [batch.origin for batch in got] == ["file:/events#1", "redis:events", "file:/events#1"]


def test_a_replay_goes_on_after_any_batch(path):
    buried(path, *[batch_of(b"%d" % n, origin=f"origin {n // 3}", first=n) for n in range(20)])
    whole = read(ReplaySource(path))

    for n, batch in enumerate(whole):
        rest = read(ReplaySource(path), batch.position)
        assert events(rest) == events(whole[n + 1 :])
        assert ids(rest) == ids(whole[n + 1 :])


def test_an_event_that_dies_again_has_one_attempt_more_and_the_same_id(path, tmp_path):
    buried(path, batch_of(b"one", first=3))
    again = tmp_path / "again"
    (batch,) = read(ReplaySource(path))

    buried(again, batch)
    buried(again.with_name("third"), *read(ReplaySource(again)))

    (first,), (second,), (third,) = told(path), told(again), told(again.with_name("third"))
    assert [letter["attempts"] for letter in (first, second, third)] == [1, 2, 3]
    assert first["id"] == second["id"] == third["id"]


def test_a_long_event_comes_back_from_its_side_file(path, tmp_path):
    source = tmp_path / "events"
    long = b'{"a":"' + b"x" * 5000 + b'"}'
    source.write_bytes(b"not JSON\n" + long + b"\n")
    got = read(FileSource(source, longest=1000, spill=SideFiles(path)))

    buried(path, *[batch for batch in got if batch.broken])

    (letter,) = told(path)
    assert letter["reason"] == "too_long"
    assert letter["event_file"].startswith(path.name + ".")
    back = read(ReplaySource(path, longest=10_000))
    assert events(back) == [long]
    assert ids(back) == ids([batch for batch in got if batch.broken])


def test_a_long_event_that_is_still_too_long_stays_dead_and_whole(path, tmp_path):
    source, again = tmp_path / "events", tmp_path / "again"
    source.write_bytes(b"x" * 5000)
    buried(path, *read(FileSource(source, longest=1000, spill=SideFiles(path))))

    got = read(ReplaySource(path, longest=2000, spill=SideFiles(again)))
    buried(again, *got)

    assert [failure.reason for failure in broken(got)] == ["too_long"]
    (letter,) = told(again)
    assert letter["attempts"] == 2
    assert (tmp_path / letter["event_file"]).read_bytes() == b"x" * 5000


def test_a_long_event_whose_bytes_were_not_kept_says_so(path, tmp_path):
    source = tmp_path / "events"
    source.write_bytes(b"x" * 5000)
    buried(path, *read(FileSource(source, longest=2000)))

    (letter,) = told(path)
    assert letter["event_start"] == "x" * 1024
    (failure,) = broken(read(ReplaySource(path)))
    assert failure.reason == "not_kept"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"not JSON", "not_a_letter"),
        (b"[1]", "not_a_letter"),
        (b'{"event":"a"}', "not_a_letter"),
        (b'{"event_base64":"?","origin":"o","name":"1","attempts":1}', "not_a_letter"),
        (b'{"event_file":"../secret","origin":"o","name":"1","attempts":1}', "not_a_letter"),
        (b'{"event_file":"gone","origin":"o","name":"1","attempts":1}', "not_kept"),
        (b'{"event_file":"link","origin":"o","name":"1","attempts":1}', "not_kept"),
    ],
)
def test_a_letter_that_brings_no_event_is_broken_itself(path, line, reason):
    path.with_name("link").symlink_to("/etc/hostname")
    path.write_bytes(line + b"\n")

    got = read(ReplaySource(path))

    assert events(got) == [line]
    assert [failure.reason for failure in broken(got)] == [reason]


def test_letters_are_not_replayed_into_their_own_file(path):
    buried(path, batch_of(b"one"))

    async def run():
        letters, source = DeadLetters(path), ReplaySource(path)
        await letters.open(None)
        try:
            with pytest.raises(StateError, match="while it would be replayed") as refused:
                await source.open(None)
        finally:
            await source.close()
            await letters.close()
        return refused.value.hint

    assert "name another file" in asyncio.run(run())


def test_a_position_of_another_source_is_refused(path):
    buried(path, batch_of(b"one"))

    with pytest.raises(StateError, match="is not of a replay"):
        read(ReplaySource(path), {"offset": 1})
