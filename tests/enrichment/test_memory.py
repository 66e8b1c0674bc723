"""The hot map: bounded, and what is asked for stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.enrichment.memory import Recent
from connector.enrichment.values import Found


def test_what_was_put_is_there_and_the_last_value_counts():
    recent = Recent()
    recent.put(Found("file.hash.sha256", "ab"), 1)
    recent.put(Found("file.hash.sha256", "ab"), 2)

    assert recent.get(("file.hash.sha256", "ab")) == 2
    assert recent.get(Found("file.hash.sha256", "cd")) is None


def test_what_is_asked_for_outlives_what_is_not():
    recent = Recent(10)
    recent.put("hot", 0)
    for number in range(100):
        recent.put(number, number)
        assert recent.get("hot") == 0

    assert recent.get(5) is None


def test_a_million_keys_take_no_more_room_than_two_generations():
    recent = Recent(100)
    for number in range(10_000):
        recent.put(number, number)
        assert len(recent.young) <= 100
        assert len(recent.old) <= 100

    assert len(recent) <= 200


def test_the_young_generation_may_be_held_on_to():
    recent = Recent(3)
    look = recent.young.get
    for number in range(20):
        recent.put(number, number)
        assert look(number) == number


def test_room_for_nothing_is_refused():
    with pytest.raises(ValueError, match="room"):
        Recent(0)


@given(st.integers(1, 6), st.lists(st.tuples(st.booleans(), st.integers(0, 12)), max_size=120))
def test_it_never_gives_a_value_that_is_not_the_last_one_put(most, moves):
    recent, last = Recent(most), {}
    for turn, (puts, key) in enumerate(moves):
        if puts:
            recent.put(key, turn)
            last[key] = turn
            assert recent.get(key) == turn
        else:
            assert recent.get(key) in (None, last.get(key))
        assert len(recent) <= 2 * most


@given(st.integers(2, 6), st.lists(st.integers(0, 12), max_size=60))
def test_the_last_keys_met_are_always_there(most, keys):
    recent = Recent(most)
    for at, key in enumerate(keys):
        if recent.get(key) is None:
            recent.put(key, key)
        lately = list(dict.fromkeys(reversed(keys[: at + 1])))[:most]
        assert all(near in recent.young or near in recent.old for near in lately)
