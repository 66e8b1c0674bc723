"""Runs in one process: done, failed, resumed from what failed, cancelled, decided, limited; and what is kept of them."""

import asyncio
import re
import sqlite3
import time
from contextlib import closing, suppress

import pytest
from dbos import DBOS
from pydantic import SecretStr

from connector.errors import InputRefused, StateError
from connector.playbooks.durable import engine as engines
from connector.playbooks.durable.engine import RUNS, Limits
from connector.playbooks.durable.runs import open_runs
from connector.playbooks.durable.state import State
from tests.laboratory import RawServer, http_answer
from tests.playbooks.victim_books import ABSENT, ask, book, call, chain, identifier, order, shipped, step, waiting
from tests.playbooks.victim_desk import Desk, Open, desk

LAB = b"MZ SPECTRA-LAB-MALICIOUS:Win32.Trojan.Shop/9 "
NOWHERE = "http://127.0.0.1:9"  # the discard port: nobody listens there


@pytest.fixture
def at(lab, tmp_path):
    lab.product.clock.run()  # as what waits here really waits
    with desk(lab, tmp_path) as made:
        yield made


def file(at: Desk, name: str = "invoice.exe") -> str:
    path = at.state.folder.parent / name
    path.write_bytes(LAB + name.encode())
    return str(path)


def states(told):
    return [(visit["name"], visit["state"]) for visit in told["visits"]]


def submitted(at: Desk) -> int:
    return sum(line.startswith(("POST /api/submit/", "POST /api/uploads/")) for line in at.lab.requests)


# --- done


def test_a_run_is_done_and_keeps_its_timeline_and_outputs(at):
    told = at.run(order(shipped("triage-attachment"), "one", {"file": file(at)}))
    assert told["state"] == "done"
    assert told["outputs"]["__verdict__"] == "malicious"
    assert "Win32.Trojan.Shop" in told["outputs"]["__case_note__"]
    assert submitted(at) == 1
    with at.runs() as runs:
        again = runs.timeline("one")
        assert again == told
        (listed,) = runs.listed()
    assert (listed["run"], listed["playbook"], listed["state"]) == ("one", "Triage an attachment", "done")


def test_the_same_run_id_is_run_once(at):
    given = order(chain(2), "once")

    async def twice(here: Open):
        first = await here.ran(given)
        before = len(at.lab.requests)
        second = await here.ran(given)
        return first, second, len(at.lab.requests) - before

    first, second, more = at.do(twice)
    assert (first, more) == (second, 0)


def test_a_run_left_to_workers_is_taken_from_the_queue_once(at):
    with open_runs(at.state, prepare=True) as runs:
        runs.enqueue(order(chain(2), "left"))
        runs.enqueue(order(chain(2), "left"))
        assert runs.timeline("left")["state"] == "queued"
    told = at.do(lambda here: here.until("left", "done"))
    assert states(told)[1:3] == [("get_tags", "done"), ("get_tags", "done")]
    assert len(at.lab.requests) == 2


def test_branches_of_a_parallel_step_are_all_kept(at):
    made = book(
        variables={"__one__": "", "__two__": ""},
        par_both={"type": "parallel", "next_steps": [step("a"), step("b")], "on_completion": step("end")},
        a=call("get_tags", takes={"__one__": "$.branch"}),
        b=call("get_tags", takes={"__two__": "$.branch"}),
    )
    told = at.run(order(made, "both"))
    assert told["state"] == "done"
    assert told["outputs"]["__one__"] == told["outputs"]["__two__"] != ""
    assert [visit["where"] for visit in told["visits"]] == ["1", "2", "2.1.1", "2.1.2", "2.2.1", "2.2.2", "3"]


def test_a_playbook_that_a_playbook_calls_is_part_of_its_run(at):
    inner = book("inner", {"__found__": ""}, a=call("get_tags", takes={"__found__": "$.branch"}))
    inner["playbook_variables"]["__found__"]["external"] = True
    outer = book(
        "outer",
        {"__found__": ""},
        other={
            "type": "playbook-action",
            "playbook_id": identifier("playbook", "inner"),
            "out_args": ["__found__"],
            "on_completion": step("end"),
        },
    )
    told = at.run(order(outer, "nested", others={inner["id"]: inner}))
    assert told["state"] == "done"
    assert told["outputs"]["__found__"]
    assert {visit["playbook"] for visit in told["visits"]} == {inner["id"], outer["id"]}


# --- failed and resumed


