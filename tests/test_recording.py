"""A change is done at most once for its operation id, and its intent is on the disk before its first byte."""

import asyncio
import base64
import sqlite3
import threading
from pathlib import Path

import pytest

from connector import AsyncConnector, Connector, InputRefused, OutcomeUnknown, Settings, SpectraError
from connector.driver import Run
from connector.emulator.product.removing import delete_later
from connector.errors import StateError
from connector.journal import Journal
from connector.operation import Operation
from connector.plan import Call, Judged, Pause, Reply
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


def left(lab: Lab, folder: Path, action: str, state: str, params=None, receipt=None, **more):
    """A journal as a process leaves it that was killed: an intent, a doubt or an acceptance whose owner is dead."""
    with current(lab, folder, **more) as connector:
        session = connector._session
        action_, ready = session.prepare(action, params or EACH[action], "op")
        subject = connector._driver.run(action_.subject(ready, session.context()))
        mark = fingerprint(action_, ready, session.context(), subject)
    with Journal.open(folder) as journal:
        journal.intend(Operation("op", action, lab.url, mark, subject))
        if state == "unknown":
            journal.doubt("op", "truncated")
        if state == "accepted":
            journal.accept("op", receipt)


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
            while b"www.example.com" not in asked and b"--\r\n" not in asked[-8:]:
                asked += connection.recv(65536)
            with sqlite3.connect(folder / "journal.sqlite") as database:
                seen.append(database.execute("SELECT state FROM operation").fetchall())
            connection.sendall(http_answer(b'{"code": 201, "detail": {"id": 7}}', "201 Created"))

        with RawServer(answer) as server:
            settings = Settings(url=server.url, token="0123456789", state=str(folder), api_generation="current")
            with Connector(settings) as connector:
                connector.run(action, EACH[action])

        assert seen == [[("intent",)]]

    def test_an_answer_before_the_whole_file_is_no_receipt(self, lab: Lab, folder):
        with lab.connector(state=str(folder)) as connector:
            session = connector._session
            action, ready = session.prepare("submit_file", FILE, "op")
            plan = action.plan(ready, session.context())
            step = next(plan)
            while not (isinstance(step, Call) and step.upload):
                step = plan.send(connector._driver.perform(step, Run(session.wire.deadline())))
            early = Reply(201, {"detail": {"id": 7}}, answered_at="2026-03-01T12:00:00Z")
            assert isinstance(plan.send(early), Judged)
            looked = plan.send(None)

        assert looked == Pause(1.0), "it is looked for, as its answer is worth nothing"

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
        left(lab, folder, "submit_file", "intent", params, allow_cloud=True)

        with current(lab, folder, allow_cloud=True) as connector, pytest.raises(OutcomeUnknown):
            connector.run("submit_file", params, operation_id="op")

        assert submissions(lab) == 0

    @each
    def test_an_accepted_operation_is_followed_and_not_sent(self, lab: Lab, folder, action):
        left(lab, folder, action, "accepted", receipt=receipt(action))

        with current(lab, folder) as connector:
            outcome = connector.run(action, EACH[action], operation_id="op")

        assert (outcome.branch, outcome.result.task_id) == ("submitted", 7)
        assert lab.requests == []
        assert entry(folder, "op").state == "done"

    @each
    def test_an_accepted_operation_whose_verdict_cannot_be_had_yet_keeps_its_receipt(self, lab: Lab, folder, action):
        left(lab, folder, action, "accepted", receipt=receipt(action))
        lab.fault("/api/*", status=500, body="json")

        with current(lab, folder) as connector:
            outcome = connector.run(action, {**EACH[action], "wait": True}, operation_id="op")

        assert (outcome.branch, outcome.result.task_id) == ("pending", 7)
        assert any("waiting for its verdict failed" in notice for notice in outcome.notices)
        assert submissions(lab) == 0

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

    @pytest.mark.parametrize("state", ["intent", "unknown"])
    def test_a_deletion_in_doubt_is_looked_up_and_never_sent_again(self, lab: Lab, folder, state):
        params = planned(lab, folder, lab.load()["sha1"])
        left(lab, folder, "bulk_delete", state, params, allow_delete=True)

        with current(lab, folder, allow_delete=True) as connector:
            outcome = connector.run("bulk_delete", params, operation_id="op")

        assert (outcome.branch, outcome.result.entries[0].state) == ("partial", "still_there")
        assert lab.ledger["deletes"] == []

    @pytest.mark.parametrize("state", ["intent", "unknown"])
    def test_a_deletion_in_doubt_that_was_done_is_told_as_done(self, lab: Lab, folder, state):
        kept, lost = (lab.load()["sha1"] for _ in range(2))
        params = planned(lab, folder, kept, lost)
        left(lab, folder, "bulk_delete", state, params, allow_delete=True)
        for sample in list(lab.product.local):
            lab.product.local.remove(sample)

        with current(lab, folder, allow_delete=True) as connector:
            outcome = connector.run("bulk_delete", params, operation_id="op")
            again = connector.run("bulk_delete", params, operation_id="op")

        assert (outcome.branch, outcome.result.deleted) == ("deleted", 2)
        assert again.to_json() == outcome.to_json()
        assert entry(folder, "op").state == "done"
        assert lab.ledger["deletes"] == []

    def test_a_deletion_that_was_accepted_is_followed_by_its_task_and_not_sent(self, lab: Lab, folder):
        sha1 = lab.load()["sha1"]
        params = planned(lab, folder, sha1)
        task = delete_later(lab.product, [sha1], lab.product.users.by_token(lab.token))
        kept = {"result": {"entries": [], "deleted": 0}, "at": AT, "task_id": task.id, "present": [sha1]}
        left(lab, folder, "bulk_delete", "accepted", params, kept, allow_delete=True)

        with current(lab, folder, allow_delete=True) as connector:
            outcome = connector.run("bulk_delete", params, operation_id="op")

        assert (outcome.branch, outcome.result.deleted) == ("deleted", 1)
        assert [line for line in lab.requests if "delete_bulk/ " in line] == []

    def test_a_plan_that_is_too_old_by_now_still_ends_what_was_begun_with_it(self, lab: Lab, folder):
        params = planned(lab, folder, lab.load()["sha1"])
        left(lab, folder, "bulk_delete", "intent", params, allow_delete=True)
        lab.time.sleep(3600.0)

        with current(lab, folder, allow_delete=True) as connector:
            assert connector.run("bulk_delete", params, operation_id="op").branch == "partial"

    @pytest.mark.parametrize("action", ["submit_url", "submit_file"])
    def test_a_run_that_is_cancelled_leaves_its_doubt_and_no_lock(self, folder, action):
        asked, over = threading.Event(), threading.Event()

        def silent(connection, _):
            asked.set()
            over.wait(20)

        with RawServer(silent) as server:
            settings = Settings(url=server.url, token="0123456789", state=str(folder), api_generation="current")

            async def cancelled():
                async with AsyncConnector(settings) as connector:
                    task = asyncio.create_task(connector.run(action, EACH[action], operation_id="op"))
                    assert await asyncio.to_thread(asked.wait, 10)
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)
                    over.set()
                    return connector.journal.find("op")

            kept = asyncio.run(cancelled())

        assert (kept.state, kept.error, kept.owner) == ("unknown", "interrupted", None)
        assert list((folder / "owners").iterdir()) == []

    def test_an_interrupted_run_leaves_its_doubt_and_no_lock(self, lab: Lab, folder):
        connector = current(lab, folder)
        connector._driver._exchange = _interrupted(connector._driver._exchange)
        with connector, pytest.raises(KeyboardInterrupt):
            connector.run("submit_url", URL, operation_id="op")

        kept = entry(folder, "op")
        assert (kept.state, kept.error, kept.owner, submissions(lab)) == ("unknown", "interrupted", None, 1)

    def test_a_refusal_leaves_the_id_free(self, lab: Lab, folder):
        lab.state(maintenance=True)
        with current(lab, folder) as connector, pytest.raises(SpectraError) as refused:
            connector.run("submit_url", URL, operation_id="op")

        assert refused.value.operation_id == "op"
        assert entry(folder, "op").state == "refused"
        lab.state(maintenance=False)
        with current(lab, folder) as connector:
            assert connector.run("submit_url", URL, operation_id="op").branch == "submitted"


