"""A change is done at most once for its operation id, and its intent is on the disk before its first byte."""

import base64
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from connector import Connector, InputRefused, OutcomeUnknown, Settings, SpectraError
from connector.errors import StateError
from connector.journal import Journal
from connector.operation import Operation
from connector.recording import fingerprint
from tests.laboratory import Lab, RawServer, http_answer

FILE = {"content_base64": base64.b64encode(b"hello").decode()}
URL = {"url": "https://www.example.com/a"}
SUBMITS = ("/api/submit/file/", "/api/submit/url/")
EACH = {"submit_file": FILE, "submit_url": URL}
each = pytest.mark.parametrize("action", EACH)


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "state"


def current(lab: Lab, folder: Path, **more):
    return lab.connector(state=str(folder), api_generation="current", **more)


def submissions(lab: Lab) -> int:
    return len(lab.ledger["submissions"])


def entry(folder: Path, name: str):
    with Journal.open(folder) as journal:
        return journal.find(name)


def left(lab: Lab, folder: Path, action: str, state: str, params=None):
    """A journal as a process leaves it that was killed: an intent or an acceptance whose owner is dead."""
    with current(lab, folder) as connector:
        session = connector._session
        action_, ready = session.prepare(action, params or EACH[action], "op")
        subject = connector._driver.run(action_.subject(ready, session.context()))
        mark = fingerprint(action_, ready, session.context(), subject)
    with Journal.open(folder) as journal:
        journal.intend(Operation("op", action, lab.url, mark, subject))
        if state == "unknown":
            journal.doubt("op", "truncated")