def test_a_run_whose_server_is_gone_fails_there_and_goes_on_from_there(at, monkeypatch):
    monkeypatch.setattr("connector.playbooks.calling.PAUSE_SECONDS", 0.01)
    given = order(chain(3), "gone")
    told = at.run(given, server=NOWHERE)
    assert told["state"] == "failed"
    assert re.match("the action server at http://127.0.0.1:9 cannot be reached", told["sentence"])
    assert told["failed_step"] == step("call_0")
    told = at.do(lambda here: here.resumed("gone"))
    assert told["state"] == "done"
    assert len(at.lab.requests) == 3


def test_what_was_done_before_the_failure_is_not_done_again(at):
    made = book(
        variables={"__x__": ""},
        first=call("get_tags", "second"),
        second=call("get_file_status", takes={"__x__": "$.branch"}, content={"hash_values": [ABSENT]}),
    )
    at.lab.tell("faults", faults=[{"match": {"method": "*", "path": "/api/samples/*"}, "nth": "every", "status": 400}])
    told = at.run(order(made, "second"))
    assert told["state"] == "failed"
    at.lab.http.delete("/_lab/faults")
    at.lab.faulty = False
    told = at.do(lambda here: here.resumed("second"))
    assert told["state"] == "done"
    assert sum("/api/tag/" in path for path in at.lab.paths) == 1


def test_an_answer_without_the_mapped_field_fails_the_run_and_is_asked_for_again(at):
    sha1 = at.lab.load(classification="malicious", riskscore=9, threat_name="Win32.Trojan.X")["sha1"]
    hidden = "f" * 40
    made = book(
        variables={"__x__": ""},
        first=call("get_tags", "second"),
        second=call("get_classification", takes={"__x__": "$.verdicts[0].threat_name"}, content={"hash_value": hidden}),
    )
    told = at.run(order(made, "field"))
    assert told["state"] == "failed"
    assert "$.verdicts[0].threat_name" in told["sentence"]
    at.lab.load(sha1=hidden, classification="malicious", riskscore=9, threat_name="Win32.Trojan.Y")
    told = at.do(lambda here: here.resumed("field"))
    assert (told["state"], told["outputs"]["__x__"]) == ("done", "Win32.Trojan.Y")
    assert sha1


def test_a_failed_branch_is_walked_again_from_where_it_failed_and_no_other_is(at):
    fails = book(
        variables={"__x__": ""},
        par_both={"type": "parallel", "next_steps": [step("good"), step("before")], "on_completion": step("end")},
        good=call("get_tags", content={"hash_value": "a" * 40}),
        before=call("get_tags", "bad", content={"hash_value": "b" * 40}),
        bad=call("get_classification", takes={"__x__": "$.verdicts[0].threat_name"}, content={"hash_value": "f" * 40}),
    )
    told = at.run(order(fails, "branch"))
    assert told["state"] == "failed"
    at.lab.load(sha1="f" * 40, classification="malicious", riskscore=9, threat_name="Win32.Trojan.Y")
    before = len(at.lab.paths)
    told = at.do(lambda here: here.resumed("branch"))
    assert (told["state"], told["outputs"]["__x__"]) == ("done", "Win32.Trojan.Y")
    assert not any("/api/tag/" in path for path in at.lab.paths[before:])


def test_a_loop_whose_time_was_over_gets_new_time_when_it_is_resumed(at):
    look = call("get_classification", takes={"__x__": "$.branch"}, content={"hash_value": "f" * 40}, delay=60)
    loop = {"type": "while-condition", "condition": "__x__:value = 'not_found'", "on_true": step("look")}
    made = book(
        variables={"__x__": "not_found"},
        while_1=loop | {"timeout": 400, "on_completion": step("last")},
        look=look,
        last=call("get_tags"),
    )
    told = at.run(order(made, "loop"))
    assert told["state"] == "failed"
    assert told["sentence"] == "ACTION_TIMEOUT: the time of 'while-condition' is over"
    at.lab.load(sha1="f" * 40, classification="malicious", riskscore=9, threat_name="Win32.Trojan.Y")
    told = at.do(lambda here: here.resumed("loop"))
    assert (told["state"], told["outputs"]["__x__"]) == ("done", "malicious"), told["sentence"]


def test_a_run_that_broke_off_by_a_defect_says_so_and_goes_on_when_it_is_mended(at, monkeypatch):
    send = engines._send

    async def defective(question, elsewhere):
        if question.key == "3:1":
            raise RuntimeError("a defect")
        return await send(question, elsewhere)

    monkeypatch.setattr(engines, "_send", defective)
    told = at.run(order(chain(3), "defect"))
    assert (told["state"], told["sentence"]) == ("failed", "the run broke off: a defect")
    monkeypatch.undo()
    assert at.do(lambda here: here.resumed("defect"))["state"] == "done"
    assert len(at.lab.requests) == 3


