"""What an error says: what happened, what it did, and what to do; short, on one line, and nothing of the exchange."""

import inspect
import re

import pytest

from connector import SpectraError, errors
from connector.cli.failure import exit_code
from connector.errors import InputRefused, OutcomeUnknown, Violation
from tests.secrecy.canaries import BODY, HEADER, Search
from tests.secrecy.running import LANES, play
from tests.secrecy.scenes import SCENES

CLASSES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, SpectraError)]
LONGEST = 500
# Words that begin what a reader can do: an error without a hint says it in its message.
NEXT_STEPS = re.compile(r"\b(set|name|ask|give|check|wait|use|copy|run|submit|look|try|call|correct)\b")
OUTCOMES = {"not_sent", "rejected", "applied", "unknown"}


def raised_in_scenes(world) -> dict[tuple[str, str], SpectraError]:
    """Every error that the scenes raise, once for each class and scene."""
    found = {}
    for number, scene in enumerate(SCENES):
        if scene.slow and number % 4:
            continue
        for action in ("submit_file", "submit_url", "get_classification", "bulk_delete", "add_tags"):
            ended = play(world, scene, action, LANES[number % 2], Search({}))
            if isinstance(ended, SpectraError):
                found[scene.name, action] = ended
    return found


@pytest.fixture(scope="module")
def raised(world):
    return raised_in_scenes(world)


@pytest.mark.parametrize("kind", CLASSES)
def test_every_class_says_what_is_needed(kind):
    error = kind("something happened")
    told = error.as_dict()

    assert told["code"] == kind.code
    assert told["outcome"] in OUTCOMES
    assert isinstance(told["retryable"], bool)
    assert exit_code(error) in {1, 2, 3, 4, 5}
    assert kind.hint is None or 10 < len(kind.hint) <= LONGEST
    assert kind.__doc__ or kind.__name__ in (errors.__doc__ or "") or kind is SpectraError


def test_codes_are_one_of_a_kind():
    codes = [kind.code for kind in CLASSES]

    assert len(codes) == len(set(codes))


def test_the_scenes_reach_most_classes(raised):
    reached = {type(error) for error in raised.values()}

    assert len(raised) > 150
    assert {errors.TlsError, errors.AuthError, errors.ServerError, OutcomeUnknown, errors.StateError} <= reached
    assert len(reached) >= 16


def test_each_error_is_short_and_one_line(raised):
    for place, error in raised.items():
        for text in (error.message, error.hint or ""):
            assert len(text) <= LONGEST, place
            assert text.isprintable(), place


def test_each_error_has_a_next_step(raised):
    """By its hint or in its sentence."""
    silent = {
        f"{place}: {type(error).__name__}: {error.message}"
        for place, error in raised.items()
        if not error.hint and not NEXT_STEPS.search(error.message)
    }

    assert silent == set()


def test_each_error_says_what_it_did(raised):
    assert {error.outcome for error in raised.values()} <= OUTCOMES
    for place, error in raised.items():
        if error.outcome == "unknown":
            assert "may have been done" in error.message, place


def test_no_error_holds_a_body_a_header_or_a_query(raised):
    for place, error in raised.items():
        told = f"{error.as_dict()} {error!r}"

        assert not any(mark in told for mark in (BODY, HEADER, "<!doctype", "b=c", "Token ", "Traceback")), place


def test_many_violations_stay_short():
    """A refusal names each thing; a long list of them is the caller's own, in ``violations``."""
    few = InputRefused.of([Violation(f"/field_{n}", "must be a string") for n in range(8)])

    assert len(few.message) <= LONGEST
    assert few.as_dict()["violations"][7] == {"pointer": "/field_7", "message": "must be a string"}