class TestOnce:
    """The same id again."""

    @each
    def test_the_stored_outcome_comes_back_to_the_byte_and_nothing_is_sent(self, lab: Lab, folder, action):
        with current(lab, folder) as connector:
            first = connector.run(action, EACH[action], operation_id="op")
        before = len(lab.requests)
        with current(lab, folder) as connector:
            again = connector.run(action, EACH[action], operation_id="op")

        assert again.to_json() == first.to_json()
        assert again == first
        assert len(lab.requests) == before

    @each
    def test_waiting_or_not_makes_it_no_other_operation(self, lab: Lab, folder, action):
        with current(lab, folder) as connector:
            connector.run(action, EACH[action], operation_id="op")
            connector.run(action, {**EACH[action], "wait": True}, operation_id="op")

        assert submissions(lab) == 1

    @pytest.mark.parametrize(
        "other", [{"url": "https://www.example.com/b"}, {**URL, "tlp": "red"}, {**URL, "archive_password": "x"}]
    )
    def test_the_same_id_with_other_parameters_is_refused(self, lab: Lab, folder, other):
        with current(lab, folder) as connector:
            connector.run("submit_url", URL, operation_id="op")

            with pytest.raises(InputRefused) as refused:
                connector.run("submit_url", other, operation_id="op")

        assert [violation.pointer for violation in refused.value.violations] == ["/operation_id"]
        assert submissions(lab) == 1

    def test_the_same_content_under_another_path_is_the_same_operation(self, lab: Lab, folder, tmp_path):
        with current(lab, folder) as connector:
            for name in ("a", "b"):
                (tmp_path / name).write_bytes(b"the same")
                connector.run("submit_file", {"file": str(tmp_path / name)}, operation_id="op")

        assert submissions(lab) == 1

    @pytest.mark.parametrize("name", ["", "-x", ".x", "a b", "a/b", "x" * 129, "a\n", "\u00e4", "'"])
    def test_an_id_that_is_none_is_refused(self, lab: Lab, folder, name):
        with current(lab, folder) as connector, pytest.raises(InputRefused, match="/operation_id"):
            connector.run("submit_url", URL, operation_id=name)

        assert lab.requests == []

    @pytest.mark.parametrize("name", ["a", "A.1_b:c-d", "x" * 128, "0"])
    def test_an_id_that_is_one_is_taken(self, lab: Lab, folder, name):
        with current(lab, folder) as connector:
            assert connector.run("submit_url", URL, operation_id=name).operation_id == name

    def test_without_an_id_each_run_is_an_operation_of_its_own(self, lab: Lab, folder):
        with current(lab, folder) as connector:
            ids = {connector.run("submit_url", URL).operation_id for _ in range(2)}

        assert len(ids) == submissions(lab) == 2

    def test_of_two_threads_with_one_id_one_submits(self, lab: Lab, folder):
        lab.fault("/api/submit/url/", nth=1, times=1, delay_seconds=0.5)
        ended: list[object] = []

        def run():
            with Connector(lab.settings(state=str(folder), api_generation="current")) as connector:
                try:
                    ended.append(connector.run("submit_url", URL, operation_id="op"))
                except StateError as error:
                    ended.append(error)

        threads = [threading.Thread(target=run) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sum(isinstance(one, StateError) for one in ended) in {0, 1}
        assert submissions(lab) == 1

    def test_a_read_leaves_no_journal(self, lab: Lab, folder):
        with current(lab, folder) as connector:
            connector.run("test_connection")

        assert not folder.exists()

    def test_a_plan_of_a_deletion_leaves_none_either(self, lab: Lab, folder):
        sha1 = lab.load()["sha1"]
        with current(lab, folder) as connector:
            connector.run("bulk_delete", {"hash_values": [sha1], "plan": True})

        assert not folder.exists()


class TestBeforeTheFirstByte:
    @each
    def test_the_intent_is_on_the_disk_when_the_first_byte_arrives(self, folder, action):
        seen = []

        def answer(connection, asked):
            with sqlite3.connect(folder / "journal.sqlite") as database:
                seen.append(database.execute("SELECT state FROM operation").fetchall())
            connection.sendall(http_answer(b'{"code": 201, "detail": {"id": 7}}', "201 Created"))

        with RawServer(answer) as server:
            settings = Settings(url=server.url, token="0123456789", state=str(folder), api_generation="current")
            with Connector(settings) as connector:
                connector.run(action, EACH[action])

        assert seen == [[("intent",)]]

    @each
    def test_without_a_journal_nothing_is_sent(self, lab: Lab, tmp_path, action):
        (tmp_path / "state").write_text("a file where the folder should be")

        with current(lab, tmp_path / "state") as connector, pytest.raises(StateError) as refused:
            connector.run(action, EACH[action])

        assert refused.value.outcome == "not_sent"
        assert submissions(lab) == 0

    def test_what_cannot_be_noted_after_the_acceptance_is_still_given(self, lab: Lab, folder, monkeypatch):
        def full(*_):
            raise StateError("the disk is full", outcome="applied")

        monkeypatch.setattr("connector.journal.Journal.accept", full)
        monkeypatch.setattr("connector.journal.Journal.finish", full)
        with current(lab, folder) as connector:
            outcome = connector.run("submit_url", URL, operation_id="op")

        assert outcome.branch == "submitted"
        assert len([notice for notice in outcome.notices if "the disk is full" in notice]) == 2

    def test_a_journal_in_memory_says_so(self, lab: Lab):
        outcome = lab.run("submit_url", URL, state="memory")

        assert any("kept in memory" in notice for notice in outcome.notices)


class TestAfterACrash:
    """What an interrupted run left open is taken up, looked for, or told as unknown."""

    @pytest.mark.parametrize("state", ["intent", "unknown"])
    def test_a_url_in_doubt_stays_unknown_and_is_not_sent(self, lab: Lab, folder, state):
        left(lab, folder, "submit_url", state)

        for _ in range(2):
            with current(lab, folder) as connector, pytest.raises(OutcomeUnknown) as doubt:
                connector.run("submit_url", URL, operation_id="op")

            assert "spectra journal resolve" in doubt.value.hint
            assert doubt.value.operation_id == "op"
        assert submissions(lab) == 0

    @pytest.mark.parametrize("state", ["intent", "unknown"])
    def test_a_file_in_doubt_that_is_there_is_found_and_not_sent(self, lab: Lab, folder, state):
        left(lab, folder, "submit_file", state)
        lab.load(content_base64=FILE["content_base64"])

        with current(lab, folder) as connector:
            outcome = connector.run("submit_file", FILE, operation_id="op")

        assert (outcome.result.recovered, outcome.result.task_id) == (True, None)
        assert submissions(lab) == 0
        assert entry(folder, "op").state == "done"

    @pytest.mark.parametrize("state", ["intent", "unknown"])
    def test_a_file_in_doubt_that_is_absent_is_looked_for_three_times_and_sent_once(self, lab: Lab, folder, state):
        left(lab, folder, "submit_file", state)

        with current(lab, folder) as connector:
            outcome = connector.run("submit_file", FILE, operation_id="op")

        assert lab.time.slept == [1.0, 4.0, 10.0]
        assert (outcome.result.recovered, submissions(lab)) == (False, 1)

    @pytest.mark.parametrize("more", [{"archive_password": "x"}, {"analysis": "cloud"}])
    def test_a_file_that_cannot_be_told_or_must_not_run_twice_stays_unknown(self, lab: Lab, folder, more):
        params = FILE | more
        with current(lab, folder, allow_cloud=True) as connector:
            session = connector._session
            action, ready = session.prepare("submit_file", params, "op")
            subject = connector._driver.run(action.subject(ready, session.context()))
            mark = fingerprint(action, ready, session.context(), subject)
        with Journal.open(folder) as journal:
            journal.intend(Operation("op", "submit_file", lab.url, mark, subject))

        with current(lab, folder, allow_cloud=True) as connector, pytest.raises(OutcomeUnknown):
            connector.run("submit_file", params, operation_id="op")

        assert submissions(lab) == 0

    @each
    def test_an_accepted_operation_is_followed_and_not_sent(self, lab: Lab, folder, action):
        left(lab, folder, action, "intent")
        names = {"task_id": 7, "visibility": "private"}
        sent = {"sha1": "a" * 40, "sent_sha1": "a" * 40, "sent_sha256": "b" * 64, "sent_bytes": 5}
        result = names | (sent if action == "submit_file" else {"url": URL["url"], "crawler": "local"})
        with sqlite3.connect(folder / "journal.sqlite") as database:
            database.execute("UPDATE operation SET state = 'accepted', receipt = ?", [self.receipt(result)])

        with current(lab, folder) as connector:
            outcome = connector.run(action, EACH[action], operation_id="op")

        assert (outcome.branch, outcome.result.task_id) == ("submitted", 7)
        assert submissions(lab) == 0
        assert entry(folder, "op").state == "done"

    def receipt(self, result):
        import json

        return json.dumps({"result": result, "at": "2026-03-01T12:00:00Z"})

    def test_what_was_resolved_as_not_done_runs_again(self, lab: Lab, folder):
        left(lab, folder, "submit_url", "unknown")
        with Journal.open(folder) as journal:
            journal.resolve("op", False, "not in the list of submissions")

        with current(lab, folder) as connector:
            assert connector.run("submit_url", URL, operation_id="op").branch == "submitted"
        assert submissions(lab) == 1

    def test_what_was_resolved_as_done_is_not_run_again(self, lab: Lab, folder):
        left(lab, folder, "submit_url", "unknown")
        with Journal.open(folder) as journal:
            journal.resolve("op", True)

        with current(lab, folder) as connector, pytest.raises(StateError, match="resolved by hand") as told:
            connector.run("submit_url", URL, operation_id="op")

        assert told.value.outcome == "applied"
        assert submissions(lab) == 0

    def test_a_deletion_in_doubt_is_looked_up_and_never_sent_again(self, lab: Lab, folder):
        sha1 = lab.load()["sha1"]
        with current(lab, folder, allow_delete=True) as connector:
            planned = connector.run("bulk_delete", {"hash_values": [sha1], "plan": True})
            params = {"hash_values": [sha1], "confirm": planned.result.digest}
            session = connector._session
            action, ready = session.prepare("bulk_delete", params, "op")
            subject = connector._driver.run(action.subject(ready, session.context()))
            mark = fingerprint(action, ready, session.context(), subject)
        with Journal.open(folder) as journal:
            journal.intend(Operation("op", "bulk_delete", lab.url, mark, subject))

        with current(lab, folder, allow_delete=True) as connector:
            outcome = connector.run("bulk_delete", params, operation_id="op")

        assert (outcome.branch, outcome.result.entries[0].state) == ("partial", "still_there")
        assert lab.ledger["deletes"] == []

    def test_a_run_that_is_cancelled_leaves_its_doubt_and_no_lock(self, folder):
        import asyncio

        from connector import AsyncConnector

        with RawServer(lambda connection, asked: time.sleep(1.5)) as server:
            settings = Settings(url=server.url, token="0123456789", state=str(folder), api_generation="current")

            async def cancelled():
                async with AsyncConnector(settings) as connector:
                    task = asyncio.create_task(connector.run("submit_url", URL, operation_id="op"))
                    await asyncio.sleep(0.3)
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)
                    return connector.journal.find("op")

            kept = asyncio.run(cancelled())

        assert (kept.state, kept.error, kept.owner) == ("unknown", "interrupted", None)

    def test_a_refusal_leaves_the_id_free(self, lab: Lab, folder):
        lab.state(maintenance=True)
        with current(lab, folder) as connector, pytest.raises(SpectraError) as refused:
            connector.run("submit_url", URL, operation_id="op")

        assert refused.value.operation_id == "op"
        assert entry(folder, "op").state == "refused"
        lab.state(maintenance=False)
        with current(lab, folder) as connector:
            assert connector.run("submit_url", URL, operation_id="op").branch == "submitted"
