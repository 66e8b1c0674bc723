"""The intent journal: one wins, nothing is forgotten, and what cannot be trusted is refused as it is."""

import json
import os
import random
import re
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

import connector.journal
import connector.journal_table
from connector.errors import InputRefused, StateError
from connector.journal import Journal
from connector.operation import Operation
from tests.laboratory import ROOT

RACES = int(os.environ.get("PROVE_RACES", "20"))
NAME = "journal.sqlite"
STATES = ("intent", "accepted", "done", "refused", "unknown")
SECRET_URL = "https://www.example.com/very-private-path"


def operation(name="op-1", fingerprint="a" * 64, **subject):
    return Operation(name, "submit_url", "https://a1000.example", fingerprint, subject or {"url": SECRET_URL})


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "state" / "spectra"


@pytest.fixture(params=["disk", "memory"])
def journal(request, folder):
    with Journal.open(folder) if request.param == "disk" else Journal.in_memory() as made:
        yield made


def bring(journal, state, name="op-1"):
    """An operation in this state, which nobody holds."""
    journal.intend(operation(name))
    if state == "accepted":
        journal.accept(name, {"task_id": 7})
    if state in {"intent", "accepted"}:
        journal.release(name)
    if state == "done":
        journal.finish(name, '{"branch": "ok"}')
    if state == "refused":
        journal.refuse(name, "capacity")
    if state == "unknown":
        journal.doubt(name, "truncated")