def _interrupted(exchange):
    """The same exchange, whose change is done and then broken off by Ctrl-C before its answer is seen."""

    def broken_off(call, run):
        reply = exchange(call, run)
        if call.effect != "read":
            raise KeyboardInterrupt
        return reply

    return broken_off


AT = "2026-03-01T12:00:00Z"


def receipt(action):
    """What the journal keeps of an acceptance."""
    sent = {"sha1": "a" * 40, "sent_sha1": "a" * 40, "sent_sha256": "b" * 64, "sent_bytes": 5}
    more = sent if action == "submit_file" else {"url": URL["url"], "crawler": "local"}
    return {"result": {"task_id": 7, "visibility": "private", **more}, "at": AT}


def planned(lab: Lab, folder: Path, *hashes: str):
    """Parameters that confirm the deletion of these."""
    with current(lab, folder, allow_delete=True) as connector:
        found = connector.run("bulk_delete", {"hash_values": list(hashes), "plan": True})
    lab.product.ledger.clear()
    return {"hash_values": list(hashes), "confirm": found.result.digest}


class TestLostAnswers:
    """The appliance did it, and its answer never came."""

    def lose(self, lab: Lab, path: str, **more):
        lab.fault(path, "POST", **{"nth": 1, "times": 1, "cut": "before"} | more)

    def gateway(self, lab: Lab, path: str, *, done: bool, times: int = 1):
        """Something before the appliance answers in its place, after the work was done or without it."""
        self.lose(lab, path, cut="never", status=504, body="html", apply=done, times=times)

    @pytest.mark.parametrize(
        "how", [{}, {"cut": "halfway"}, {"cut": "never", "status": 504, "body": "html", "apply": True}], ids=str
    )
    def test_a_url_is_unknown_and_stays_so(self, lab: Lab, folder, how):
        self.lose(lab, "/api/submit/url/", **how)
        for _ in range(3):
            with current(lab, folder) as connector, pytest.raises(OutcomeUnknown) as doubt:
                connector.run("submit_url", URL, operation_id="op")
            assert doubt.value.operation_id == "op"

        assert (submissions(lab), entry(folder, "op").state) == (1, "unknown")

    @pytest.mark.parametrize(
        "how", [{}, {"cut": "halfway"}, {"cut": "never", "status": 504, "body": "html", "apply": True}], ids=str
    )
    def test_a_file_is_found_by_its_hash(self, lab: Lab, folder, how):
        self.lose(lab, "/api/submit/file/", **how)
        with current(lab, folder) as connector:
            outcome = connector.run("submit_file", FILE, operation_id="op")
            again = connector.run("submit_file", FILE, operation_id="op")

        assert (outcome.result.recovered, outcome.result.task_id, submissions(lab)) == (True, None, 1)
        assert any("the answer to the upload was lost" in notice for notice in outcome.notices)
        assert again.to_json() == outcome.to_json()

    def test_a_file_that_never_arrived_is_sent_once_more(self, lab: Lab, folder):
        self.gateway(lab, "/api/submit/file/", done=False)
        with current(lab, folder) as connector:
            outcome = connector.run("submit_file", FILE, operation_id="op")

        assert (outcome.result.recovered, submissions(lab)) == (False, 1)
        assert lab.paths.count("/api/submit/file/") == 2
        assert lab.time.slept == [1.0, 4.0, 10.0]

    def test_a_file_is_sent_twice_at_most(self, lab: Lab, folder):
        self.gateway(lab, "/api/submit/file/", done=False, times=2)
        with current(lab, folder) as connector, pytest.raises(OutcomeUnknown):
            connector.run("submit_file", FILE, operation_id="op")

        assert lab.paths.count("/api/submit/file/") == 2
        assert entry(folder, "op").state == "unknown"

    @pytest.mark.parametrize("more", [{"archive_password": "x"}, {"analysis": "cloud"}])
    def test_a_file_that_must_not_run_twice_or_cannot_be_told_is_unknown(self, lab: Lab, folder, more):
        self.gateway(lab, "/api/submit/file/", done=False)
        with current(lab, folder, allow_cloud=True) as connector, pytest.raises(OutcomeUnknown):
            connector.run("submit_file", FILE | more, operation_id="op")

        assert lab.paths.count("/api/submit/file/") == 1

    def test_a_file_is_unknown_where_nobody_can_be_asked(self, lab: Lab, folder):
        lab.tell(
            "faults",
            faults=[
                {"match": {"method": "POST", "path": "/api/submit/file/"}, "nth": 1, "cut": "before"},
                {"match": {"method": "POST", "path": "/api/samples/status/"}, "nth": "every", "status": 500},
            ],
        )
        with current(lab, folder) as connector, pytest.raises(OutcomeUnknown):
            connector.run("submit_file", FILE, operation_id="op")

        assert (submissions(lab), entry(folder, "op").state) == (1, "unknown")

    @pytest.mark.parametrize("applied", [True, False])
    def test_a_deletion_is_looked_up_hash_by_hash_and_not_sent_again(self, lab: Lab, folder, applied):
        params = planned(lab, folder, lab.load()["sha1"])
        self.gateway(lab, "/api/samples/v2/delete_bulk/", done=applied)
        with current(lab, folder, allow_delete=True) as connector:
            outcome = connector.run("bulk_delete", params, operation_id="op")

        assert (outcome.branch, outcome.result.deleted) == (("deleted", 1) if applied else ("partial", 0))
        assert any("nothing was sent again" in notice for notice in outcome.notices)
        assert lab.paths.count("/api/samples/v2/delete_bulk/") == 1


