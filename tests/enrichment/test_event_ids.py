"""Event ids: a function of where an event comes from, and of nothing else."""

import uuid

from connector.enrichment.ids import NAMESPACE, event_id, line_ids
from connector.enrichment.values import Batch


def batch(ids=None, first=0, origin="redis:events", events=3):
    return Batch([b"{}"] * events, None, origin, first=first, ids=ids)


def test_an_event_id_is_the_uuid5_of_the_standard_library():
    made = event_id(batch(["7-0", "7-1", "7-2"]), 1)
    assert made == str(uuid.uuid5(uuid.UUID(bytes=NAMESPACE), "redis:events\n7-1"))


def test_an_event_has_the_same_id_in_whatever_batch_it_comes():
    assert event_id(batch(first=0), 2) == event_id(batch(first=2), 0)
    assert event_id(batch(["1-0", "2-0", "3-0"]), 1) == event_id(batch(["2-0"], events=1), 0)


def test_events_of_two_origins_never_share_an_id():
    assert event_id(batch(origin="file:a"), 0) != event_id(batch(origin="file:b"), 0)


def test_the_lines_of_one_event_are_told_apart_and_the_first_has_the_event_s_own_id():
    whole = batch()
    own = [event_id(whole, n) for n in range(3)]
    assert line_ids(whole, [0, 1, 1, 1, 2]) == [own[0], own[1], f"{own[1]}:1", f"{own[1]}:2", own[2]]
    assert line_ids(whole, []) == []