def program(text, *arguments, **more):
    """A program of its own that uses the journal; the parent ends it."""
    return subprocess.Popen(
        [sys.executable, "-c", text, *map(str, arguments)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,
    )


HEAD = """
import os, sys
from pathlib import Path
from connector.errors import StateError
from connector.journal import Journal
from connector.operation import Operation
def operation(name):
    return Operation(name, "submit_url", "https://a1000.example", "a" * 64, {"url": "https://www.example.com/"})
"""
HOLD = f"{HEAD}\njournal = Journal.open(Path(sys.argv[1]))\njournal.intend(operation(sys.argv[2]))\nprint('held', flush=True)\nsys.stdin.read()"


@contextmanager
def holder(folder, name="op-1"):
    """Another process that holds an operation and lives until it is killed."""
    process = program(HOLD, folder, name)
    try:
        assert process.stdout.readline() == "held\n", process.communicate()
        yield process
    finally:
        process.kill()
        process.communicate()


class TestStates:
    def test_an_intent_is_there_before_anything_else(self, journal):
        entry = journal.intend(operation())

        assert entry == journal.find("op-1")
        assert (entry.state, entry.attempts, entry.subject) == ("intent", 1, {"url": SECRET_URL})
        assert (entry.receipt, entry.outcome, entry.error) == (None, None, None)
        assert entry.began == entry.changed
        assert journal.is_running(entry)

    def test_what_was_never_begun_is_not_there(self, journal):
        assert journal.find("op-1") is None
        assert journal.entries() == []

    def test_accepted_keeps_what_the_appliance_said_and_stays_held(self, journal):
        journal.intend(operation())
        journal.accept("op-1", {"task_id": 7})
        entry = journal.find("op-1")

        assert (entry.state, entry.receipt) == ("accepted", {"task_id": 7})
        assert journal.is_running(entry)

    @pytest.mark.parametrize("before", STATES)
    def test_every_state_can_be_finished_and_nobody_holds_it_then(self, journal, before):
        bring(journal, before)
        journal.finish("op-1", '{"branch": "malicious"}')
        entry = journal.find("op-1")

        assert (entry.state, entry.outcome, entry.error, entry.owner) == ("done", '{"branch": "malicious"}', None, None)
        assert not journal.is_running(entry)

    @pytest.mark.parametrize(("how", "state"), [("refuse", "refused"), ("doubt", "unknown")])
    def test_the_code_of_the_error_is_kept_and_nobody_holds_it(self, journal, how, state):
        journal.intend(operation())
        getattr(journal, how)("op-1", "truncated")
        entry = journal.find("op-1")

        assert (entry.state, entry.error, entry.owner) == (state, "truncated", None)

    @pytest.mark.parametrize("before", ["accepted", "done", "unknown"])
    def test_what_was_taken_or_may_have_been_done_is_not_sent_again(self, journal, before):
        bring(journal, before)

        with pytest.raises(StateError, match="nothing was sent") as refused:
            journal.intend(operation())
        assert refused.value.outcome == "not_sent"
        assert "op-1" in refused.value.hint
        assert journal.find("op-1").attempts == 1

    def test_what_was_refused_may_run_again_and_counts_its_attempts(self, journal, monkeypatch):
        monkeypatch.setattr("connector.journal_moves.now", lambda: "2020-01-01T00:00:00.000Z")
        bring(journal, "refused")
        monkeypatch.undo()
        entry = journal.intend(operation())

        assert (entry.state, entry.attempts, entry.error) == ("intent", 2, "capacity")
        assert entry.began == entry.changed > "2020-01-02", "what was refused was not sent, so the time begins anew"

    def test_an_intent_that_nobody_runs_is_taken_over_with_its_first_time(self, journal, monkeypatch):
        monkeypatch.setattr("connector.journal_moves.now", lambda: "2020-01-01T00:00:00.000Z")
        bring(journal, "intent")
        monkeypatch.undo()
        entry = journal.intend(operation())

        assert (entry.state, entry.attempts, entry.began) == ("intent", 2, "2020-01-01T00:00:00.000Z")
        assert entry.changed > entry.began

    def test_an_operation_that_is_being_run_is_not_begun_again(self, journal):
        journal.intend(operation())

        with pytest.raises(StateError, match="operation op-1 is being run by this process; nothing was sent"):
            journal.intend(operation())

    @pytest.mark.parametrize("state", STATES)
    def test_the_same_id_with_other_parameters_is_refused_in_every_state(self, journal, state):
        bring(journal, state)

        with pytest.raises(InputRefused, match="belongs to another operation") as refused:
            journal.intend(operation(fingerprint="b" * 64))
        assert refused.value.violations[0].pointer == "/operation_id"

    @pytest.mark.parametrize("state", ["accepted", "done", "refused", "unknown"])
    @pytest.mark.parametrize(("step", "outcome"), [("accept", "applied"), ("refuse", "rejected"), ("doubt", "unknown")])
    def test_only_a_held_intent_is_accepted_refused_or_doubted(self, journal, state, step, outcome):
        bring(journal, state)
        before = journal.find("op-1")

        with pytest.raises(StateError) as refused:
            getattr(journal, step)("op-1", {} if step == "accept" else "capacity")
        assert refused.value.outcome == outcome, "what happened on the appliance is told as it is"
        assert journal.find("op-1") == before

    @pytest.mark.parametrize(
        "step",
        [
            lambda journal: journal.accept("op-1", {}),
            lambda journal: journal.refuse("op-1", "x"),
            lambda journal: journal.doubt("op-1", "x"),
            lambda journal: journal.finish("op-1", "{}"),
            lambda journal: journal.claim("op-1"),
            lambda journal: journal.resolve("op-1", True),
        ],
        ids=["accept", "refuse", "doubt", "finish", "claim", "resolve"],
    )
    def test_what_is_not_in_the_journal_has_no_next_state(self, journal, step):
        with pytest.raises(StateError, match="is not in the journal"):
            step(journal)

    def test_only_one_goes_on_waiting_for_what_was_accepted(self, journal):
        bring(journal, "accepted")

        assert journal.is_running(journal.claim("op-1"))
        with pytest.raises(StateError, match="is being run"):
            journal.claim("op-1")

    @pytest.mark.parametrize("state", ["intent", "done", "refused", "unknown"])
    def test_only_what_was_accepted_can_be_claimed(self, journal, state):
        bring(journal, state)

        with pytest.raises(StateError, match=f"is {state}, not accepted"):
            journal.claim("op-1")

    def test_releasing_changes_nothing_but_the_owner(self, journal):
        held = journal.intend(operation())
        journal.release("op-1")
        journal.release("op-1")
        journal.release("nothing")

        assert journal.find("op-1") == replace(held, owner=None)

    @pytest.mark.parametrize("state", ["intent", "accepted", "unknown"])
    @pytest.mark.parametrize(("happened", "after"), [(True, "done"), (False, "refused")])
    def test_what_never_ended_can_be_resolved(self, journal, state, happened, after):
        bring(journal, state)
        entry = journal.resolve("op-1", happened, "looked at the list")

        assert entry == journal.find("op-1")
        assert (entry.state, entry.outcome, entry.owner) == (after, None, None)
        assert entry.receipt["resolved"] == {"happened": happened, "note": "looked at the list", "at": entry.changed}
        assert entry.receipt.get("task_id") == (7 if state == "accepted" else None)

    def test_what_is_resolved_as_not_done_may_run_again(self, journal):
        bring(journal, "unknown")
        journal.resolve("op-1", False)

        assert journal.intend(operation()).receipt is None

    @pytest.mark.parametrize("state", ["done", "refused"])
    def test_what_ended_cannot_be_resolved(self, journal, state):
        bring(journal, state)

        with pytest.raises(StateError, match=f"is {state} already"):
            journal.resolve("op-1", True)

    def test_what_is_being_run_cannot_be_resolved(self, journal):
        journal.intend(operation())

        with pytest.raises(StateError, match="is being run"):
            journal.resolve("op-1", True)

    def test_a_note_has_a_longest_length(self, journal):
        bring(journal, "unknown")

        with pytest.raises(InputRefused, match="1000 characters"):
            journal.resolve("op-1", True, "x" * 1001)
        journal.resolve("op-1", True, "x" * 1000)

    def test_entries_are_the_newest_first_of_the_states_asked_for(self, journal):
        for number, state in enumerate(STATES):
            bring(journal, state, f"op-{number}")

        assert [entry.state for entry in journal.entries()] == list(reversed(STATES))
        assert [entry.state for entry in journal.entries("unknown", "intent")] == ["unknown", "intent"]
        assert [entry.id for entry in journal.entries(limit=2)] == ["op-4", "op-3"]
        assert journal.entries(limit=0) == []

    def test_times_are_utc_with_milliseconds(self, journal):
        entry = journal.intend(operation())

        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry.began)
        assert abs(datetime.now(UTC) - datetime.fromisoformat(entry.began)) < timedelta(minutes=1)

    def test_pruning_keeps_what_is_open_and_what_is_young(self, journal):
        for number, state in enumerate(STATES):
            bring(journal, state, f"old-{number}")
        journal._database.execute("UPDATE operation SET changed = '2020-01-01T00:00:00.000Z'")
        bring(journal, "done", "young")

        assert journal.prune() == 2
        assert {entry.id: entry.state for entry in journal.entries()} == {
            "old-0": "intent",
            "old-1": "accepted",
            "old-4": "unknown",
            "young": "done",
        }

    def test_a_closed_journal_says_so_and_closes_again(self, journal):
        journal.close()
        journal.close()

        with pytest.raises(StateError, match="is closed"):
            journal.find("op-1")
        with pytest.raises(StateError, match="is closed; nothing was sent"):
            journal.intend(operation())

    def test_of_many_threads_one_wins(self, journal):
        barrier = threading.Barrier(8)

        def run(name):
            barrier.wait()
            try:
                return journal.intend(operation(name)).attempts
            except StateError as error:
                return error.message

        with ThreadPoolExecutor(8) as pool:
            for number in range(RACES):
                told = list(pool.map(run, [f"op-{number}"] * 8))
                assert told.count(1) == 1
                assert sum("is being run by this process" in str(one) for one in told) == 7

    @pytest.mark.parametrize("text", ["", "é\u202e\x00\x1b[31m'; DROP TABLE operation; --", "x" * 5000, "日本\n"])
    def test_any_text_is_an_id_and_no_message_repeats_what_cannot_be_printed(self, journal, text):
        bring(journal, "unknown", text)

        assert journal.find(text).id == text
        with pytest.raises(StateError) as refused:
            journal.intend(operation(text))
        assert refused.value.message.isprintable()
        assert len(refused.value.message) < 500

    def test_a_text_that_is_none_is_refused(self, journal):
        with pytest.raises(StateError, match="no proper text; nothing was sent"):
            journal.intend(operation("\ud800"))

    @given(about=st.dictionaries(st.text(), st.text() | st.integers() | st.lists(st.text()), max_size=5))
    def test_subject_and_receipt_come_back_as_they_were(self, journal, about):
        name = f"op-{len(journal.entries(limit=10_000))}"
        journal.intend(Operation(name, "submit_file", "https://a", "f" * 64, about))
        journal.accept(name, about)

        assert (journal.find(name).subject, journal.find(name).receipt) == (about, about)


