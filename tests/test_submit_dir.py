"""spectra submit-dir: each file once, whatever breaks, and a line for each that says what became of it."""

import hashlib
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import threading
import tracemalloc
from collections import Counter
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from connector.cli import main
from connector.cli.failure import INPUT, OK, OTHER, REFUSED, UNKNOWN, UNREACHABLE
from connector.directory import Clocks, FileEvent, Notice, Options, submit_directory
from connector.emulator import serve
from connector.errors import (
    AuthError,
    CapacityError,
    ConnectFailed,
    InputRefused,
    MaintenanceError,
    OutcomeUnknown,
    StateError,
    StorageFull,
)
from connector.submitting.manifest import NAME, ManifestFile

SPECTRA = [sys.executable, "-c", "from connector.cli import main; main()"]
DONE = {"submitted", "known"}


class FakeStop:
    """A stop whose waiting moves the laboratory's clocks."""

    def __init__(self, lab, waited=lambda seconds: None):
        self.lab, self.waited, self.stopped, self.lock = lab, waited, False, threading.Lock()

    def is_set(self):
        return self.stopped

    def wait(self, timeout):
        with self.lock:
            self.lab.time.sleep(timeout)
            self.waited(timeout)
        return self.stopped


class Desk:
    """A directory and an appliance to submit it to."""

    def __init__(self, lab, root):
        self.lab, self.root = lab, root
        self.stop = FakeStop(lab)

    def write(self, **files):
        for name, content in files.items():
            self.file(name, content)

    def file(self, name, content):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def many(self, count):
        for number in range(count):
            self.file(f"folder{number % 3}/sample{number}.bin", f"sample number {number}")

    def events(self, connector=None, settings=None, **options):
        """The final events by path; raises what the run raises, with the events so far in ``self.seen``."""
        self.seen: list[FileEvent | Notice] = []
        more = {"file_roots": (self.root,)} | (settings or {})
        with self.lab.connector(**more) as own:
            made = submit_directory(
                connector(own) if connector else own,
                self.lab.settings(**more),
                Options(root=self.root, **options),
                stop=self.stop,
                clocks=Clocks(self.lab.time.clock, self.lab.product.clock.time),
            )
            for event in made:
                self.seen.append(event)
        return self.final

    @property
    def final(self):
        files = [event for event in self.seen if isinstance(event, FileEvent) and event.final]
        assert len({event.path for event in files}) == len(files), "one final event for each file"
        return {event.path: event for event in files}

    def statuses(self, **options):
        return {path: event.status for path, event in self.events(**options).items()}

    @property
    def sent(self):
        """How often the appliance took each content."""
        return Counter(record["sha1"] for record in self.lab.product.ledger.submissions)

    @property
    def manifest(self):
        return [json.loads(line) for line in (self.root / NAME).read_text().splitlines()]


@pytest.fixture
def desk(lab, tmp_path):
    root = tmp_path / "samples"
    root.mkdir()
    return Desk(lab, root)


def sha1(content):
    return hashlib.sha1(content.encode() if isinstance(content, str) else content).hexdigest()


# --- what is sent


def test_every_file_is_sent_once_with_what_was_asked_for(desk):
    desk.write(a="one", b="two")
    desk.file("deep/er/c", "three")

    told = desk.events(tags="case 4711, quarantine", comment="from <b>mail</b>")

    assert {event.status for event in told.values()} == {"submitted"}
    assert set(told) == {"a", "b", "deep/er/c"}
    assert told["a"].sha1 == sha1("one")
    assert told["a"].sha256 == hashlib.sha256(b"one").hexdigest()
    assert told["a"].size == 3
    assert told["a"].outcome["visibility"] == "private"
    assert desk.sent == {sha1("one"): 1, sha1("two"): 1, sha1("three"): 1}
    for record in desk.lab.product.ledger.submissions:
        assert record["fields"] == {"tags": "case 4711,quarantine", "comment": "from <b>mail</b>"}


def test_a_second_run_asks_nothing_and_tells_the_same(desk):
    desk.many(5)
    first = desk.events()
    requests = len(desk.lab.requests)

    second = desk.events()

    assert second == first
    assert len(desk.lab.requests) == requests


