"""Random sequences of calls, the short form: what becomes public, what is deleted, and what is done twice."""

from tests.prove import sequences


def test_in_random_sequences_nothing_becomes_public_or_goes_that_was_not_allowed():
    line, problems = sequences.measured(150, seed=11)

    assert problems == []
    assert line["public_submissions"] > 0, "or nothing was tested"
    assert line["deletes"] > 0, "or nothing was tested"
    assert line["replays"] > 0, "or nothing was tested"