class Machine(RuleBasedStateMachine):
    """Every step against a dictionary that says what must come of it; two journals where they share a disk."""

    names = st.sampled_from(["a", "b"])
    which = st.integers(0, 1)

    def __init__(self, make):
        super().__init__()
        self.make = make
        self.journals = [make(0), make(1)]
        self.model = {}

    def teardown(self):
        for journal in self.journals:
            journal.close()

    def attempt(self, right, step, changes):
        """Do a step that must work if this is right, and must change nothing otherwise."""
        try:
            step()
        except StateError:
            assert not right
        else:
            assert right
            changes()

    def holds(self, name, who):
        return self.model[name]["owner"] == self.journals[who]

    @rule(name=names, who=which, other=st.booleans())
    def intend(self, name, who, other):
        kept = self.model.get(name)
        fingerprint = ("b" if other else "a") * 64
        step = lambda: self.journals[who].intend(operation(name, fingerprint))  # noqa: E731
        if kept and kept["fingerprint"] != fingerprint:
            with pytest.raises(InputRefused):
                step()
            return
        right = kept is None or (kept["owner"] is None and kept["state"] in {"intent", "refused"})
        attempts = kept["attempts"] + 1 if kept else 1
        made = {"state": "intent", "attempts": attempts, "fingerprint": fingerprint, "owner": self.journals[who]}
        self.attempt(right, step, lambda: self.model.update({name: made}))

    @precondition(lambda self: self.model)
    @rule(name=names, who=which, how=st.sampled_from(["accept", "refuse", "doubt"]))
    def leave_the_intent(self, name, who, how):
        if name not in self.model:
            return
        right = self.model[name]["state"] == "intent" and self.holds(name, who)
        state = {"accept": "accepted", "refuse": "refused", "doubt": "unknown"}[how]
        owner = self.model[name]["owner"] if how == "accept" else None
        step = lambda: getattr(self.journals[who], how)(name, {} if how == "accept" else "code")  # noqa: E731
        self.attempt(right, step, lambda: self.model[name].update(state=state, owner=owner))

    @precondition(lambda self: self.model)
    @rule(name=names, who=which)
    def finish(self, name, who):
        if name not in self.model:
            return
        right = self.model[name]["owner"] is None or self.holds(name, who)
        step = lambda: self.journals[who].finish(name, "{}")  # noqa: E731
        self.attempt(right, step, lambda: self.model[name].update(state="done", owner=None))

    @precondition(lambda self: self.model)
    @rule(name=names, who=which)
    def claim(self, name, who):
        if name not in self.model:
            return
        right = self.model[name]["owner"] is None and self.model[name]["state"] == "accepted"
        step = lambda: self.journals[who].claim(name)  # noqa: E731
        self.attempt(right, step, lambda: self.model[name].update(owner=self.journals[who]))

    @rule(name=names, who=which)
    def release(self, name, who):
        self.journals[who].release(name)
        if name in self.model and self.holds(name, who):
            self.model[name]["owner"] = None

    @precondition(lambda self: self.model)
    @rule(name=names, who=which, happened=st.booleans())
    def resolve(self, name, who, happened):
        if name not in self.model:
            return
        kept = self.model[name]
        right = kept["owner"] is None and kept["state"] in {"intent", "accepted", "unknown"}
        after = "done" if happened else "refused"
        step = lambda: self.journals[who].resolve(name, happened)  # noqa: E731
        self.attempt(right, step, lambda: kept.update(state=after))

    @rule(who=which)
    def end_and_come_back(self, who):
        ended = self.journals[who]
        if self.make(who) is ended:  # memory: one journal for both, and it has no other life
            return
        ended.close()
        self.journals[who] = self.make(who)
        for kept in self.model.values():
            if kept["owner"] is ended:
                kept["owner"] = None

    @invariant()
    def everyone_sees_what_must_be(self):
        for journal in self.journals:
            assert {entry.id for entry in journal.entries()} == set(self.model)
            for name, kept in self.model.items():
                entry = journal.find(name)
                assert (entry.state, entry.attempts) == (kept["state"], kept["attempts"])
                assert journal.is_running(entry) == (kept["owner"] is not None)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["disk", "memory"])
