"""Random sequences of calls, the short form: what becomes public, what is deleted, and what is done twice."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.laboratory import Lab
from tests.prove import sequences


def test_in_random_sequences_nothing_becomes_public_or_goes_that_was_not_allowed():
    line, problems = sequences.measured(150, seed=11)

    assert problems == []
    assert line["public_submissions"] == line["public_with_both_opt_ins"] > 0, "or nothing was tested"
    assert line["deletes"] > 0, "or nothing was tested"
    assert line["replays"] > 0, "or nothing was tested"
    assert line["lost_answers"] > 0, "or nothing was tested"


@settings(max_examples=40)
@given(steps=st.lists(st.sampled_from(sequences.STEPS), min_size=1, max_size=20), rng=st.randoms())
def test_no_sequence_that_is_made_ever_shorter_does_so_either(lab: Lab, tmp_path_factory, steps, rng):
    """The same by Hypothesis, which would tell the shortest one that it finds."""
    assert sequences.played(lab, str(tmp_path_factory.mktemp("state")), rng, steps).problems == []
