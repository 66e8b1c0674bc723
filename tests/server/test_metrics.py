"""What the server counts, as Prometheus reads it."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from connector.server.keys import Keys, generated
from connector.server.options import Options
from connector.server.run import is_loopback, serving
from tests.laboratory import Lab
from tests.server.served import client, problem, settings_of, started


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample by its name and labels, without those of a library's own times."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def test_requests_are_counted_by_action_and_status(lab: Lab):
    with started(settings_of(lab)) as server:
        server.run("test_connection")
        server.run("test_connection")
        server.run("get_classification", {})
        server.run("get_classification-with-a-name-that-nobody-knows")
        server.http.get("/nothing?token=canary")

        answer = server.http.get("/metrics")
        found = samples(answer.text)

    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"

    def count(action, status):
        return found[("spectra_requests_total", (("action", action), ("status", status)))]

    assert count("test_connection", "200") == 2
    assert count("get_classification", "422") == 1
    assert count("unknown_action", "404") == 1
    assert count("no_route", "404") == 1
    assert found[("spectra_request_duration_seconds_count", (("action", "test_connection"),))] == 2
    assert found[("spectra_requests_in_flight", ())] == 1
    assert "canary" not in answer.text
    assert "nobody-knows" not in answer.text


def test_failures_of_the_appliance_are_counted_and_refusals_of_input_are_not(lab: Lab):
    lab.fault("/api/samples/status/", "POST", status=403)
    with started(settings_of(lab)) as server:
        server.run("test_connection")
        server.run("get_classification", {})
        found = samples(server.http.get("/metrics").text)

    errors = {labels: value for (name, labels), value in found.items() if name == "spectra_appliance_errors_total"}
    assert errors == {(("code", "auth"),): 1.0}


def test_two_servers_count_apart(lab: Lab):
    with started(settings_of(lab)) as one, started(settings_of(lab)) as other:
        one.run("test_connection")

        assert "test_connection" not in other.http.get("/metrics").text


def test_where_others_reach_the_server_a_key_is_needed(lab: Lab):
    plain, key = generated(["approve"])
    with serving(settings_of(lab), keys=Keys((key,)), options=Options(open_metrics=False)) as running:
        with client(running.url) as http:
            problem(http.get("/metrics"), 401, "no_key")
        with client(running.url, plain) as http:
            assert http.get("/metrics").status_code == 200


@pytest.mark.parametrize(
    ("host", "found"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False),
     ("appliance.example.com", False), ("192.0.2.1", False), ("", False)],
)  # fmt: skip
def test_loopback_is_told_from_the_rest(host, found):
    assert is_loopback(host) is found
