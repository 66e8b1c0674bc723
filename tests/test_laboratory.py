"""The laboratory itself: a test that tests nothing is found out."""

import pytest


def test_a_planned_fault_that_did_not_fire_fails_its_test(appliances):
    lab = appliances("9.6").as_new()
    lab.fault("/api/samples/status/", status=500, body={})
    lab.fault("/api/nowhere/", status=500, body={})

    with pytest.raises(AssertionError, match="did not fire"):
        lab.require_fired()


def test_a_fault_that_fired_passes(appliances):
    lab = appliances("9.6").as_new()
    lab.fault("/api/samples/status/", nth=1, status=404, body={})
    lab.http.post("/api/samples/status/")

    lab.require_fired()
