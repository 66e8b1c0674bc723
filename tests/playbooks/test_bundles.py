"""The STIX of a whole run as one bundle."""

import random

import pytest

from connector.playbooks.bundles import merged_stix


def visit(*objects):
    return {"stix": {"type": "bundle", "id": "bundle--x", "objects": list(objects)}}


def thing(name: str, modified: str | None = None, **more):
    return {"type": "indicator", "id": f"indicator--{name}", **({"modified": modified} if modified else {}), **more}


def test_without_stix_there_is_no_bundle():
    assert merged_stix([]) is None
    assert merged_stix([{"stix": None}, {}, visit()]) is None


def test_each_object_is_there_once_in_its_newest_version():
    old, new = thing("a", "2026-01-01T00:00:00.000Z", n=1), thing("a", "2026-01-02T00:00:00.000Z", n=2)
    for order in ([old, new], [new, old]):
        made = merged_stix(visit(one) for one in order)
        assert made is not None
        assert made["objects"] == [new]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5Z"),
        ("2026-01-01T00:00:00.05Z", "2026-01-01T00:00:00.5Z"),
        ("2026-01-01T00:00:00.999Z", "2026-01-01T00:00:01Z"),
    ],
)
def test_fractions_of_seconds_may_be_of_any_length(earlier, later):
    made = merged_stix([visit(thing("a", later, n=2)), visit(thing("a", earlier, n=1))])
    assert made is not None
    assert made["objects"][0]["n"] == 2


def test_of_two_of_the_same_time_the_later_visit_counts():
    made = merged_stix([visit(thing("a", n=1), thing("b")), visit(thing("a", n=2))])
    assert made is not None
    assert [one.get("n") for one in made["objects"]] == [2, None]


def test_the_same_run_gives_the_same_bundle_and_another_one_another():
    visits = [visit(thing("a"), thing("b")), visit(thing("c"))]
    one = merged_stix(visits)
    assert one == merged_stix(visits)
    assert one is not None
    assert one["id"].startswith("bundle--")
    assert one["id"] != merged_stix(visits[:1])["id"]


def test_the_order_of_an_object_s_own_fields_does_not_matter():
    fields = list(thing("a", "2026-01-01T00:00:00Z", n=1, m=2).items())
    random.Random(7).shuffle(fields)
    assert (
        merged_stix([visit(dict(fields))])["id"]
        == merged_stix([visit(thing("a", "2026-01-01T00:00:00Z", n=1, m=2))])["id"]
    )


@pytest.mark.parametrize("odd", [None, 5, "x", [], [5], {}, {"objects": None}, {"objects": [None, 5, {}, {"id": 5}]}])
def test_what_is_no_stix_is_left_out(odd):
    assert merged_stix([{"stix": odd}]) is None
    kept = merged_stix([{"stix": odd}, visit(thing("a"))])
    assert kept is not None
    assert kept["objects"] == [thing("a")]


def test_an_odd_time_breaks_nothing():
    assert merged_stix([visit(thing("a")), visit({**thing("a"), "modified": 5})]) is not None