def test_a_file_that_changed_since_is_a_new_file(desk):
    path = desk.file("a", "one")
    desk.events()
    path.write_text("another")

    assert desk.statuses() == {"a": "submitted"}
    assert desk.sent == {sha1("one"): 1, sha1("another"): 1}


def test_a_file_that_was_only_touched_is_not_sent_again(desk):
    path = desk.file("a", "one")
    desk.events()
    os.utime(path, ns=(1, 1))

    assert desk.statuses() == {"a": "known"}
    assert desk.sent == {sha1("one"): 1}


def test_what_the_appliance_has_is_not_sent(desk):
    desk.write(a="one", b="two")
    desk.lab.load(sha1=sha1("one"))

    assert desk.statuses() == {"a": "known", "b": "submitted"}
    assert desk.sent == {sha1("two"): 1}


def test_resubmit_sends_what_the_appliance_has_and_can_be_broken_off(desk):
    desk.many(6)
    desk.events()
    desk.lab.product.clock.advance(60)
    desk.lab.product.ledger.clear()
    desk.lab.fault("/api/submit/file/", "POST", status=405, nth=3, body={"message": "maintenance"})

    with pytest.raises(MaintenanceError):
        desk.events(resubmit=True, at_once=1)
    assert len(desk.sent) == 2
    desk.lab.http.delete("/_lab/faults")
    assert set(desk.statuses(resubmit=True).values()) == {"submitted"}

    assert set(desk.sent.values()) == {1}, "taken up where it was broken off"
    assert len(desk.sent) == 6
    desk.events(resubmit=True)
    assert set(desk.sent.values()) == {2}, "a new round, as the last one was finished"


def test_the_same_content_is_sent_once(desk):
    for number in range(7):
        desk.file(f"copy{number}", "the same")

    told = Counter(desk.statuses().values())

    assert told == {"submitted": 1, "known": 6}
    assert desk.sent == {sha1("the same"): 1}


def test_hashes_are_asked_for_in_batches_of_a_hundred(desk):
    desk.many(250)
    desk.lab.product.resources = desk.lab.product.resources.changed({"queue_limit": 1000})

    desk.events()

    assert desk.lab.paths.count("/api/samples/status/") == 3
    assert len(desk.sent) == 250


def test_at_most_so_many_are_sent_at_once(desk):
    desk.many(20)
    flying, most, lock = 0, 0, threading.Lock()

    class Counting:
        def __init__(self, real):
            self.real = real

        def run(self, name, params):
            nonlocal flying, most
            if name != "submit_file":
                return self.real.run(name, params)
            with lock:
                flying += 1
                most = max(most, flying)
            try:
                return self.real.run(name, params)
            finally:
                with lock:
                    flying -= 1

    desk.events(connector=Counting, at_once=3)

    assert 1 <= most <= 3


@pytest.mark.parametrize("release", ["9.1", "9.6", "next"])
def test_every_release_takes_a_directory(appliances, tmp_path, release):
    desk = Desk(appliances(release).as_new(), tmp_path)
    desk.write(a="one SPECTRA-LAB-MALICIOUS", b="two SPECTRA-LAB-GOODWARE")

    assert desk.statuses(wait=True) == {"a": "malicious", "b": "goodware"}


# --- what is left out


def test_rules_in_gitignore_syntax_leave_files_out(desk):
    desk.file(".spectraignore", "# rules\n*.log\n!keep.log\nbuild/\n/top.txt\n")
    for name in ("a.log", "keep.log", "build/x", "sub/build/y", "top.txt", "sub/top.txt", "sub/b.log"):
        desk.file(name, name)

    told = desk.events()

    ignored = {path for path, event in told.items() if event.status == "ignored"}
    assert ignored == {"a.log", "build/", "sub/build/", "top.txt", "sub/b.log"}
    assert told["a.log"].outcome == {"reason": "it matches the ignore rule *.log"}
    assert set(told) - ignored == {"keep.log", "sub/top.txt"}, "the rules themselves are no sample"


def test_patterns_of_the_caller_come_after_the_file(desk):
    desk.file(".spectraignore", "*.log\n")
    desk.write(**{"a.log": "a", "b.txt": "b", "c.bin": "c"})

    assert desk.statuses(ignore=("!a.log", "b.*")) == {"a.log": "submitted", "b.txt": "ignored", "c.bin": "submitted"}