def test_any_sequence_of_steps_comes_out_as_the_model_says(kind, tmp_path_factory):
    def machine():
        folder = tmp_path_factory.mktemp("journal") / "state"
        one = Journal.in_memory() if kind == "memory" else None
        return Machine(lambda who: one or Journal.open(folder))

    run_state_machine_as_test(machine, settings=settings(max_examples=40, stateful_step_count=30, deadline=None))


class TestSeveralProcesses:
    RACER = f"""{HEAD}
for line in sys.stdin:
    folder, name = line.split()
    with Journal.open(Path(folder)) as journal:
        try:
            journal.intend(operation(name))
            print("won", flush=True)
        except StateError as error:
            print("lost" if "is being run by process" in error.message else error.message, flush=True)
        sys.stdin.readline()
"""

    def test_of_two_that_race_for_one_operation_exactly_one_wins(self, tmp_path):
        racers = [program(self.RACER) for _ in range(2)]
        try:
            for number in range(RACES):
                place = tmp_path / f"state-{number // 4}"  # the first of four makes the journal, too
                self.tell(racers, f"{place} op-{number}")
                told = [racer.stdout.readline().strip() for racer in racers]
                self.tell(racers, "next")

                assert sorted(told) == ["lost", "won"]
        finally:
            for racer in racers:
                racer.kill()
                racer.communicate()

    @staticmethod
    def tell(racers, line):
        for racer in racers:
            racer.stdin.write(f"{line}\n")
            racer.stdin.flush()

    def test_many_open_a_new_journal_at_once(self, folder):
        with ThreadPoolExecutor(16) as pool:
            journals = list(pool.map(Journal.open, [folder] * 16))
        journals[0].intend(operation())

        assert [journal.find("op-1").state for journal in journals] == ["intent"] * 16
        for journal in journals:
            journal.close()

    def test_a_living_owner_is_named_by_its_process_and_keeps_its_operation(self, folder):
        with Journal.open(folder) as journal, holder(folder) as other:
            entry = journal.find("op-1")

            assert journal.is_running(entry)
            with pytest.raises(StateError, match=f"operation op-1 is being run by process {other.pid}; nothing was"):
                journal.intend(operation())
            with pytest.raises(StateError, match=f"by process {other.pid}"):
                journal.resolve("op-1", True)
            with pytest.raises(StateError, match="the record of that is missing") as refused:
                journal.finish("op-1", "{}")
            assert refused.value.outcome == "applied"
            assert journal.find("op-1") == entry

    def test_a_killed_owner_is_taken_over_and_its_file_removed(self, folder):
        with Journal.open(folder) as journal:
            with holder(folder) as other:
                other.send_signal(signal.SIGKILL)
                other.wait()
            entry = journal.find("op-1")
            left = [path.name for path in (folder / "owners").iterdir()]

            assert left == [entry.owner.split(":")[0]]
            assert not journal.is_running(entry)
            assert list((folder / "owners").iterdir()) == []
            assert journal.intend(operation()).attempts == 2

    def test_pruning_removes_the_files_of_the_dead_and_no_others(self, folder):
        with Journal.open(folder) as journal:
            with holder(folder, "dead") as other:
                other.send_signal(signal.SIGKILL)
                other.wait()
            mine = journal.intend(operation()).owner.split(":")[0]
            (folder / "owners" / "README").touch()
            with holder(folder, "alive") as other:
                journal.prune()
                living = journal.find("alive").owner.split(":")[0]
                names = {path.name for path in (folder / "owners").iterdir()}

        assert names == {mine, living, "README"}

    def test_a_process_number_that_lives_again_is_not_the_owner(self, folder):
        with Journal.open(folder) as journal:
            entry = journal.intend(operation())
            again = replace(entry, owner=f"00000000-0000-4000-8000-000000000000:{os.getpid()}")

            assert not journal.is_running(again)
            assert journal.is_running(entry)

    def test_closing_ends_what_is_held_and_leaves_no_file(self, folder):
        with Journal.open(folder) as journal:
            journal.intend(operation())
            assert len(list((folder / "owners").iterdir())) == 1
        assert list((folder / "owners").iterdir()) == []
        with Journal.open(folder) as journal:
            assert journal.intend(operation()).attempts == 2

    def test_reading_leaves_no_owner(self, folder):
        with Journal.open(folder) as journal:
            journal.entries()
            journal.find("op-1")
        assert {path.name for path in folder.iterdir()} == {NAME}

    def test_a_forked_child_is_refused_and_takes_nothing_from_its_parent(self, folder):
        text = f"""{HEAD}
journal = Journal.open(Path(sys.argv[1]))
entry = journal.intend(operation("op-1"))
child = os.fork()
if child == 0:
    try:
        journal.find("op-1")
    except StateError as error:
        journal.close()
        os._exit(7 if "forked" in error.message else 1)
    os._exit(1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
with Journal.open(Path(sys.argv[1])) as other:
    assert other.is_running(entry)
journal.accept("op-1", {{}})
journal.close()
"""
        process = program(text, folder)
        assert (process.communicate(timeout=30)[1], process.returncode) == ("", 0)

    def test_without_flock_a_file_that_cannot_be_removed_is_a_living_owner(self, folder, monkeypatch):
        with Journal.open(folder) as journal, Journal.open(folder) as other:
            monkeypatch.setitem(sys.modules, "fcntl", None)
            entry = journal.intend(operation())
            with monkeypatch.context() as windows:
                windows.setattr("pathlib.Path.unlink", refuse_to_remove)
                assert other.is_running(entry)
            assert not other.is_running(entry)


