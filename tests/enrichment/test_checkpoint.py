"""A checkpoint is the old one or the new one, never half of one, and belongs to one run."""

import json
import os
import subprocess
import sys
import time

import pytest

from connector.enrichment.files.checkpoint import Checkpoint
from connector.errors import StateError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "out.checkpoint"


@pytest.fixture
def checkpoint(path):
    made = Checkpoint(path)
    yield made
    made.close()


STATE = {"position": {"offset": 7, "mark": "é"}, "sink": None, "counts": {"read": 2**53}}


def test_what_was_saved_is_loaded_by_the_next_run(path, checkpoint):
    assert checkpoint.load() is None
    checkpoint.save({"position": 1})
    checkpoint.save(STATE)
    checkpoint.close()

    again = Checkpoint(path)
    assert again.load() == STATE
    again.close()


def test_nothing_but_the_checkpoint_stays_behind(path, checkpoint):
    checkpoint.save(STATE)
    checkpoint.close()

    assert list(path.parent.iterdir()) == [path]
    assert path.stat().st_mode & 0o077 == 0


def test_a_run_at_its_end_leaves_nothing(path, checkpoint):
    checkpoint.save(STATE)
    checkpoint.remove()
    checkpoint.close()

    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff", b'{"position":1}', b'{"format":1,"state":[]}'])
def test_a_damaged_checkpoint_is_refused_with_what_to_do(path, checkpoint, text):
    path.write_bytes(text)

    with pytest.raises(StateError, match="is damaged, or is none") as refused:
        checkpoint.load()
    assert "remove it to begin anew" in refused.value.hint
    assert path.read_bytes() == text


def test_a_checkpoint_of_another_release_is_refused(path, checkpoint):
    path.write_text(json.dumps({"format": 99, "state": {}}))

    with pytest.raises(StateError, match="another release"):
        checkpoint.load()


def test_two_runs_never_share_a_checkpoint(path, checkpoint):
    checkpoint.load()
    other = Checkpoint(path)

    with pytest.raises(StateError, match="in use by another run"):
        other.load()
    checkpoint.close()
    assert other.load() is None
    other.close()


def test_a_killed_run_lets_the_next_one_have_it(path):
    code = f"""
import os
from pathlib import Path
from connector.enrichment.files.checkpoint import Checkpoint
made = Checkpoint(Path({str(path)!r}))
made.save({{"position": 5}})
os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9

    again = Checkpoint(path)
    assert again.load() == {"position": 5}
    again.close()


def test_a_full_disk_leaves_the_checkpoint_before(path, checkpoint, monkeypatch):
    checkpoint.save(STATE)
    real = os.write

    def full(descriptor, data):
        real(descriptor, data[:5])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StateError, match="cannot be written: No space left on device"):
        checkpoint.save({"position": 2})

    assert checkpoint.load() == STATE
    assert {one.name for one in path.parent.iterdir()} == {path.name, path.name + ".lock"}


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(StateError, match="cannot be used: No such file"):
        Checkpoint(tmp_path / "none" / "checkpoint").load()


def test_saving_is_quick(path):
    checkpoint = Checkpoint(path, durable=False)
    state = STATE | {"counts": {f"name-{n}": n for n in range(500)}}
    times = []
    for _ in range(30):
        began = time.perf_counter()
        checkpoint.save(state)
        times.append(time.perf_counter() - began)
    checkpoint.close()

    assert min(times) < 0.002