def test_rules_that_came_with_the_samples_hide_nothing(desk):
    desk.file("unpacked/.spectraignore", "*\n")
    desk.file(f"unpacked/{NAME}", "{}")
    desk.file("unpacked/evil.exe", "evil")

    assert set(desk.statuses().values()) == {"submitted"}
    assert len(desk.sent) == 3


def test_large_files_are_left_out(desk):
    desk.write(small="123", large="12345")

    told = desk.events(max_bytes=4)

    assert told["large"].status == "ignored"
    assert told["large"].outcome == {"reason": "it is larger than 4 bytes"}
    assert told["small"].status == "submitted"


@pytest.mark.parametrize("pattern", ["!", "[z-a]"])
def test_a_pattern_that_is_none_is_refused(desk, pattern):
    with pytest.raises(InputRefused, match=r"/ignore: .* is not a pattern"):
        desk.events(ignore=(pattern,))
    desk.file(".spectraignore", f"ok\n{pattern}\n")
    with pytest.raises(InputRefused, match="gitignore"):
        desk.events()
    assert desk.lab.requests == []


def test_links_and_special_files_are_skipped_and_told(desk, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    (desk.root / "to_file").symlink_to(outside / "secret")
    (desk.root / "to_folder").symlink_to(outside)
    os.mkfifo(desk.root / "pipe")
    desk.file("empty", "")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(desk.root / "socket"))
        told = desk.events()

    assert {event.status for event in told.values()} == {"skipped"}
    reasons = {path: event.outcome["reason"] for path, event in told.items()}
    assert reasons == {
        "to_file": "it is a symbolic link, which is not followed",
        "to_folder": "it is a symbolic link, which is not followed",
        "pipe": "it is a named pipe",
        "socket": "it is a socket",
        "empty": "it is empty, and the appliance takes no empty file",
    }
    assert desk.lab.requests == []


# --- files that fail


def test_a_file_that_cannot_be_read_does_not_stop_the_others(desk, monkeypatch):
    desk.write(a="one", b="two")
    opened = os.open

    def refusing(path, *more, **named):
        if str(path).endswith("/a"):
            raise PermissionError(13, "Permission denied")
        return opened(path, *more, **named)

    monkeypatch.setattr("connector.submitting.tree.os.open", refusing)

    told = desk.events()

    assert told["a"].status == "failed"
    assert told["a"].error.code == "input_refused"
    assert "a was refused and nothing was sent" in told["a"].error.message
    assert told["b"].status == "submitted"


def test_a_name_that_is_not_utf8_is_told_with_escapes(desk):
    desk.file("good", "one")
    with (Path(os.fsdecode(os.fsencode(desk.root) + b"/bad\xff"))).open("wb") as stream:
        stream.write(b"two")

    told = desk.events()

    assert told["bad\\xff"].status == "failed"
    assert "UTF-8" in told["bad\\xff"].error.message
    assert told["good"].status == "submitted"


def test_a_file_that_changes_while_it_is_hashed_fails(desk, monkeypatch):
    path = desk.file("a", "one")
    from connector.submitting import tree

    digests = tree._digests

    def changing(stream, size):
        found = digests(stream, size)
        path.write_text("longer than before")
        return found

    monkeypatch.setattr(tree, "_digests", changing)

    assert "must not change" in desk.events()["a"].error.message
    assert desk.sent == {}


def test_a_file_that_changes_before_it_is_sent_is_told_as_it_was_sent(desk):
    path = desk.file("a", "one")

    class Changing:
        def __init__(self, real):
            self.real = real

        def run(self, name, params):
            if name == "submit_file":
                path.write_text("another")
            return self.real.run(name, params)

    told = desk.events(connector=Changing)

    assert told["a"].sha1 == sha1("another")
    assert desk.statuses() == {"a": "known"}
    assert desk.sent == {sha1("another"): 1}


