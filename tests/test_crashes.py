"""Whatever dies, and whenever: nothing that was submitted or deleted is lost, and nothing is done twice."""

import signal
from dataclasses import replace

import pytest

from tests.prove import crashes
from tests.prove.crashes import SMALL, Figures, Stage, Strike, stages, work
from tests.prove.victim import STRACE, Ended

pytestmark = pytest.mark.slow
needs_strace = pytest.mark.skipif(STRACE is None, reason="strace, which stops a process at a system call, is not here")


@pytest.fixture(scope="module")
def scenes():
    with stages() as on:
        yield [stage.scene for stage in on]


@pytest.fixture
def on(scenes):
    """Stages that have found nothing yet."""
    return [Stage(scene) for scene in scenes]


def clean(found):
    return (found.problems, found.lost, found.twice) == ([], 0, 0)


def sample(jobs, number):
    """So many of the jobs, from all over the list."""
    return jobs[:: max(1, len(jobs) // number)]


@needs_strace
def test_a_kill_at_a_system_call_loses_nothing_and_repeats_nothing(on):
    found = work(on, crashes.strike, sample(crashes.kills(on[0].scene, 3), 40))
    assert clean(found), found.problems
    assert found.points > 25


@needs_strace
def test_a_disk_that_fails_at_a_write_or_flush_loses_nothing_and_repeats_nothing(on):
    found = work(on, crashes.strike, sample(crashes.disk_errors(on[0].scene), 30))
    assert clean(found), found.problems
    assert found.points > 20


@needs_strace
def test_a_kill_while_a_doubt_is_ended_never_makes_the_operation_one_that_may_be_sent(on):
    """It was found done on the appliance: whatever the journal writes of that, no state in between says "refused"."""
    planned = [
        Strike(kind, "fdatasync", number, "signal=KILL", after=signal.SIGINT)
        for kind in ("file", "deletion")
        for number in range(1, 7)
    ]
    found = work(on, crashes.strike, planned)
    assert clean(found), found.problems
    assert found.at["unknown"] > 0
    assert found.at["refused"] == 0


@needs_strace
@pytest.mark.parametrize("kind", SMALL)
def test_a_disk_that_takes_nothing_from_the_first_byte_on_lets_nothing_out(on, kind):
    scene = on[0].scene
    case = scene.new(kind)
    ended = scene.run(case, *Strike(kind, "pwrite64", 1, "error=ENOSPC", ever=True).options())
    assert ended.code == "state"
    assert ended.told["error"]["outcome"] == "not_sent"
    assert scene.ledger(case).times == 0


def test_a_kill_9_at_a_random_moment_loses_nothing_and_repeats_nothing(on):
    found = work(on, crashes.kill_at_random, crashes.dooms_of(on[0].scene, 8, "8", load=2))
    assert clean(found), found.problems
    assert found.points == 8


def test_a_sigterm_ends_every_process_of_one_journal_soon_and_loses_nothing(on):
    dooms = crashes.dooms_of(on[0].scene, 8, "8", load=4)
    found = work(on, crashes.end_politely, crashes.in_turns(dooms))
    assert clean(found), found.problems
    assert found.slowest_end < crashes.POLITE_SECONDS


def test_an_operation_that_the_appliance_took_twice_is_counted_as_such(on):
    """The harness itself: a second id for the same file is a second submission, and that is what it must notice."""
    stage = on[0]
    case = stage.scene.new("file")
    ended = stage.scene.run(case)
    stage.scene.run(replace(case, name=f"{case.name}-again"))
    stage.judge(case, ended, "on purpose")
    assert stage.figures.twice == 1
    assert stage.figures.problems


def test_an_operation_that_the_appliance_never_had_is_counted_as_lost(on):
    stage = on[0]
    case = stage.scene.new("url")
    ended = stage.scene.run(case)
    stage.scene.clear()
    stage.judge(case, ended, "on purpose")
    assert stage.figures.lost == 1


def test_figures_add_up_and_keep_the_slowest_end():
    found = Figures(points=1, slowest_end=2.0, problems=["one"])
    found.add(Figures(points=2, slowest_end=1.0, problems=["two"]))
    assert (found.points, found.slowest_end, found.problems) == (3, 2.0, ["one", "two"])


def test_a_run_that_was_sent_and_says_otherwise_is_told_apart():
    told = {"error": {"outcome": "not_sent", "code": "state"}}
    wrong = list(crashes._told_wrongly(Ended(2, told), Ended(0, {}), None, crashes.Ledger(1)))
    assert len(wrong) == 2