class TestAtTheSameTime:
    """One id, more than one who runs it."""

    @pytest.mark.parametrize("shared", [True, False], ids=["one connector", "two connectors"])
    def test_the_second_is_refused_while_the_first_is_under_way_and_then_gets_its_outcome(self, folder, shared):
        asked, go_on, ended = threading.Event(), threading.Event(), []

        def slow(connection, _):
            asked.set()
            go_on.wait(20)
            connection.sendall(http_answer(b'{"code": 201, "detail": {"id": 7}}', "201 Created"))

        with RawServer(slow) as server:
            settings = Settings(url=server.url, token="0123456789", state=str(folder), api_generation="current")
            with Connector(settings) as first, Connector(settings) as other:
                second = first if shared else other
                thread = threading.Thread(target=lambda: ended.append(first.run("submit_url", URL, operation_id="op")))
                thread.start()
                assert asked.wait(10)
                with pytest.raises(StateError, match="is being run") as busy:
                    second.run("submit_url", URL, operation_id="op")
                go_on.set()
                thread.join(10)
                again = second.run("submit_url", URL, operation_id="op")

        assert busy.value.outcome == "not_sent"
        assert again.to_json() == ended[0].to_json()
        assert len(server.asked) == 1


class TestAJournalThatFails:
    def test_a_deletion_is_not_sent_without_it(self, lab: Lab, folder, tmp_path):
        params = planned(lab, folder, lab.load()["sha1"])
        (tmp_path / "other").write_text("a file where the folder should be")

        with current(lab, tmp_path / "other", allow_delete=True) as connector, pytest.raises(StateError) as refused:
            connector.run("bulk_delete", params)

        assert refused.value.outcome == "not_sent"
        assert lab.requests == []

    @each
    def test_an_intent_that_cannot_be_written_sends_nothing(self, lab: Lab, folder, monkeypatch, action):
        def full(*_):
            raise StateError("the disk is full; nothing was sent")

        monkeypatch.setattr("connector.journal.Journal.intend", full)
        with current(lab, folder) as connector, pytest.raises(StateError) as refused:
            connector.run(action, EACH[action])

        assert (refused.value.outcome, lab.requests) == ("not_sent", [])

    def test_an_accepted_deletion_whose_receipt_cannot_be_kept_is_still_told(self, lab: Lab, folder, monkeypatch):
        params = planned(lab, folder, lab.load()["sha1"])

        def full(*_):
            raise StateError("the disk is full", outcome="applied")

        monkeypatch.setattr("connector.journal.Journal.accept", full)
        with current(lab, folder, allow_delete=True) as connector:
            outcome = connector.run("bulk_delete", params, operation_id="op")

        assert (outcome.branch, outcome.result.deleted) == ("deleted", 1)
        assert any("accepted, but the journal could not note it" in notice for notice in outcome.notices)
        assert entry(folder, "op").state == "done"

    def test_a_doubt_that_cannot_be_written_is_told_and_stands_as_an_intent(self, lab: Lab, folder, monkeypatch):
        def full(*_):
            raise StateError("the disk is full", outcome="unknown")

        monkeypatch.setattr("connector.journal.Journal.doubt", full)
        lab.fault("/api/submit/url/", "POST", nth=1, times=1, cut="before")
        with current(lab, folder) as connector, pytest.raises(OutcomeUnknown):
            connector.run("submit_url", URL, operation_id="op")
        assert entry(folder, "op").state == "intent"

        monkeypatch.undo()
        with current(lab, folder) as connector, pytest.raises(OutcomeUnknown):
            connector.run("submit_url", URL, operation_id="op")
        assert submissions(lab) == 1