def refuse_to_remove(path, missing_ok=False):
    raise PermissionError(13, "in use")


@contextmanager
def umask(mask):
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


class TestOnDisk:
    @pytest.mark.parametrize("mask", [0, 0o022, 0o077])
    def test_only_the_owner_may_use_folder_and_files_whatever_the_umask(self, tmp_path, mask):
        folder = tmp_path / "new" / "deep" / "state"
        with umask(mask), Journal.open(folder) as journal:
            journal.intend(operation())
            modes = {
                str(path.relative_to(tmp_path)): stat.S_IMODE(path.stat().st_mode)
                for path in sorted(tmp_path.rglob("*"))
                if path.parent.name != "owners"
            }
            locks = [stat.S_IMODE(path.stat().st_mode) for path in (folder / "owners").iterdir()]

        assert modes == {
            "new": 0o700,
            "new/deep": 0o700,
            "new/deep/state": 0o700,
            "new/deep/state/owners": 0o700,
            f"new/deep/state/{NAME}": 0o600,
            f"new/deep/state/{NAME}-wal": 0o600,
            f"new/deep/state/{NAME}-shm": 0o600,
        }
        assert locks == [0o600]

    def test_every_commit_waits_for_the_disk(self, folder):
        with Journal.open(folder) as journal:
            told = {name: journal._database.execute(f"PRAGMA {name}").fetchone()[0] for name in
                    ("journal_mode", "synchronous", "fullfsync", "checkpoint_fullfsync", "user_version")}  # fmt: skip

        assert told == {
            "journal_mode": "wal",
            "synchronous": 2,
            "fullfsync": 1,
            "checkpoint_fullfsync": 1,
            "user_version": 1,
        }

    def test_what_was_written_is_there_after_a_kill(self, folder):
        with holder(folder) as other:
            other.send_signal(signal.SIGKILL)
            other.wait()
        with Journal.open(folder) as journal:
            assert journal.find("op-1").state == "intent"

    def test_a_journal_is_pruned_when_it_is_opened_but_once_a_day(self, folder):
        def age(what, *values):
            with sqlite3.connect(folder / NAME) as database:
                database.execute(what, values)
            database.close()

        with Journal.open(folder) as journal:
            bring(journal, "done")
        age("UPDATE operation SET changed = '2020-01-01T00:00:00.000Z'")
        with Journal.open(folder) as journal:
            assert journal.find("op-1")
        for stamp in ("2020-01-01T00:00:00.000Z", "2999-01-01T00:00:00.000Z"):
            age("UPDATE upkeep SET pruned = ?", stamp)
        with Journal.open(folder) as journal:
            assert journal.find("op-1") is None

    def test_a_journal_that_was_moved_away_takes_no_intent(self, folder):
        with Journal.open(folder) as journal:
            journal.intend(operation())
            (folder / NAME).rename(folder / "elsewhere")
            with pytest.raises(StateError, match="was replaced while it was open; nothing was sent"):
                journal.intend(operation("op-2"))
            Journal.open(folder).close()
            with pytest.raises(StateError, match="was replaced while it was open; nothing was sent"):
                journal.intend(operation("op-2"))

    def test_a_locked_journal_is_waited_for_and_then_refused(self, folder, monkeypatch):
        monkeypatch.setattr(connector.journal_table, "BUSY_SECONDS", 0.05)
        with Journal.open(folder) as journal:
            journal.intend(operation())
            lock = sqlite3.connect(folder / NAME, isolation_level=None)
            lock.execute("BEGIN IMMEDIATE")
            with pytest.raises(StateError, match="is locked by another program; nothing was sent"):
                journal.intend(operation("op-2"))
            with pytest.raises(StateError, match="is locked by another program; the appliance took") as refused:
                journal.accept("op-1", {})
            assert refused.value.outcome == "applied"
            assert journal.find("op-1").state == "intent", "reading goes on"
            lock.execute("ROLLBACK")
            lock.close()
            journal.accept("op-1", {})

    def test_the_wait_for_a_lock_is_bounded(self):
        assert connector.journal_table.BUSY_SECONDS <= 5
        assert connector.journal.TURN_SECONDS <= 30

    def test_memory_holds_a_bounded_number_of_what_ended(self, monkeypatch):
        monkeypatch.setattr(connector.journal, "MOST_IN_MEMORY", 5)
        with Journal.in_memory() as journal:
            bring(journal, "unknown", "open")
            for number in range(20):
                bring(journal, "done", f"op-{number}")
            kept = [entry.id for entry in journal.entries()]

        assert kept[-1] == "open"
        assert kept[0] == "op-19"
        assert len(kept) <= 8

    def test_memory_touches_no_disk(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with Journal.in_memory() as journal:
            bring(journal, "done")

        assert list(tmp_path.iterdir()) == []


def replaced(path, content):
    path.unlink()
    path.write_bytes(content)
    path.chmod(0o600)


def with_sql(*statements):
    def change(path):
        with sqlite3.connect(path) as database:
            for statement in statements:
                database.execute(statement)
        database.close()

    return change


def moved_behind_a_link(path):
    path.rename(path.with_name("real"))
    path.symlink_to(path.with_name("real"))


def beside(suffix, change):
    return lambda path: change(path.with_name(path.name + suffix))


def made_open(path):
    path.touch()
    path.chmod(0o620)


BAD = {
    "a link": (moved_behind_a_link, "is a link"),
    "a link to nowhere": (lambda path: (path.unlink(), path.symlink_to("nowhere")), "is a link"),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "no regular file"),
    "a pipe": (lambda path: (path.unlink(), os.mkfifo(path, 0o600)), "no regular file"),
    "a second name": (lambda path: path.with_name("second").hardlink_to(path), "second name"),
    "writable by the group": (lambda path: path.chmod(0o620), "written by others"),
    "writable by all": (lambda path: path.chmod(0o602), "written by others"),
    "a link as its log": (beside("-wal", lambda path: path.symlink_to("x")), "is a link"),
    "a log that others write": (beside("-wal", made_open), "written by others"),
    "a log of the other kind that others write": (beside("-journal", made_open), "written by others"),
    "a link as its memory": (beside("-shm", lambda path: path.symlink_to("x")), "is a link"),
    "a folder that the group writes": (lambda path: path.parent.chmod(0o770), "the folder of the journal can be"),
    "a folder that all write": (lambda path: path.parent.chmod(0o1777), "the folder of the journal can be"),
    "a link as its folder": (lambda path: moved_behind_a_link(path.parent), "the folder of the journal is a link"),
    "a file as its folder": (
        lambda path: (shutil.rmtree(path.parent), path.parent.touch()),
        "the folder of the journal is no folder",
    ),
    "text": (lambda path: replaced(path, b"not a database, but long enough to be one " * 40), "not one of this"),
    "another database": (
        lambda path: (path.unlink(), with_sql("CREATE TABLE x (y)")(path), path.chmod(0o600)),
        "not one of this",
    ),
    "a newer version": (with_sql("PRAGMA user_version = 2"), "newer release"),
    "the newest version": (with_sql("PRAGMA user_version = 2147483647"), "newer release"),
    "an impossible version": (with_sql("PRAGMA user_version = -1"), "not one of this"),
    "no version": (with_sql("PRAGMA user_version = 0"), "not one of this"),
    "a table less": (with_sql("DROP TABLE upkeep"), "not one of this"),
    "a trigger more": (
        with_sql("CREATE TRIGGER t AFTER UPDATE ON operation BEGIN DELETE FROM operation; END"),
        "not one of this",
    ),
    "half of it": (lambda path: os.truncate(path, path.stat().st_size // 2), "is damaged|not one of this"),
    "nothing behind its head": (
        lambda path: path.write_bytes(path.read_bytes()[:4096] + bytes(path.stat().st_size - 4096)),
        "is damaged|not one of this",
    ),
}


def picture(folder):
    """Everything that can be seen of a tree: kinds, modes, contents."""
    return {
        str(path): (path.lstat().st_mode, path.read_bytes() if stat.S_ISREG(path.lstat().st_mode) else b"")
        for path in folder.rglob("*")
    }


class TestWhatCannotBeTrusted:
    @pytest.mark.parametrize("kind", BAD)
    def test_it_is_refused_and_left_as_it_is(self, folder, kind):
        change, said = BAD[kind]
        with Journal.open(folder) as journal:
            for number in range(50):
                bring(journal, "done", f"op-{number}")
        change(folder / NAME)
        before = picture(folder.parent)

        with pytest.raises(StateError, match=said) as refused:
            Journal.open(folder)
        assert refused.value.outcome == "not_sent"
        assert "nothing was sent" in refused.value.message
        assert refused.value.hint
        assert str(folder) not in refused.value.message
        after = picture(folder.parent)
        assert {name: seen for name, seen in after.items() if not name.endswith(("-shm", "-wal"))} == {
            name: seen for name, seen in before.items() if not name.endswith(("-shm", "-wal"))
        }

    @pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can give a file away")
    @pytest.mark.parametrize("what", ["", NAME])
    def test_what_belongs_to_another_user_is_refused(self, folder, what):
        Journal.open(folder).close()
        os.chown(folder / what, 65534, 65534)

        with pytest.raises(StateError, match="belongs to another user; nothing was sent"):
            Journal.open(folder)

    @pytest.mark.parametrize("place", ["a\x00b", "x" * 300, "\ud800"])
    def test_a_name_that_no_folder_can_have_is_refused(self, tmp_path, place):
        with pytest.raises(StateError, match="nothing was sent"):
            Journal.open(tmp_path / place)

    def test_an_owners_folder_that_others_write_is_refused(self, folder):
        with Journal.open(folder) as journal:
            (folder / "owners").mkdir()
            (folder / "owners").chmod(0o777)
            with pytest.raises(StateError, match="written by others; nothing was sent"):
                journal.intend(operation())
            assert journal.find("op-1") is None

    @pytest.mark.parametrize(
        ("column", "value"),
        [
            ("subject", "no json"),
            ("subject", "[]"),
            ("subject", "[" * 100_000),
            ("receipt", "7"),
            ("owner", "../../etc:1"),
        ],
        ids=["subject-text", "subject-list", "subject-deep", "receipt-number", "owner-path"],
    )
    def test_a_row_that_this_program_did_not_write_is_refused(self, folder, column, value):
        with Journal.open(folder) as journal:
            journal.intend(operation())
            journal._database.execute(f"UPDATE operation SET {column} = ?", (value,))

            with pytest.raises(StateError, match=r"is damaged.*nothing was sent") as refused:
                journal.intend(operation())
            assert value not in refused.value.message
            with pytest.raises(StateError, match=r"is damaged.*the record of that is missing") as refused:
                journal.accept("op-1", {})
            assert refused.value.outcome == "applied"

    def test_an_error_of_the_database_brings_no_data_along(self, folder):
        with Journal.open(folder) as journal:
            journal.intend(operation())
            journal._database.execute("UPDATE operation SET subject = CAST(x'ff41424344' AS TEXT)")

            with pytest.raises(StateError, match="is damaged") as refused:
                journal.find("op-1")
            assert (refused.value.__cause__, refused.value.__context__) == (None, None)


def filled(tmp_path_factory, *, closed):
    """The files of a journal with some rows: closed, or as a kill leaves them."""
    folder = tmp_path_factory.mktemp("filled") / "state"
    with Journal.open(folder) as journal:
        for number in range(40):
            bring(journal, STATES[number % 5], f"op-{number}")
        if not closed:
            return {name: (folder / name).read_bytes() for name in (NAME, f"{NAME}-wal")}
    return {NAME: (folder / NAME).read_bytes()}


@pytest.fixture(scope="module", params=["closed", "killed"])
def files(request, tmp_path_factory):
    return filled(tmp_path_factory, closed=request.param == "closed")


@pytest.mark.slow
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**32),
    flips=st.integers(0, 40),
    cut=st.none() | st.integers(0, 40_000),
    near=st.sampled_from([100, 4096, 10**9]),
)
def test_a_corrupt_journal_is_a_state_error_or_readable_and_nothing_else(
    files, tmp_path_factory, seed, flips, cut, near
):
    chance = random.Random(seed)
    folder = tmp_path_factory.mktemp("fuzz") / "state"
    folder.mkdir(0o700)
    which = chance.choice(sorted(files))
    for name, content in files.items():
        text = bytearray(content)
        for _ in range(flips if name == which else 0):
            text[chance.randrange(min(len(text), near))] = chance.randrange(256)
        (folder / name).write_bytes(text[:cut] if name == which else text)
        (folder / name).chmod(0o600)
    try:
        with Journal.open(folder) as journal:
            exercise(journal)
    except StateError:
        pass
    finally:
        shutil.rmtree(folder.parent)


