"""`spectra playbook` as a person uses it: real processes, a real appliance emulator, runs that outlive their process."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from connector.playbooks.library import shipped

SPECTRA = [sys.executable, "-c", "from connector.cli import main; main()", "playbook"]
SECONDS = 60


@pytest.fixture
def place(lab, tmp_path, monkeypatch):
    """A folder to work in, an appliance whose clock runs, and the settings for both."""
    lab.tell("clock", run=True)
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "SPECTRA_URL": lab.url,
        "SPECTRA_TOKEN": lab.token,
        "SPECTRA_STATE": str(tmp_path / "state"),
        "SPECTRA_ALLOW_INTERNAL_URLS": "true",
        "SPECTRA_ALLOW_DELETE": "true",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("SPECTRA_API_KEY", raising=False)
    return tmp_path


def spectra(*arguments, code=0):
    """Run one command to its end; what it printed as JSON."""
    done = subprocess.run([*SPECTRA, *arguments], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout)


@contextmanager
def started(*arguments):
    """A command in the background, killed at the end if it still runs."""
    process = subprocess.Popen([*SPECTRA, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=SECONDS)


def until(run, state):
    """The run's timeline once it is in this state."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        done = subprocess.run([*SPECTRA, "status", run], capture_output=True, text=True, timeout=SECONDS, check=False)
        told = json.loads(done.stdout)
        if told.get("state") == state:
            return told
        time.sleep(0.1)
    raise AssertionError(f"the run is {told}")


def sample(folder, word="MALICIOUS"):
    path = folder / "invoice.exe"
    path.write_bytes(f"MZ SPECTRA-LAB-{word}:Win32.Trojan.Test/9".encode())
    return path


def quick(folder, name, delay=200):
    """A playbook that comes with the package, with short delays, as a file of one's own."""
    text = json.loads(shipped()[name].read_text("utf-8"))
    for step in text["workflow"].values():
        if "delay" in step:
            step["delay"] = delay
    path = folder / f"{name}.json"
    path.write_text(json.dumps(text), "utf-8")
    return str(path)


class TestRun:
    def test_a_run_ends_with_its_timeline_its_page_and_its_stix(self, place):
        told = spectra(
            *("run", quick(place, "triage-attachment"), "--var", f"file={sample(place)}", "--run-id", "case-1"),
            *("--html", "case.html", "--stix", "case.json"),
        )

        assert (told["run"], told["state"], told["outputs"]["__verdict__"]) == ("case-1", "done", "malicious")
        assert "Win32.Trojan.Test" in told["outputs"]["__case_note__"]
        assert {"file", "indicator"} <= {one["type"] for one in json.loads(Path("case.json").read_text())["objects"]}
        assert Path("case.html").read_text("utf-8").startswith("<!doctype html>")

    def test_the_same_run_id_runs_nothing_again(self, place, lab):
        playbook = quick(place, "triage-attachment")
        first = spectra("run", playbook, "--var", f"file={sample(place)}", "--run-id", "twice")
        seen = len(lab.requests)
        again = spectra("run", playbook, "--var", f"file={sample(place)}", "--run-id", "twice")

        assert again["visits"] == first["visits"]
        assert len(lab.requests) == seen

    def test_a_dry_run_prints_every_call_and_makes_none(self, place, lab):
        told = spectra("run", "triage-attachment", "--var", f"file={sample(place)}", "--dry-run")

        asked = [call["text"] for call in told["calls"]]
        assert asked[:3] == ["POST /hashes", "POST /actions/get_ticloud_reputation", "POST /actions/submit_file"]
        assert asked.count("POST /actions/add_tags") == 2
        assert lab.requests == []
        assert not (place / "state").exists()

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (["nothing-of-this-name"], "must be a file, or one of"),
            (["triage-attachment"], "__file__: must be given"),
            (["triage-attachment", "--var", "fil=x"], "is no variable of this playbook"),
            (["triage-attachment", "--var", "file=not-there"], "must be a file that is there"),
            (["triage-attachment", "--var", "api_key=x", "--var", "file=x"], "is a credential"),
            (["triage-attachment", "--var", "file"], "NAME=VALUE"),
            (["detonate-url", "--var", "url=not a url"], "must be an absolute URI"),
            (["enrich-alert", "--var", "hashes=a", "--run-id", "../x"], "/run"),
            (["enrich-alert", "--var", "hashes=a", "--state", "mysql://x"], "--state"),
        ],
    )
    def test_what_cannot_be_run_is_refused_before_anything_happens(self, place, lab, arguments, told):
        answer = spectra("run", *arguments, code=2)

        assert told in answer["error"]["message"]
        assert lab.requests == []

    def test_a_playbook_with_an_error_is_not_run(self, place, lab):
        text = json.loads(shipped()["enrich-alert"].read_text("utf-8"))
        del text["workflow_start"]
        Path("broken.json").write_text(json.dumps(text))

        answer = spectra("run", "broken.json", "--var", "hashes=a", code=2)

        assert "workflow_start" in answer["error"]["message"]
        assert lab.requests == []

    def test_a_run_that_fails_says_where_and_goes_on_from_there_once_mended(self, place, lab):
        playbook = quick(place, "hunt-and-clean")
        lab.load(classification="malicious", local=True)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SPECTRA_ALLOW_DELETE", "false")
            with started("run", playbook, "--var", "query=classification:malicious", "--run-id", "hunt") as process:
                until("hunt", "waiting")
                spectra("approve", "hunt", "Approve the deletion")
                assert process.wait(SECONDS) == 1
        failed = spectra("status", "hunt", code=1)
        assert failed["state"] == "failed"
        assert "allow_delete" in failed["sentence"]

        told = spectra("resume", "hunt")

        assert (told["state"], told["outputs"]["__deletion__"]) == ("done", "deleted")
        assert [v["name"] for v in told["visits"]].count("Search") == 1
        assert len([line for line in lab.requests if "search" in line and line.startswith("POST")]) == 1