def test_a_file_that_the_appliance_refuses_does_not_stop_the_others(desk):
    desk.write(a="small", b="this one is too large")
    desk.lab.state(max_upload_bytes=10)

    told = desk.events()

    assert told["a"].status == "submitted"
    assert told["b"].error.code == "file_too_large"
    desk.lab.state(max_upload_bytes=1000)
    assert desk.statuses() == {"a": "submitted", "b": "submitted"}, "a failed file is tried again"


# --- the appliance as a whole


TROUBLES = {
    "maintenance": (MaintenanceError, {"maintenance": True}, {"maintenance": False}),
    "storage": (StorageFull, {"disk_free_percent": 10.0}, {"disk_free_percent": 80.0}),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_trouble_of_the_appliance_stops_new_uploads_and_a_second_run_goes_on(desk, trouble):
    kind, broken, mended = TROUBLES[trouble]
    desk.many(30)
    desk.lab.state(**broken)

    with pytest.raises(kind):
        desk.events(at_once=2)

    assert 1 <= len(desk.final) <= 3, "those under way, and no more"
    assert {event.status for event in desk.final.values()} == {"failed"}
    desk.lab.state(**mended)
    assert set(desk.statuses().values()) == {"submitted"}
    assert len(desk.sent) == 30
    assert set(desk.sent.values()) == {1}


def test_wrong_credentials_stop_before_anything_is_sent(desk):
    desk.many(3)

    with pytest.raises(AuthError):
        desk.events(settings={"token": "not-the-right-one"})

    assert desk.lab.product.ledger.submissions == []
    assert desk.final == {}


def test_an_appliance_that_is_not_there_stops_at_once(desk):
    desk.many(3)

    with pytest.raises(ConnectFailed):
        desk.events(settings={"url": "http://127.0.0.1:9"})


def test_a_full_queue_is_waited_for(desk):
    desk.many(3)
    desk.lab.state(memory_percent=95.0)
    desk.stop.waited = lambda seconds: desk.lab.state(memory_percent=40.0) if sum(desk.lab.time.slept) > 60 else None

    assert set(desk.statuses(at_once=1).values()) == {"submitted"}


def test_patience_with_a_full_queue_ends(desk):
    desk.many(3)
    desk.lab.state(memory_percent=95.0)

    with pytest.raises(CapacityError):
        desk.events(at_once=1, patience=100)

    assert sum(desk.lab.time.slept) < 200


def test_a_stop_lets_those_under_way_finish(desk):
    desk.many(30)
    settings = desk.lab.settings(file_roots=(desk.root,))
    with desk.lab.connector(file_roots=(desk.root,)) as connector:
        events = submit_directory(connector, settings, Options(root=desk.root), stop=desk.stop)
        told = [next(events)]
        desk.stop.stopped = True
        told += list(events)

    assert {event.status for event in told} == {"submitted"}
    assert len(told) == len(desk.sent) < 30
    desk.stop.stopped = False
    assert set(desk.statuses().values()) == {"submitted"}
    assert len(desk.sent) == 30
    assert set(desk.sent.values()) == {1}


# --- answers that were lost


def test_a_lost_answer_is_looked_for_by_hash_and_not_sent_again(desk):
    desk.write(a="one", b="two")
    desk.lab.tell("faults", faults=[_cut(apply=True)])

    told = desk.events(at_once=1)

    assert {event.status for event in told.values()} == {"submitted"}
    assert desk.sent == {sha1("one"): 1, sha1("two"): 1}
    assert sum(desk.lab.time.slept) < 60


def test_what_was_never_taken_is_sent_once_more(desk):
    desk.write(a="one", b="two")
    desk.lab.tell("faults", faults=[_cut(apply=False)])

    told = desk.events(at_once=1)

    assert {event.status for event in told.values()} == {"submitted"}
    assert desk.sent == {sha1("one"): 1, sha1("two"): 1}
    assert sum(desk.lab.time.slept) >= 15, "not before it was looked for three times"


def test_a_twin_of_a_file_in_doubt_waits_for_its_end(desk):
    desk.write(a="one", b="one")
    desk.lab.tell("faults", faults=[_cut(apply=True)])

    told = desk.events(at_once=1)

    assert {event.status for event in told.values()} <= DONE
    assert desk.sent == {sha1("one"): 1}


def test_a_second_lost_answer_is_told_as_unknown(desk):
    desk.write(a="one")
    desk.lab.tell("faults", faults=[_cut(apply=False)] * 4)

    told = desk.events()

    assert isinstance(told["a"].error, OutcomeUnknown)
    assert desk.sent == {}
    assert desk.statuses() == {"a": "submitted"}


def test_three_lost_answers_in_a_row_stop_the_run(desk):
    desk.many(20)
    desk.lab.tell("faults", faults=[_cut(apply=False) | {"nth": "every"}])

    with pytest.raises(OutcomeUnknown):
        desk.events(at_once=1)

    assert desk.sent == {}
    assert {event.error.code for event in desk.final.values()} == {"outcome_unknown"}
    desk.lab.http.delete("/_lab/faults")
    desk.lab.product.clock.advance(60)
    assert set(desk.statuses().values()) == {"submitted"}
    assert set(desk.sent.values()) == {1}


def _cut(*, apply):
    """A connection that breaks before the answer, after the file was taken or instead of that."""
    lost = {"match": {"method": "POST", "path": "/api/submit/file/"}, "cut": "before", "apply": apply}
    return lost if apply else lost | {"status": 500}


# --- verdicts


def test_wait_collects_the_verdicts(desk):
    desk.write(
        bad="SPECTRA-LAB-MALICIOUS:Win32.Trojan.Emotet/9", odd="SPECTRA-LAB-SUSPICIOUS", good="SPECTRA-LAB-GOODWARE"
    )
    desk.file("strange", "nothing")

    told = desk.events(wait=True)

    assert {path: event.status for path, event in told.items()} == {
        "bad": "malicious",
        "odd": "suspicious",
        "good": "goodware",
        "strange": "unknown",
    }
    assert told["bad"].outcome["threat_name"] == "Win32.Trojan.Emotet"
    assert told["bad"].outcome["riskscore"] == 9
    assert told["bad"].outcome["task_id"]


def test_what_has_no_verdict_in_time_is_pending_and_a_later_run_has_it(desk):
    desk.write(a="SPECTRA-LAB-MALICIOUS")
    desk.lab.state(processing_seconds=1000.0)

    assert desk.statuses(wait=True, wait_seconds=100) == {"a": "pending"}
    assert sum(desk.lab.time.slept) == pytest.approx(100, abs=2)
    desk.lab.product.clock.advance(1000)
    assert desk.statuses(wait=True) == {"a": "malicious"}
    assert desk.sent == {sha1("SPECTRA-LAB-MALICIOUS"): 1}


def test_trouble_while_waiting_leaves_the_files_pending(desk):
    desk.write(a="one")
    desk.lab.fault("/api/samples/v2/list/", "POST", status=500)

    with pytest.raises(Exception, match="500"):
        desk.events(wait=True)

    assert desk.final["a"].status == "pending"


# --- the manifest


def test_each_upload_is_on_the_disk_before_it_begins(desk):
    desk.write(a="one")
    before = []

    class Looking:
        def __init__(self, real):
            self.real = real

        def run(self, name, params):
            if name == "submit_file":
                before.extend(desk.manifest)
            return self.real.run(name, params)

    desk.events(connector=Looking)

    assert before[0] == {"manifest": "spectra-submit", "version": 1, "appliance": desk.lab.url}
    assert [record["state"] for record in before[1:]] == ["began"]
    assert [record["state"] for record in desk.manifest[1:]] == ["began", "submitted"]
    assert (desk.root / NAME).stat().st_mode & 0o777 == 0o600


def test_a_run_cut_off_after_any_byte_of_its_manifest_sends_nothing_twice(desk):
    """Whatever was written when the process died, the appliance gets each file once."""
    desk.many(3)
    desk.events(at_once=1)
    desk.lab.product.clock.advance(5)
    whole = (desk.root / NAME).read_bytes()
    lines = [0, *(at + 1 for at, byte in enumerate(whole) if byte == 10)]
    cuts = sorted({at + more for at in lines for more in (0, 1, 40) if at + more <= len(whole)} | {len(whole) - 1})

    for cut in cuts:
        (desk.root / NAME).write_bytes(whole[:cut])
        assert set(desk.statuses().values()) <= DONE, cut

    assert set(desk.sent.values()) == {1}


def test_a_manifest_of_another_appliance_is_refused(desk):
    desk.write(a="one")
    desk.events()
    desk.lab.product.ledger.clear()
    text = (desk.root / NAME).read_text().replace(desk.lab.url, "https://other.example.com")
    (desk.root / NAME).write_text(text)

    with pytest.raises(StateError, match=r"belongs to another appliance \(https://other"):
        desk.events()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("a shopping list\n", "is no manifest"),
        ("x", "is no manifest"),
        ('{"manifest":"spectra-submit","version":2,"appliance":"x"}\n', "is of version 2"),
        ('{"manifest":"spectra-submit","version":1,"appliance":"URL"}\nrubbish\n{}\n', "is damaged at line 2"),
        ('{"manifest":"spectra-submit","version":1,"appliance":"URL"}\n[]\n', "is damaged at line 2"),
        ('{"manifest":"spectra-submit","version":1,"appliance":"URL"}\n{"state":"new"}\n', "is damaged at line 2"),
        ('{"manifest":"spectra-submit","version":1,"appliance":"URL"}\n{"state":"began"}\n', "is damaged at line 2"),
    ],
)
def test_what_is_no_manifest_is_refused_and_left_as_it_is(desk, content, reason):
    desk.write(a="one")
    path = desk.file(NAME, content.replace("URL", desk.lab.url))
    path.chmod(0o600)

    with pytest.raises(StateError, match=reason):
        desk.events()

    assert path.read_text() == content.replace("URL", desk.lab.url)
    assert desk.lab.requests == []