def test_a_submission_of_a_failed_run_is_not_sent_again_from_another_place(at):
    """Its answer was lost where it was first begun, so it is in doubt at any other server, and looked for."""
    made = book(
        variables={"__x__": "", "__file__": ""},
        send=call("submit_file", takes={"__x__": "$.nothing"}, content={"file": "__file__:value"}),
    )
    made["playbook_variables"]["__file__"] |= {"external": True, "value": file(at)}
    assert at.run(order(made, "moved"))["state"] == "failed"
    assert submitted(at) == 1
    folder = at.state.folder.parent
    with desk(at.lab, folder, state=str(folder / "another")) as other:
        told = other.do(lambda here: here.resumed("moved"))
    assert told["state"] == "failed"
    assert submitted(at) == 1


def test_a_run_that_is_done_or_under_way_is_not_resumed(at):
    async def tried(here: Open):
        await here.ran(order(chain(1), "done"))
        with pytest.raises(InputRefused, match="cannot be resumed: it is done"):
            await asyncio.to_thread(here.runs.resume, "done", RUNS)
        await here.engine.start(order(waiting(60_000), "waits"))
        await here.until("waits", "waiting")
        with pytest.raises(InputRefused, match="cannot be resumed: it is waiting"):
            await asyncio.to_thread(here.runs.resume, "waits", RUNS)

    at.do(tried)


# --- cancelled, interrupted


def test_a_cancelled_run_stops_and_can_be_resumed(at):
    async def stopped(here: Open):
        await here.engine.start(
            order(book(first=call("get_tags", "gate"), gate=ask("Go on?", "last"), last=call("get_tags")), "c")
        )
        await here.until("c", "waiting")
        await asyncio.to_thread(here.runs.cancel, "c")
        told = await here.until("c", "cancelled")
        assert told["waiting"] is None
        with pytest.raises(InputRefused, match="waits for nobody: it is cancelled"):
            await asyncio.to_thread(here.runs.decide, "c", "Go on?", "approved", "me", "")
        async with here.engine.private_queue() as queue:
            await asyncio.to_thread(here.runs.resume, "c", queue)
            await here.until("c", "waiting")
            await asyncio.to_thread(here.runs.decide, "c", "Go on?", "approved", "me", "")
            return await here.until("c", "done")

    told = at.do(stopped)
    assert len(at.lab.requests) == 2
    assert told["visits"][2]["decided_by"] == "approved by me"


def test_a_run_whose_process_ended_is_interrupted_and_goes_on_where_it_was(at):
    given = order(book(first=call("get_tags", "gate"), gate=ask("Go on?", "last"), last=call("get_tags")), "broken")

    async def left(here: Open):
        await here.engine.start(given)
        await here.until("broken", "waiting")

    at.do(left)
    with at.runs() as runs:
        assert runs.timeline("broken")["state"] == "interrupted"
        assert runs.timeline("broken")["waiting"]["name"] == "Go on?"
        runs.decide("broken", "Go on?", "approved", "me", "")  # kept until somebody runs it
    told = at.do(lambda here: here.resumed("broken"))
    assert told["state"] == "done"
    assert len(at.lab.requests) == 2


def test_what_dead_processes_left_is_taken_over_by_a_worker(at):
    made = book(
        par_both={"type": "parallel", "next_steps": [step("a"), step("b")], "on_completion": step("end")},
        a=call("get_tags", delay=1500),
        b=call("get_tags", delay=1500),
    )

    async def left(here: Open):
        await here.engine.start(order(made, "orphan"))
        await here.until("orphan", "waiting")
        await asyncio.sleep(0.3)

    async def taken(here: Open):
        found = await asyncio.to_thread(here.runs.take_over)
        return sorted(found), await here.until("orphan", "done")

    at.do(left)
    found, told = at.do(taken, queues=("runs", "branches"))
    assert found == ["orphan", "orphan~2.1.", "orphan~2.2."]
    assert told["state"] == "done"
    assert len(at.lab.requests) == 2


def test_a_run_that_was_resumed_by_a_process_that_died_at_once_is_not_stuck_in_its_queue(at):
    async def left(here: Open):
        await here.engine.start(order(waiting(60_000), "stuck"))
        await here.until("stuck", "waiting")
        await asyncio.to_thread(here.runs.cancel, "stuck")
        name = f"here {here.engine.life.name}"  # as private_queue has it; nobody takes from it
        await asyncio.to_thread(here.runs.resume, "stuck", name)

    at.do(left)
    with at.runs() as runs:
        assert runs.timeline("stuck")["state"] == "interrupted"
    told = at.do(lambda here: here.resumed("stuck", "waiting"))
    assert told["state"] == "waiting"


