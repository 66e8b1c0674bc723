"""A scrape gives what the counts say, in the Prometheus text format, over HTTP on this machine."""

import socket
import threading
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from connector.enrichment.counts import Counts
from connector.enrichment.measures import serve
from connector.errors import ConfigError
from tests.enrichment import runs
from tests.enrichment.runs import Clock, batch


def scraped(port: int) -> dict[tuple, float]:
    """Every sample by its name and the values of its labels."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    families = text_string_to_metric_families(text)
    return {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}


def test_a_scrape_says_what_was_counted():
    with serve("127.0.0.1", 0, runs.busy()) as port:
        found = scraped(port)

    assert found["spectra_enrich_events_total", "enriched"] == 1_053_120
    assert found["spectra_enrich_events_total", "passed_without_subject"] == 153_600
    assert found["spectra_enrich_events_total", "dead"] == 3
    assert found["spectra_enrich_dead_letters_total", "not_json"] == 2
    assert found["spectra_enrich_cache_hits_total", "cache"] == 1488
    assert found["spectra_enrich_look_ups_total", "malicious"] == 338
    assert found["spectra_enrich_verdicts_total", "malicious"] == 14_880
    assert found["spectra_enrich_quota_left",] == 3760
    assert found["spectra_enrich_waits_total",] == 1


def test_the_outcomes_of_events_add_up_to_all_that_were_read():
    counts = runs.busy()
    with serve("", 0, counts) as port:
        found = scraped(port)

    assert sum(value for name, value in found.items() if name[0] == "spectra_enrich_events_total") == counts.read


def test_look_ups_are_a_histogram_that_counts_them_all():
    counts = runs.busy()
    with serve("127.0.0.1", 0, counts) as port:
        found = scraped(port)

    assert found["spectra_enrich_look_up_seconds_count",] == counts.look_ups
    assert found["spectra_enrich_look_up_seconds_sum",] == pytest.approx(counts.look_up_seconds)
    buckets = [value for name, value in found.items() if name[0] == "spectra_enrich_look_up_seconds_bucket"]
    assert buckets == sorted(buckets)
    assert found["spectra_enrich_look_up_seconds_bucket", "0.01"] == 0
    assert found["spectra_enrich_look_up_seconds_bucket", "0.05"] == counts.look_ups


def test_each_scrape_is_of_its_moment():
    counts = Counts(Clock())
    with serve("127.0.0.1", 0, counts) as port:
        before = scraped(port)
        counts.add_batch(batch(enriched=5))
        after = scraped(port)

    assert before["spectra_enrich_events_total", "enriched"] == 0
    assert after["spectra_enrich_events_total", "enriched"] == 5


def test_a_counter_never_falls():
    counts = Counts(Clock())
    counts.add_batch(batch(enriched=100))
    with serve("127.0.0.1", 0, counts) as port:
        before = scraped(port)
        counts.cached(60)  # their events are not out yet
        after = scraped(port)

    assert before["spectra_enrich_cache_hits_total", "memory"] == 100
    assert after["spectra_enrich_cache_hits_total", "memory"] == 100


def test_what_is_not_known_is_not_told():
    with serve("127.0.0.1", 0, Counts(Clock())) as port:
        found = scraped(port)

    assert not {("spectra_enrich_quota_left",), ("spectra_enrich_lag",)} & set(found)


def test_no_host_means_this_machine_alone():
    with serve("", 0, Counts(Clock())) as port, socket.socket() as taken, pytest.raises(OSError):  # noqa: PT011
        taken.bind(("127.0.0.1", port))


def test_a_place_that_is_taken_is_refused_in_a_sentence():
    with (
        serve("127.0.0.1", 0, Counts(Clock())) as port,
        pytest.raises(ConfigError, match=f"nothing can listen on port {port}"),
        serve("127.0.0.1", port, Counts(Clock())),
    ):
        pass


def test_nothing_listens_and_no_thread_runs_when_the_run_is_over():
    before = threading.active_count()
    with serve("127.0.0.1", 0, Counts(Clock())) as port:
        scraped(port)

    with pytest.raises(URLError):
        scraped(port)
    assert threading.active_count() <= before