class TestInterrupted:
    def test_a_killed_run_is_interrupted_and_goes_on_without_a_second_submission(self, place, lab):
        playbook = quick(place, "detonate-url", delay=60_000)
        with started("run", playbook, "--var", f"url={lab.url}/_lab/ledger", "--run-id", "killed") as process:
            until("killed", "waiting")
            process.send_signal(signal.SIGKILL)
            process.wait(SECONDS)
        assert spectra("status", "killed", code=1)["state"] == "interrupted"
        assert {run["state"] for run in spectra("list")["runs"]} == {"interrupted"}

        with started("resume", "killed") as process:
            until("killed", "waiting")

        assert len(lab.ledger["submissions"]) == 1

    def test_ctrl_c_leaves_a_run_that_goes_on(self, place, lab):
        lab.load(classification="malicious", local=True)
        arguments = ["--var", "query=classification:malicious", "--run-id", "stopped"]
        with started("run", "hunt-and-clean", *arguments) as process:
            until("stopped", "waiting")
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=SECONDS)
        assert json.loads(out)["state"] in {"waiting", "interrupted"}
        assert "spectra playbook resume stopped" in err
        with started("resume", "stopped") as process:
            until("stopped", "waiting")
            spectra("approve", "stopped", "Approve the deletion", "--reject", "--by", "an analyst", "--note", "no")
            assert process.wait(SECONDS) == 0

        told = spectra("history", "stopped")
        assert told["outputs"]["__decision__"] == "none"
        assert [visit["sentence"] for visit in told["visits"] if visit["sentence"]] == ["an analyst said no: no"]
        assert lab.ledger["deletes"] == []

    def test_a_cancelled_run_stops_and_can_be_resumed(self, place, lab):
        playbook = quick(place, "detonate-url", delay=1000)
        lab.state(processing_seconds=900)
        with started("run", playbook, "--var", f"url={lab.url}/_lab/ledger", "--run-id", "stop") as process:
            until("stop", "waiting")
            assert spectra("cancel", "stop") == {"run": "stop", "state": "cancelled"}
            assert process.wait(SECONDS) == 1
        assert spectra("status", "stop", code=1)["state"] == "cancelled"
        assert spectra("cancel", "stop", code=2)["error"]["code"] == "input_refused"
        lab.tell("clock", advance=900)

        assert spectra("resume", "stop")["state"] == "done"
        assert len(lab.ledger["submissions"]) == 1


class TestWorker:
    def test_a_worker_takes_a_run_that_was_left_to_it_and_stops_when_told(self, place):
        state = str(place / "shared")
        left = spectra(
            *("run", quick(place, "triage-attachment"), "--var", f"file={sample(place)}"),
            *("--detach", "--state", state, "--run-id", "left"),
        )
        assert left == {"run": "left", "state": "queued"}
        with started("worker", "--state", state, "--rate", "50/1", "--set", f"file_roots={place}") as process:
            assert json.loads(process.stdout.readline())["state"].startswith("sqlite:///")
            told = spectra("status", "left", "--follow", "--state", state)
            process.send_signal(signal.SIGTERM)
            assert process.wait(SECONDS) == 0

        assert (told["state"], told["outputs"]["__verdict__"]) == ("done", "malicious")


class TestLint:
    def test_the_playbooks_of_the_package_have_no_findings(self, place):
        assert set(map(tuple, spectra("lint", *shipped()).values())) == {()}

    def test_a_finding_has_a_code_a_pointer_and_a_mend_and_fails_the_command(self, place):
        text = json.loads(shipped()["enrich-alert"].read_text("utf-8"))
        text["workflow_exception"] = "end--00000000-0000-4000-8000-000000000000"
        Path("mine.json").write_text(json.dumps(text))

        [found] = spectra("lint", "mine.json", code=2)["mine.json"]

        assert (found["code"], found["pointer"]) == ("dangling-step", "/workflow_exception")
        assert found["mend"]


def test_nothing_is_left_running(place):
    mine = os.getpid()
    listed = subprocess.run(["ps", "-o", "args=", "--ppid", str(mine)], capture_output=True, text=True, check=False)
    assert "playbook" not in listed.stdout