def test_an_engine_that_ends_begins_no_call_and_fails_no_run_and_says_nothing(at, monkeypatch, capfd):
    end = DBOS.destroy
    monkeypatch.setattr(DBOS, "destroy", lambda: (time.sleep(0.3), end()))  # as slow as a database may be

    async def left(here: Open):
        await here.engine.start(order(chain(200), "long"))
        while len(at.lab.requests) < 3:
            await asyncio.sleep(0.01)

    at.do(left)
    assert capfd.readouterr() == ("", "")
    monkeypatch.undo()
    with at.runs() as runs:
        told = runs.timeline("long")
    assert told["state"] == "interrupted", told["sentence"]
    told = at.do(lambda here: here.resumed("long"))
    assert told["state"] == "done"
    assert 200 <= len(at.lab.requests) <= 201  # one may have been under way


# --- people


@pytest.mark.parametrize(("decision", "state", "count"), [("approved", "done", 1), ("rejected", "failed", 0)])
def test_a_person_decides(at, decision, state, count):
    async def decided(here: Open):
        await here.engine.start(order(book(gate=ask("Delete it?", "last"), last=call("get_tags")), "ask"))
        told = await here.until("ask", "waiting")
        assert (told["waiting"]["kind"], told["waiting"]["text"]) == ("approval", "Delete it?")
        with pytest.raises(InputRefused, match="must be the step that waits: 'Delete it\\?'"):
            await asyncio.to_thread(here.runs.decide, "ask", "Another", decision, "me", "")
        before = await asyncio.to_thread(here.runs.decide, "ask", "Delete it?", decision, "me", "as agreed")
        assert before["waiting"]["step"] == step("gate")
        return await here.until("ask", "done", "failed")

    told = at.do(decided)
    assert told["state"] == state
    assert told["visits"][1]["decided_by"] == f"{decision} by me"
    assert len(at.lab.requests) == count
    assert state == "done" or "as agreed" in told["sentence"]


def test_a_person_decides_within_a_branch(at):
    made = book(
        par_both={"type": "parallel", "next_steps": [step("a"), step("gate")], "on_completion": step("end")},
        a=call("get_tags"),
        gate=ask("And this branch?", "b"),
        b=call("get_tags"),
    )

    async def decided(here: Open):
        await here.engine.start(order(made, "within"))
        while (told := await here.told("within"))["waiting"] is None or told["waiting"]["kind"] != "approval":
            await asyncio.sleep(0.05)
        assert ("And this branch?", "waiting") in states(told)
        for _ in range(50):
            with suppress(InputRefused):  # it only begins
                await asyncio.to_thread(here.runs.decide, "within", "And this branch?", "approved", "me", "")
                break
            await asyncio.sleep(0.1)
        return await here.until("within", "done", "failed")

    told = at.do(decided)
    assert told["state"] == "done"
    assert len(at.lab.requests) == 2


def test_nobody_answers_in_time(at):
    gate = ask("Quick?", timeout=200, on_success=step("last"), on_failure=step("end"))
    told = at.run(order(book(gate=gate, last=call("get_tags")), "late"))
    assert told["state"] == "done"
    assert told["visits"][1]["sentence"].startswith("ACTION_TIMEOUT")
    assert at.lab.requests == []


def test_a_call_that_takes_too_long_fails_its_step(at):
    given = order(book(slow=call("get_tags", timeout=1)), "slow")
    told = at.run(given)
    assert told["state"] == "failed"
    assert told["sentence"].startswith("ACTION_TIMEOUT")


# --- limits


def start_times(at: Desk) -> list[int]:
    with closing(sqlite3.connect(at.state.file)) as database:
        rows = database.execute("SELECT started_at_epoch_ms FROM workflow_status WHERE name = 'spectra.permit'")
        return sorted(started for (started,) in rows)


def test_calls_keep_to_the_rate_of_all_together(at):
    async def many(here: Open):
        for number in range(4):
            await here.engine.start(order(chain(3), f"r{number}"))
        for number in range(4):
            await here.until(f"r{number}", "done")

    at.do(many, limits=Limits(calls=4, seconds=1.0))
    times = start_times(at)
    assert len(times) == 12
    assert all(later - first >= 1000 for first, later in zip(times, times[4:], strict=False)), times


