"""A run whose process is killed, wherever that is, is done by another one, and nothing is submitted or deleted twice."""

from dataclasses import replace

import pytest

from tests.playbooks.victim_kills import Death, Figures, every, stages, work

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def on():
    with stages() as made:
        yield made


def clean(found):
    return (found.problems, found.lost, found.twice, found.short) == ([], 0, 0, 0)


def test_a_kill_at_any_point_of_a_triage_leaves_one_submission_and_a_run_that_is_done(on):
    found = work(on, every(on, ["triage-attachment"]))
    assert clean(found), found.problems
    assert found.points > 30


@pytest.mark.parametrize(("kind", "changes"), [("detonate-url", "submission"), ("hunt-and-clean", "deletion")])
def test_a_kill_at_points_of_other_playbooks_leaves_one_change_and_a_run_that_is_done(on, kind, changes):
    found = work(on, every(on, [kind], step=4))
    assert clean(found), (changes, found.problems)
    assert found.points >= 7


def test_a_kill_of_the_one_that_took_over_changes_nothing(on):
    """Both die between the answer to the submission and its being kept."""
    at = on[0].undisturbed("triage-attachment").points.index("reply 5:1") + 1
    found = work(on, [Death("triage-attachment", (at, 2)), Death("triage-attachment", (at - 1, 2, 2))])
    assert clean(found), found.problems


def test_a_run_that_submitted_twice_or_not_at_all_is_counted_as_such(on):
    """The harness itself: a second run of the same URL is a second submission, and that is what it must notice."""
    stage, kind = on[0], "detonate-url"
    stage.undisturbed(kind)
    job = stage.job(kind)
    stage.victims.run(job)
    ended = stage.victims.run(replace(job, run="again", order=job.order | {"run": "again"}))
    found = Figures()
    assert "the appliance was changed 2 times" in list(stage.wrong(kind, ended, found))
    stage.appliance.product.ledger.clear()
    assert "the appliance was changed 0 times" in list(stage.wrong(kind, ended, found))
    assert next(stage.wrong(kind, None, found)).startswith("it is not done")
    assert (found.twice, found.lost) == (1, 2)


def test_a_timeline_in_which_something_is_missing_is_counted_as_such(on):
    stage, kind = on[0], "detonate-url"
    ended = stage.undisturbed(kind)
    found = Figures()
    short = replace(ended, told=ended.told | {"visits": ended.told["visits"][:-1]})
    assert list(stage.wrong(kind, short, found)) == ["its timeline is not whole"]
    assert found.short == 1