def test_a_manifest_that_others_can_write_is_refused(desk):
    desk.file(NAME, "").chmod(0o666)

    with pytest.raises(StateError, match="others can write it"):
        desk.events()


def test_a_manifest_that_is_a_link_is_refused(desk, tmp_path):
    (tmp_path / "other").write_text("precious")
    (desk.root / NAME).symlink_to(tmp_path / "other")

    with pytest.raises(StateError, match="cannot be opened"):
        desk.events()
    assert (tmp_path / "other").read_text() == "precious"


def test_two_runs_do_not_share_a_manifest(desk):
    desk.write(a="one")
    with ManifestFile.open(desk.root / NAME, desk.lab.url), pytest.raises(StateError, match="in use by another run"):
        desk.events()


def test_nothing_is_sent_when_the_manifest_cannot_be_written(desk, monkeypatch):
    desk.many(9)
    ManifestFile.open(desk.root / NAME, desk.lab.url).close()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("connector.submitting.manifest.os.fsync", full)

    with pytest.raises(StateError, match="cannot be written"):
        desk.events()

    assert desk.sent == {}


def test_a_manifest_elsewhere_is_used_and_one_inside_is_no_sample(desk, tmp_path):
    desk.write(a="one")

    assert set(desk.statuses(manifest=tmp_path / "m.jsonl")) == {"a"}
    assert not (desk.root / NAME).exists()
    assert set(desk.statuses(manifest=desk.root / "mine.jsonl")) == {"a"}