def test_a_run_begun_without_a_rate_goes_on_with_one(at):
    async def left(here: Open):
        await here.engine.start(
            order(book(a=call("get_tags", "gate"), gate=ask("On?", "b"), b=call("get_tags")), "mixed")
        )
        await here.until("mixed", "waiting")

    at.do(left)
    with at.runs() as runs:
        runs.decide("mixed", "On?", "approved", "me", "")
    told = at.do(lambda here: here.resumed("mixed"), limits=Limits(calls=50, seconds=1.0))
    assert told["state"] == "done", told["sentence"]
    assert len(start_times(at)) == 1


def test_a_rate_holds_for_a_process_that_was_told_none(at):
    at.run(order(chain(1), "first"), limits=Limits(calls=50, seconds=1.0))
    at.run(order(chain(2), "second"))
    assert len(start_times(at)) == 3


def test_a_limit_that_is_lifted_holds_no_more(at):
    at.run(order(chain(1), "first"), limits=Limits(calls=50, seconds=1.0, runs=2))
    at.run(order(chain(2), "second"), limits=Limits(calls=0, runs=0))
    assert len(start_times(at)) == 1


def test_a_run_that_is_cancelled_while_it_waits_for_its_turn_calls_nothing(at):
    async def stopped(here: Open):
        await here.engine.start(order(chain(3), "turn"))
        while len(at.lab.requests) < 1:
            await asyncio.sleep(0.02)
        await asyncio.to_thread(here.runs.cancel, "turn")
        await asyncio.sleep(2.0)
        return len(at.lab.requests)

    assert at.do(stopped, limits=Limits(calls=1, seconds=1.0)) == 1


def test_so_many_runs_are_under_way_at_once(at):
    with open_runs(at.state, prepare=True) as runs:
        for number in range(6):
            runs.enqueue(order(waiting(300), f"w{number}"))

    async def watched(here: Open):
        most = 0
        while True:
            listed = await asyncio.to_thread(here.runs.listed)
            most = max(most, sum(run["state"] == "running" for run in listed))
            if all(run["state"] == "done" for run in listed):
                return most

    assert at.do(watched, limits=Limits(runs=2)) == 2


# --- what is kept


def test_no_pickle_and_no_secret_is_kept(at):
    secret = SecretStr("canary-of-another-target")
    made = shipped("triage-attachment")
    made["playbook_variables"]["__api_key__"]["value"] = ""
    at.run(order(made, "kept", {"file": file(at)}), secrets={"__other__": secret})
    found = at.bytes()
    assert b"Triage an attachment" in found
    for word in (at.api_key.get_secret_value(), at.lab.token, "canary-of-another-target"):
        assert word.encode() not in found
    with closing(sqlite3.connect(at.state.file)) as database:
        kinds = database.execute("SELECT DISTINCT serialization FROM workflow_status").fetchall()
        kinds += database.execute("SELECT DISTINCT serialization FROM operation_outputs").fetchall()
    assert {kind for (kind,) in kinds} <= {"portable_json", None}


def test_an_answer_that_cannot_be_kept_is_no_answer(at):
    """Half of a surrogate pair, which JSON can spell and no database can hold."""
    with RawServer(http_answer(b'{"name": "\\ud83d"}')) as other:
        made = book(variables={"__x__": ""}, a=call("get_tags", takes={"__x__": "$.name"}))
        made["target_definitions"][identifier("http-api", "other")] = {
            "type": "http-api",
            "name": "other",
            "address": {"url": [other.url]},
        }
        made["workflow"][step("a")]["targets"] = [identifier("http-api", "other")]
        told = at.run(order(made, "half"))
    assert told["state"] == "failed"
    assert told["sentence"] == "the answer (HTTP 200) is neither JSON nor text"


# --- refusals


def test_a_run_that_is_not_there_is_said_to_be_so(at):
    at.run(order(chain(1), "there"))
    with at.runs() as runs, pytest.raises(InputRefused, match="there is no run of this id"):
        runs.timeline("not-there")


def test_a_state_where_nothing_was_run_is_said_to_be_so(tmp_path):
    with pytest.raises(StateError, match="nothing was ever run"), open_runs(State.of(str(tmp_path / "none"))):
        pass


def test_a_file_that_is_no_database_is_said_to_be_so(tmp_path):
    folder = tmp_path / "broken"
    folder.mkdir(0o700)
    (folder / "playbooks.sqlite").write_bytes(b"this is not a database, but long enough to be read as one" * 20)
    (folder / "playbooks.sqlite").chmod(0o600)
    with pytest.raises(StateError), open_runs(State.of(str(folder))) as runs:
        runs.listed()