def exercise(journal):
    """Every verb; each may find the damage, and none may fail in another way."""
    names = [f"op-{number}" for number in range(0, 40, 7)]
    for step in (
        journal.entries,
        lambda: [journal.is_running(entry) for entry in journal.entries("intent", "accepted")],
        *(lambda name=name: journal.find(name) for name in names),
        *(lambda name=name: journal.intend(operation(name)) for name in [*names, "new"]),
        *(lambda name=name: journal.finish(name, "{}") for name in names),
        lambda: journal.resolve("op-4", False),
        lambda: journal.prune(0),
    ):
        with suppress(StateError, InputRefused):
            step()


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 512 KiB; only where this may be mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    if (
        not mount
        or subprocess.run(
            [mount, "-t", "tmpfs", "-o", "size=512k,mode=700", "tmpfs", place], check=False, capture_output=True
        ).returncode
    ):
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", place], check=True)


class TestDisksThatFail:
    def test_a_full_disk_takes_no_intent_and_works_again_when_there_is_room(self, small_disk):
        with Journal.open(small_disk / "state") as journal:
            journal.intend(operation())
            fill(small_disk / "filler")
            with pytest.raises(StateError, match="its disk is full; nothing was sent") as refused:
                self.intend_for_ever(journal)
            assert refused.value.hint.startswith("free space")
            with pytest.raises(StateError, match="its disk is full; the operation went on") as refused:
                journal.finish("op-1", json.dumps("x" * 9000))
            assert refused.value.outcome == "applied"
            assert journal.find("op-1").state == "intent"
            (small_disk / "filler").unlink()
            journal.finish("op-1", "{}")
            assert journal.find("op-1").state == "done"

    @staticmethod
    def intend_for_ever(journal):
        for number in range(10_000):
            journal.intend(operation(f"more-{number}", url="x" * 4000))

    def test_no_journal_is_made_on_a_full_disk_and_it_can_be_made_later(self, small_disk):
        fill(small_disk / "filler")
        with pytest.raises(StateError, match="nothing was sent"):
            Journal.open(small_disk / "state")
        (small_disk / "filler").unlink()
        with Journal.open(small_disk / "state") as journal:
            journal.intend(operation())

    def test_a_disk_that_is_read_only_takes_no_intent(self, small_disk):
        Journal.open(small_disk / "state").close()
        subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)

        with pytest.raises(StateError, match="nothing was sent"):
            Journal.open(small_disk / "state")

    def test_a_file_that_may_not_grow_takes_no_intent(self, folder):
        text = f"""{HEAD}
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with Journal.open(Path(sys.argv[1])) as journal:
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    sent = 0
    try:
        for sent in range(10_000):
            journal.intend(operation(f"op-{{sent}}"))
    except StateError as error:
        assert error.message.endswith("; nothing was sent"), error.message
        assert journal.find(f"op-{{sent}}") is None
        assert len(journal.entries(limit=10_000)) == sent > 1
        print("refused")
"""
        process = program(text, folder)
        assert process.communicate(timeout=60) == ("refused\n", "")


