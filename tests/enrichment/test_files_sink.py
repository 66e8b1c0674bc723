"""A file of output holds every line once, or the run says why not; so does standard output."""

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from connector.enrichment.files.outlet import PIECE, Outlet
from connector.enrichment.files.sink import FileSink
from connector.errors import StateError
from tests.enrichment.reading import output


@pytest.fixture
def path(tmp_path):
    return tmp_path / "out.ndjson"


def written(path, *batches, place=None, append=False):
    """Write batches; the place after the last."""

    async def run():
        sink = FileSink(path, append=append, durable=False)
        try:
            await sink.open(place)
            for lines in batches:
                assert await sink.write(output(*lines)) == ()
            return await sink.sync()
        finally:
            await sink.close()

    return asyncio.run(run())


def test_lines_are_written_in_order_each_with_its_end(path):
    place = written(path, [b"one", b"two"], [b"three"])

    assert path.read_bytes() == b"one\ntwo\nthree\n"
    assert place["length"] == path.stat().st_size


def test_what_was_written_after_the_commit_is_cut_off(path):
    place = written(path, [b"one"])
    with path.open("ab") as stream:
        stream.write(b"two\nthr")

    written(path, [b"two"], place=place)

    assert path.read_bytes() == b"one\ntwo\n"


def test_a_commit_of_nothing_cuts_back_to_nothing(path):
    place = written(path)
    path.write_bytes(b"torn")

    written(path, [b"one"], place=place)

    assert path.read_bytes() == b"one\n"


def test_output_that_no_checkpoint_knows_is_never_mixed_with(path):
    path.write_bytes(b"mine\n")

    with pytest.raises(StateError, match="holds something already") as refused:
        written(path, [b"one"])
    assert "name another output" in refused.value.hint
    assert "append" in refused.value.hint
    assert path.read_bytes() == b"mine\n"


def test_append_writes_behind_what_is_there_on_a_line_of_its_own(path):
    path.write_bytes(b"mine")

    written(path, [b"one"], append=True)

    assert path.read_bytes() == b"mine\none\n"


def test_an_empty_file_is_as_good_as_none(path):
    path.touch()

    written(path, [b"one"])

    assert path.read_bytes() == b"one\n"


@pytest.mark.parametrize("now", [None, b"", b"on", b"another file that is longer\n"])
def test_output_that_is_not_what_was_committed_is_left_alone(path, now):
    place = written(path, [b"one"])
    path.unlink() if now is None else path.write_bytes(now)

    with pytest.raises(StateError, match="is gone, or is not as the checkpoint knows it"):
        written(path, [b"two"], place=place)
    assert (path.read_bytes() if path.exists() else None) == now


def test_output_that_was_moved_away_goes_on_in_a_new_file_with_append(path):
    place = written(path, [b"one"])
    path.rename(path.with_suffix(".shipped"))

    written(path, [b"two"], place=place, append=True)

    assert path.read_bytes() == b"two\n"


def test_two_runs_never_write_one_file(path):
    async def run():
        first, second = FileSink(path), FileSink(path)
        await first.open(None)
        try:
            with pytest.raises(StateError, match="in use by another run"):
                await second.open(None)
        finally:
            await second.close()
            await first.close()
        await second.open(None)
        await second.close()

    asyncio.run(run())


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(StateError, match="cannot be opened: No such file"):
        written(tmp_path / "none" / "out", [b"one"])
    with pytest.raises(StateError, match="cannot be opened: Is a directory"):
        written(tmp_path, [b"one"])


def test_a_full_disk_is_told_and_leaves_whole_lines():
    code = """
import asyncio, resource, sys
from pathlib import Path
from connector.enrichment.files.sink import FileSink
from connector.errors import StateError
from tests.enrichment.reading import output

resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

async def run(path):
    sink = FileSink(path)
    await sink.open(None)
    try:
        for n in range(100):
            await sink.write(output(*[b"%03d" % n + b"x" * 300] * 100))
    except StateError as error:
        place = await sink.sync()
        print(n, path.stat().st_size, place["length"], error.message)
    finally:
        await sink.close()

import tempfile
with tempfile.TemporaryDirectory() as folder:
    asyncio.run(run(Path(folder) / "out"))
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert told.startswith("3 91200 91200 the output out cannot be written: File too large")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_device_is_told():
    with pytest.raises(StateError, match="No space left on device"):
        written(Path("/dev/full"), [b"one"])


def test_a_short_write_is_gone_on_with(path, monkeypatch):
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, bytes(data)[:3]))

    written(path, [b"a long line", b"another"])

    assert path.read_bytes() == b"a long line\nanother\n"


def test_a_fifo_is_written_as_fast_as_it_is_read(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    read: list[bytes] = []
    thread = threading.Thread(target=lambda: read.append(fifo.read_bytes()))
    thread.start()
    lines = [b"%06d" % n + b"x" * 300 for n in range(2000)]

    place = written(fifo, lines)
    thread.join()

    assert place is None
    assert read[0].splitlines() == lines


def test_a_reader_that_waits_never_holds_the_loop():
    reading, writing = os.pipe()

    async def run():
        outlet = Outlet(writing, own=False)
        sending = asyncio.create_task(outlet.write(b"x" * 1_000_000))
        turns = 0
        got = 0
        while not sending.done():
            turns += 1
            await asyncio.sleep(0)
            if turns > 50:
                got += len(os.read(reading, PIECE))
        while got < 1_000_000:
            got += len(os.read(reading, 1 << 20))
        return turns, got

    try:
        turns, got = asyncio.run(run())
    finally:
        os.close(reading)
        os.close(writing)
    assert turns > 50
    assert got == 1_000_000


def test_a_reader_that_went_away_is_told():
    reading, writing = os.pipe()
    os.close(reading)
    try:
        with pytest.raises(StateError, match="what read the output has ended"):
            asyncio.run(_written_to(writing))
    finally:
        os.close(writing)


async def _written_to(descriptor):
    await Outlet(descriptor, own=False).write(b"one\n")


def test_standard_output_takes_lines_and_keeps_no_place():
    code = """
import asyncio
from connector.enrichment.files.sink import FileSink
from tests.enrichment.reading import output

async def run():
    sink = FileSink(None)
    await sink.open(None)
    await sink.write(output(b"one", b"two"))
    assert await sink.sync() is None
    await sink.close()

asyncio.run(run())
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)

    assert told.stdout == b"one\ntwo\n"
