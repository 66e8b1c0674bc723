"""A thousand runs that wait in one process need little memory and little time, and all end when they are told to."""

import json
import subprocess
import sys

import pytest

from tests.prove.victim import ROOT

pytestmark = pytest.mark.slow
COUNT = 1000
MOST_MB = 250


def test_a_thousand_waiting_runs_need_less_than_250_mb_and_all_end(tmp_path, record_property):
    command = [sys.executable, "-m", "tests.playbooks.victim_many", str(tmp_path), str(COUNT)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    record_property("many waiting", found)
    assert found["waiting_mb"] < MOST_MB, found
    assert found["after_mb"] < MOST_MB, found
    assert found["waiting_mb"] - found["before_mb"] < 100, found
    assert found["idle_cpu"] < 0.5, found
    assert found["ended"] == {"cancelled": COUNT // 2, "done": COUNT // 2}