def fill(path):
    """Take all the room that is left on a disk."""
    with path.open("wb", buffering=0) as stream:
        for size in (4096, 512, 1):
            try:
                while True:
                    stream.write(b"x" * size)
            except OSError:
                continue


WRITER = f"""{HEAD}
try:
    with Journal.open(Path(sys.argv[1])) as journal:
        for number in range(3):
            name = f"op-{{number}}"
            try:
                journal.intend(operation(name))
                print("sent", name, flush=True)
                journal.accept(name, {{"task_id": number}})
                journal.finish(name, "{{}}")
                print("ended", name, flush=True)
            except StateError as error:
                print("refused", name, error.outcome, flush=True)
except StateError as error:
    print("refused", "open", error.outcome, flush=True)
"""
FAULTS = [
    f"{call}:{fault}:when={when}"
    for call, fault in (
        ("pwrite64", "error=ENOSPC"),
        ("pwrite64", "error=EIO"),
        ("fdatasync", "error=EIO"),
        ("pwrite64", "signal=KILL"),
        ("fdatasync", "signal=KILL"),
    )
    for when in ("1", "3", "5+", "9", "14", "20+")
]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace makes the faults")
class TestEveryWrite:
    @pytest.mark.parametrize("fault", FAULTS)
    def test_nothing_is_sent_without_its_intent_on_the_disk(self, folder, fault):
        Journal.open(folder).close()
        call = fault.split(":", maxsplit=1)[0]
        words = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={fault}"]
        ended = subprocess.run(
            [*words, sys.executable, "-c", WRITER, str(folder)], cwd=ROOT, capture_output=True, text=True, check=False
        )
        if "ptrace" in ended.stderr:
            pytest.skip("this system lets nobody trace")

        assert ended.stderr == ""
        with Journal.open(folder) as journal:
            for line in ended.stdout.splitlines():
                word, name, *_ = line.split()
                if word == "sent":
                    assert journal.find(name), f"{name} left without an intent"
                if word == "ended":
                    assert journal.find(name).state == "done"
