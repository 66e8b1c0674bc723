"""A log is followed through growth, rotation and cutting, also through those that came while nobody looked."""

import os

import pytest

from connector.enrichment.files.follow import QUIET, FollowSource
from connector.enrichment.files.rotated import rotated
from connector.enrichment.files.spill import SideFiles
from connector.errors import StateError
from tests.enrichment.reading import Scripted, broken, events, ids, read


@pytest.fixture
def log(tmp_path):
    return tmp_path / "eve.json"


def add(path, text):
    def step():
        with path.open("ab") as stream:
            stream.write(text)

    return step


def follow(path, *steps, position=None, **options):
    """All batches of a follower whose waits do these steps one after the other."""
    sleep = Scripted(*steps)
    source = FollowSource(path, sleep=sleep, **options)
    sleep.source = source
    return read(source, position)


def quietly(*steps):
    return (*steps, *[None] * (QUIET + 1))


def test_what_is_added_comes_and_a_line_waits_for_its_end(log):
    log.write_bytes(b"one\n")

    got = follow(log, add(log, b"two\nthr"), None, add(log, b"ee\nfou"))

    assert events(got) == [b"one", b"two", b"three"]
    assert got[-1].position["offset"] == len(b"one\ntwo\nthree\n")


def test_a_log_that_is_not_there_yet_is_waited_for(log):
    assert events(follow(log, None, None, add(log, b"one\n"), None)) == [b"one"]


def test_none_is_told_while_nothing_is_there(log):
    import asyncio

    sleep = Scripted()
    source = FollowSource(log, sleep=sleep)
    sleep.source = source

    async def run():
        await source.open(None)
        return [batch async for batch in source.batches()]

    assert asyncio.run(run()) == [None]


def test_a_renamed_log_is_read_to_its_end_before_the_new_one(log):
    old = log.with_name("eve.json.1")
    log.write_bytes(b"one\n")

    got = follow(
        log,
        lambda: log.rename(old),
        *(add(old, b"two\n"), add(log, b"four\n"), add(old, b"three\n")),
        *quietly(),
        add(log, b"five\n"),
        None,
    )

    assert events(got) == [b"one", b"two", b"three", b"four", b"five"]
    assert len(set(ids(got))) == 5


def test_the_last_line_of_a_renamed_log_needs_no_end(log):
    log.write_bytes(b"one\ntwo")

    got = follow(log, lambda: log.rename(log.with_name("eve.json.1")), *quietly(add(log, b"three\n")))

    assert events(got) == [b"one", b"two", b"three"]


def test_a_log_that_was_cut_is_read_from_its_beginning(log):
    log.write_bytes(b"one\ntwo\n")

    got = follow(log, lambda: log.write_bytes(b"three\n"), None, add(log, b"four\n"), None)

    assert events(got) == [b"one", b"two", b"three", b"four"]


def test_a_log_that_was_cut_and_is_longer_already_is_noticed_by_its_beginning(log):
    log.write_bytes(b"one\n")

    assert events(follow(log, lambda: log.write_bytes(b"ten\neleven\ntwelve\n"), None)) == [
        *(b"one", b"ten", b"eleven", b"twelve")
    ]


def test_the_checkpoint_moves_with_the_turn_to_a_new_file(log):
    log.write_bytes(b"one\n")
    got = follow(log, lambda: log.write_bytes(b""), None)

    assert got[-1].events == []
    assert got[-1].position["offset"] == 0
    assert events(follow(log, add(log, b"two\n"), None, position=got[-1].position)) == [b"two"]


@pytest.fixture
def begun(log):
    """A log of which one event was taken; the position after it."""
    log.write_bytes(b"one\n")
    (batch,) = follow(log)
    return batch


def test_a_follower_goes_on_where_it_stopped_with_the_same_ids(log, begun):
    add(log, b"two\n")()
    whole = follow(log)

    rest = follow(log, position=begun.position)

    assert events(rest) == [b"two"]
    assert rest[0].origin == begun.origin
    assert rest[0].first == 1
    assert events(whole) == [b"one", b"two"]


@pytest.mark.parametrize("name", ["eve.json.1", "eve.json-20260101", "eve-20260101.json", "eve.json.2026-01-01T00:00"])
def test_a_log_that_was_rotated_while_nobody_looked_is_finished_first(log, begun, name):
    add(log, b"two\n")()
    log.rename(log.with_name(name))
    log.write_bytes(b"three\n")

    assert events(follow(log, *quietly(), position=begun.position)) == [b"two", b"three"]


def test_several_rotations_while_nobody_looked_lose_nothing(log, begun):
    add(log, b"two\n")()
    for n, text in ((2, b"three\n"), (1, b"four\n")):
        log.rename(log.with_name(f"eve.json.{n}"))
        log.write_bytes(text)
        os.utime(log, ns=(n, 10**18 + (10 - n) * 10**9))
    os.utime(log.with_name("eve.json.2"), ns=(0, 10**18))
    log.with_name("eve.json.3").write_bytes(b"long ago\n")
    os.utime(log.with_name("eve.json.3"), ns=(0, 10**17))

    got = follow(log, *quietly(*quietly()), position=begun.position)

    assert events(got) == [b"two", b"three", b"four"]


def test_a_log_that_was_copied_and_cut_while_nobody_looked_is_finished_in_its_copy(log, begun):
    add(log, b"two\n")()
    log.with_name("eve.json.1").write_bytes(log.read_bytes())
    log.write_bytes(b"three\n")

    assert events(follow(log, *quietly(), position=begun.position)) == [b"two", b"three"]


def test_a_log_whose_rest_is_gone_is_refused_with_what_to_do(log, begun):
    log.write_bytes(b"all new\n")

    with pytest.raises(StateError, match="was rotated") as refused:
        follow(log, position=begun.position)
    assert "put it back" in refused.value.hint


def test_outputs_beside_a_log_are_not_taken_for_rotated_ones(log):
    for name in ("eve.json", "eve.json.enriched", "eve.json.checkpoint", "eve.json.1.gz", "eve.json.2.enriched"):
        log.with_name(name).write_bytes(b"x\n")
    log.with_name("eve.json.1").write_bytes(b"x\n")

    assert [one.name for one in rotated(log)] == ["eve.json.1"]


def test_stop_in_the_middle_gives_nothing_more(log):
    log.write_bytes(b"x\n" * 5000)
    source = FollowSource(log, sleep=Scripted())

    assert len(events(read(source, most=1500))) == 2000


def test_a_long_line_of_a_log_is_broken_and_kept(log, tmp_path):
    log.write_bytes(b"x" * 5000 + b"\nok\n")

    got = follow(log, longest=1000, spill=SideFiles(tmp_path / "letters"))

    (failure,) = broken(got)
    assert (tmp_path / failure.file).read_bytes() == b"x" * 5000
    assert events(got)[-1] == b"ok"


def test_a_folder_or_a_device_cannot_be_followed(tmp_path):
    with pytest.raises(StateError, match="is a folder"):
        follow(tmp_path)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(StateError, match="leave out the option follow"):
        follow(fifo)