# --- the command line


@pytest.fixture
def spectra(lab, monkeypatch, capsys):
    """Run the command line in this process: exit code, lines of JSON, standard error."""
    monkeypatch.setenv("SPECTRA_URL", lab.url)
    monkeypatch.setenv("SPECTRA_TOKEN", lab.token)
    lab.product.clock.run()

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["spectra", "submit-dir", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        found = capsys.readouterr()
        return end.value.code, [json.loads(line) for line in found.out.splitlines()], found.err

    return run


def test_one_line_of_json_for_each_file_and_totals_apart(desk, spectra):
    desk.write(a="one", b="two")
    desk.file(".spectraignore", "b\n")

    code, lines, err = spectra(desk.root)

    assert code == OK
    assert sorted(line["path"] for line in lines) == ["a", "b"]
    for line in lines:
        assert set(line) == {"path", "sha1", "sha256", "size", "status", "outcome", "error"}
    assert err == "1 ignored, 1 submitted; 6 bytes in all\n"


@pytest.mark.parametrize(
    ("name", "reason"),
    [("missing", "does not exist; name a directory"), ("a_file", "is not a directory; name a directory")],
)
def test_what_is_no_directory_is_refused_by_name(desk, spectra, name, reason):
    desk.file("a_file", "x")

    code, lines, _ = spectra(desk.root / name)

    assert code == INPUT
    assert lines[0]["error"]["message"].endswith(f"{desk.root / name} {reason}")
    assert lines[0]["error"]["violations"][0]["pointer"] == "/directory"


@pytest.mark.parametrize(
    ("arguments", "pointer"),
    [
        (["--tags", "UPPER"], "/tags"),
        (["--tags", "x" * 43], "/tags"),
        (["--comment", "<script>"], "/comment"),
        (["--analysis", "joe"], "/analysis"),
        (["--analysis", "cloud"], "/analysis"),
    ],
)
def test_parameters_are_refused_before_anything_is_sent(desk, spectra, arguments, pointer):
    desk.many(3)

    code, lines, _ = spectra(desk.root, *arguments)

    assert code == INPUT
    assert [violation["pointer"] for violation in lines[0]["error"]["violations"]] == [pointer]
    assert len(lines) == 1
    assert desk.lab.requests == []
    assert not (desk.root / NAME).exists()


def test_the_cloud_gets_files_only_when_the_settings_allow_it(desk, spectra):
    desk.write(a="one")

    code, _, _ = spectra(desk.root, "--analysis", "cloud", "--set", "allow_cloud=true")

    assert code == OK
    assert [record["visibility"] for record in desk.lab.product.ledger.submissions] == ["public"]


def test_the_worst_failure_decides_the_exit_code(desk, spectra):
    desk.write(a="small", b="this one is too large")
    desk.lab.state(max_upload_bytes=10)

    code, lines, err = spectra(desk.root)

    assert code == REFUSED
    assert {line["path"]: line["error"] and line["error"]["code"] for line in lines} == {
        "a": None,
        "b": "file_too_large",
    }
    assert "run the same command again" in err


def test_trouble_of_the_appliance_is_the_last_line(desk, spectra):
    desk.many(5)
    desk.lab.state(maintenance=True)

    code, lines, err = spectra(desk.root, "--at-once", "1")

    assert code == REFUSED
    assert [set(line) == {"error"} for line in lines] == [False, True]
    assert lines[-1]["error"]["code"] == "maintenance"
    assert "run the same command again" in err


def test_an_appliance_that_is_not_reached_is_exit_4(desk, spectra):
    desk.many(1)

    code, lines, _ = spectra(desk.root, "--url", "http://127.0.0.1:9")

    assert code == UNREACHABLE
    assert lines[-1]["error"]["code"] == "connect_failed"


def test_an_unknown_outcome_is_exit_5(desk, spectra):
    desk.many(1)
    desk.lab.tell("faults", faults=[_cut(apply=False) | {"nth": "every"}])

    code, lines, _ = spectra(desk.root, "--settle-seconds", "0")

    assert code == UNKNOWN
    assert lines[0]["error"]["outcome"] == "unknown"


def test_a_terminal_shows_a_bar_and_what_matters(desk):
    desk.file("evil", "SPECTRA-LAB-MALICIOUS")
    desk.file("fine", "SPECTRA-LAB-GOODWARE")
    (desk.root / "link\x1b[31m").symlink_to("fine")
    desk.lab.product.clock.run()
    control, terminal = pty.openpty()
    process = subprocess.Popen(
        [*SPECTRA, "submit-dir", str(desk.root), "--wait"],
        env=os.environ | {"SPECTRA_URL": desk.lab.url, "SPECTRA_TOKEN": desk.lab.token, "COLUMNS": "100"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    shown = b""
    with suppress(OSError):
        while more := os.read(control, 65536):
            shown += more
    os.close(control)

    text = shown.decode()
    assert process.wait() == 0
    assert "2/2 files" in text
    assert "malicious  evil: Document.Trojan.SpectraLab" in text
    assert "link\N{REPLACEMENT CHARACTER}[31m: it is a symbolic link" in text
    assert "1 goodware, 1 malicious, 1 skipped" in text
    assert '{"path"' not in text


def test_a_reader_that_leaves_ends_the_run_quietly_and_it_can_be_resumed(desk):
    desk.many(30)
    desk.lab.product.clock.run()
    process = started(desk, desk.lab)
    process.stdout.readline()
    process.stdout.close()

    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() in {OK, OTHER}
    assert set(desk.statuses().values()) == {"submitted"}
    assert set(desk.sent.values()) == {1}


# --- killed and interrupted for real


def started(desk, lab, *arguments):
    return subprocess.Popen(
        [*SPECTRA, "submit-dir", str(desk.root), *arguments],
        env=os.environ | {"SPECTRA_URL": lab.url, "SPECTRA_TOKEN": lab.token},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


SLOW = {"match": {"method": "POST", "path": "/api/submit/file/"}, "nth": "every", "delay_seconds": 0.03}


@pytest.mark.slow
def test_killed_again_and_again_no_file_is_sent_twice(tmp_path):
    """SIGKILL in the middle of uploads, five times; then the ledger holds each file once."""
    with serve(processing_seconds=0.2) as lab:
        desk = Desk(lab, tmp_path)
        desk.many(100)
        httpx.post(f"{lab.url}/_lab/faults", json={"faults": [SLOW]}, trust_env=False).raise_for_status()
        for round_ in range(1, 6):
            process = started(desk, lab)
            for number, _ in enumerate(process.stdout, 1):
                if number >= 10 * round_:
                    break
            process.kill()
            process.communicate()
            assert process.returncode == -signal.SIGKILL
        assert 50 <= len(desk.sent) < 100

        process = started(desk, lab, "--settle-seconds", "3")
        out, err = process.communicate()

    assert process.returncode == 0, err
    assert Counter(json.loads(line)["status"] for line in out.splitlines()) == {"submitted": 100}
    assert len(desk.sent) == 100
    assert set(desk.sent.values()) == {1}


def test_an_interrupt_finishes_what_is_under_way_and_can_be_resumed(tmp_path):
    with serve(processing_seconds=0.2) as lab:
        desk = Desk(lab, tmp_path)
        desk.many(60)
        httpx.post(f"{lab.url}/_lab/faults", json={"faults": [SLOW]}, trust_env=False).raise_for_status()
        process = started(desk, lab)
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()

        assert process.returncode == 130, err
        told = len(out.splitlines()) + 1
        assert told < 60
        assert told == len(desk.sent)
        assert "run the same command again" in err
        states = Counter(record["state"] for record in desk.manifest[1:])
        assert states["began"] == states["submitted"] == told

        process = started(desk, lab)
        process.communicate()
        assert process.returncode == 0
    assert set(desk.sent.values()) == {1}
    assert len(desk.sent) == 60


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_files(desk):
    """2,000 files take no more memory than 200: nothing but an index on disk is held for all."""
    desk.lab.product.resources = desk.lab.product.resources.changed({"queue_limit": 10_000})

    def peak(count):
        desk.many(count)
        settings = desk.lab.settings(file_roots=(desk.root,))
        with desk.lab.connector(file_roots=(desk.root,)) as connector:
            fake = Accepting(connector)
            tracemalloc.start()
            found = sum(1 for _ in submit_directory(fake, settings, Options(root=desk.root)))
            most = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert found == count
        return most

    peak(50)
    few = peak(200)
    (desk.root / NAME).unlink()
    many = peak(2000)

    assert many - few < 1_000_000


class Accepting:
    """An appliance in this process that takes everything: the real one would hold each sample in this memory."""

    def __init__(self, real):
        self.real = real

    def run(self, name, params):
        if name != "submit_file":
            return self.real.run(name, params)
        from connector.actions.submit_file import Result
        from connector.outcome import Outcome

        content = Path(params["file"]).read_bytes()
        result = Result(
            task_id=1,
            sha1=hashlib.sha1(content).hexdigest(),
            sent_sha1=hashlib.sha1(content).hexdigest(),
            sent_sha256=hashlib.sha256(content).hexdigest(),
            sent_bytes=len(content),
            visibility="private",
        )
        return Outcome(
            action=name,
            status="pending",
            branch="submitted",
            result=result,
            verdicts=(),
            stix=None,
            endpoint=None,
            next=None,
            notices=(),
        )
