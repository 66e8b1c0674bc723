"""Files and standard input as sources: all events, exact positions, flat memory, and honest refusals."""

import asyncio
import gzip
import os
import subprocess
import sys
import threading
import time

import pytest

from connector.enrichment.files.lines import MOST
from connector.enrichment.files.source import FileSource, StdinSource
from connector.enrichment.files.spill import SideFiles
from connector.errors import StateError
from tests.enrichment.reading import broken, events, ids, read

MANY = [b'{"n":%d}' % n for n in range(4321)]


@pytest.fixture
def path(tmp_path):
    made = tmp_path / "events.ndjson"
    made.write_bytes(b"".join(line + b"\n" for line in MANY))
    return made


def test_every_line_of_a_file_is_an_event(path):
    got = read(FileSource(path))

    assert events(got) == MANY
    assert all(len(batch.events) <= MOST for batch in got)
    assert got[0].origin.startswith(f"file:{path}#")


def test_a_file_goes_on_after_any_batch_with_the_same_ids(path):
    whole = read(FileSource(path))

    for n, batch in enumerate(whole):
        rest = read(FileSource(path), batch.position)
        assert events(rest) == events(whole[n + 1 :])
        assert ids(rest) == ids(whole[n + 1 :])


def test_a_run_that_is_stopped_and_goes_on_has_every_event_once(path):
    first = read(FileSource(path), most=1500)
    second = read(FileSource(path), first[-1].position)

    assert 1500 <= len(events(first)) < len(MANY)
    assert events(first) + events(second) == MANY


def test_the_same_file_gives_the_same_ids_and_other_events_at_its_place_give_others(path):
    once, again = read(FileSource(path)), read(FileSource(path))
    path.write_bytes(path.read_bytes().replace(b"4000", b"9999"))
    other = read(FileSource(path))

    assert ids(once) == ids(again)
    assert not set(ids(once)) & set(ids(other))


def test_a_file_that_grew_is_still_the_one_of_the_checkpoint(tmp_path):
    path = tmp_path / "small"
    path.write_bytes(b"a\nb\n")
    first = read(FileSource(path))
    with path.open("ab") as stream:
        stream.write(b"c\n")

    assert events(read(FileSource(path), first[-1].position)) == [b"c"]


@pytest.mark.parametrize("other", [b"", b'{"n":0}\n', b"something else\n" * 5000])
def test_another_file_at_the_place_of_the_checkpoint_is_refused_with_what_to_do(path, other):
    position = read(FileSource(path))[-1].position
    path.write_bytes(other)

    with pytest.raises(StateError, match="is not the file") as refused:
        read(FileSource(path), position)
    assert "remove the checkpoint" in refused.value.hint


@pytest.mark.parametrize("position", [7, {"offset": "1"}, {"letters": 1}])
def test_a_position_of_another_source_is_refused(path, position):
    with pytest.raises(StateError, match="no place in a file"):
        read(FileSource(path), position)


def test_what_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(StateError, match="No such file"):
        read(FileSource(tmp_path / "none"))
    with pytest.raises(StateError, match="is a folder"):
        read(FileSource(tmp_path))


def test_a_last_line_without_its_end_is_an_event(tmp_path):
    path = tmp_path / "torn"
    path.write_bytes(b"one\r\n\n\r\ntwo")

    got = read(FileSource(path))

    assert events(got) == [b"one", b"two"]
    assert got[-1].position["offset"] == path.stat().st_size


def test_a_packed_file_is_read_like_a_plain_one_and_goes_on(tmp_path, path):
    packed = tmp_path / "events.gz"
    half = len(MANY) // 2
    packed.write_bytes(
        b"".join(gzip.compress(b"".join(line + b"\n" for line in part)) for part in (MANY[:half], MANY[half:]))
    )

    got = read(FileSource(packed))

    assert events(got) == MANY
    assert events(read(FileSource(packed), got[1].position)) == events(got[2:])


def test_a_packed_file_that_ends_too_early_gives_what_is_there_and_an_error(tmp_path):
    packed = tmp_path / "events.gz"
    noise = [os.urandom(300).hex().encode() for _ in range(2000)]
    packed.write_bytes(gzip.compress(b"\n".join(noise))[:-5000])
    got = []

    async def run():
        source = FileSource(packed)
        await source.open(None)
        try:
            async for batch in source.batches():
                got.extend(batch.events if batch else [])
        finally:
            await source.close()

    with pytest.raises(StateError, match="damaged, or ends before"):
        asyncio.run(run())
    assert got
    assert got == noise[: len(got)]


def test_a_line_that_is_too_long_is_broken_and_its_bytes_are_beside_the_letters(tmp_path):
    path, letters = tmp_path / "events", tmp_path / "out.dead-letter.ndjson"
    long = os.urandom(600_000).replace(b"\n", b"") + b"!"
    path.write_bytes(b"a\n" + long + b"\nb\n")

    got = read(FileSource(path, longest=1000, spill=SideFiles(letters)))

    (failure,) = broken(got)
    assert failure.reason == "too_long"
    assert f"at byte 2 is {len(long):,} bytes long" in failure.detail
    assert (tmp_path / failure.file).read_bytes() == long
    assert [event for event in events(got) if len(event) == 1] == [b"a", b"b"]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["events", failure.file]


def test_the_place_of_a_long_line_that_cannot_be_written_is_told(tmp_path):
    path = tmp_path / "events"
    path.write_bytes(b"x" * 3000)

    with pytest.raises(StateError, match="cannot be kept beside the dead letters"):
        read(FileSource(path, longest=1000, spill=SideFiles(tmp_path / "none" / "letters")))


def piped(write, **options):
    """Read what ``write`` writes to a pipe in a thread."""
    reading, writing = os.pipe()

    def run():
        with os.fdopen(writing, "wb", buffering=0) as stream:
            write(stream)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        return read(StdinSource(descriptor=reading, **options))
    finally:
        thread.join()
        os.close(reading)


def test_every_line_of_a_pipe_is_an_event():
    data = b"".join(line + b"\n" for line in MANY)

    def write(stream):
        for n in range(0, len(data), 7001):
            stream.write(data[n : n + 7001])

    got = piped(write)

    assert events(got) == MANY
    assert [batch.first for batch in got] == [sum(len(b.events) for b in got[:n]) for n in range(len(got))]


def test_a_pipe_is_not_waited_for_while_something_is_there():
    reading, writing = os.pipe()

    async def run():
        source = StdinSource(descriptor=reading)
        await source.open(None)
        batches = source.batches()
        os.write(writing, b"one\ntwo\nthr")
        first = await anext(batches)
        began = time.monotonic()
        assert await anext(batches) is None
        waited = time.monotonic() - began
        os.write(writing, b"ee\n")
        third = await anext(batches)
        os.close(writing)
        rest = [one async for one in batches if one]
        await source.close()
        return first.events, waited, third.events, rest

    try:
        assert asyncio.run(run())[::2] == ([b"one", b"two"], [b"three"])
    finally:
        os.close(reading)


def test_stop_ends_a_pipe_that_is_silent_and_keeps_what_was_read():
    reading, writing = os.pipe()

    async def run():
        source = StdinSource(descriptor=reading)
        await source.open(None)
        os.write(writing, b"one\ntw")
        got = []

        async def take():
            async for batch in source.batches():
                got.extend(batch.events if batch else [])

        task = asyncio.create_task(take())
        while not got:
            await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(source.stop)
        await asyncio.wait_for(task, 5)
        await source.close()
        return got

    try:
        assert asyncio.run(run()) == [b"one", b"tw"]
    finally:
        os.close(reading)
        os.close(writing)


def test_standard_input_from_a_file_is_read_without_a_thread(path):
    with path.open("rb") as stream:
        got = read(StdinSource(descriptor=stream.fileno()))

    assert events(got) == MANY


def test_two_runs_over_standard_input_never_share_ids(path):
    one, two = (piped(lambda stream: stream.write(b"a\nb\n")) for _ in range(2))

    assert not set(ids(one)) & set(ids(two))
    assert one[0].origin.startswith("stdin#")


def test_a_fifo_waits_for_its_writer(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    def write():
        with fifo.open("wb") as stream:
            stream.write(b"a\nb\n")

    thread = threading.Thread(target=write)
    thread.start()
    got = read(FileSource(fifo))
    thread.join()

    assert events(got) == [b"a", b"b"]


def test_closed_standard_input_is_told():
    with pytest.raises(StateError, match="standard input is closed"):
        read(StdinSource(descriptor=12345))


GROWTH = """
import asyncio, resource, sys
from pathlib import Path
from connector.enrichment.files.source import FileSource

async def run():
    source = FileSource(Path(sys.argv[1]))
    await source.open(None)
    count = 0
    async for batch in source.batches():
        count += len(batch.events) if batch else 0
    await source.close()
    print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)

asyncio.run(run())
"""


def test_memory_is_the_same_for_a_file_twenty_times_as_long(tmp_path):
    peaks = []
    for times in (10, 200):
        path = tmp_path / f"{times}"
        with path.open("wb") as stream:
            for _ in range(times):
                stream.write((b"x" * 350 + b"\n") * 1500)
        told = subprocess.run([sys.executable, "-c", GROWTH, path], capture_output=True, text=True, check=True)
        count, peak = map(int, told.stdout.split())
        assert count == times * 1500
        peaks.append(peak)

    assert peaks[1] - peaks[0] < 4096
