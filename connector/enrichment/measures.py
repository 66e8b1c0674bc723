"""The counts of a run as Prometheus metrics; they are read when somebody asks, so that no event pays for them."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import accumulate

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from connector.enrichment.counts import BOUNDS, PASSED, Counts
from connector.errors import ConfigError


class Measures(Collector):
    """A collector over the counts of one run. Labels are words of our own or of the appliance's, never of an event."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._memory = 0  # what is made of several numbers may fall for a moment; a counter never does

    def collect(self) -> Iterable[Metric]:
        yield from self._events()
        yield from self._asked()
        yield from self._gauges()

    def _events(self) -> Iterator[Metric]:
        counts = self._counts
        outcomes = {"enriched": counts.enriched, **{f"passed_{end}": counts.ends[end] for end in PASSED}}
        outcomes["dead"] = sum(tuple(counts.dead.values()))
        yield _counter("events", "Events by how they ended.", "outcome", outcomes)
        yield _counter("dead_letters", "Events in the dead-letter file.", "reason", counts.dead)
        yield _counter("verdicts", "Enriched events by their worst verdict.", "classification", counts.verdicts)
        yield _total("lines", "Lines written.", counts.lines_written)
        yield _total("refused_lines", "Lines that the other side would not take.", counts.refused_lines)
        yield _total("malformed_hashes", "Values in fields for hashes that are none.", counts.malformed)

    def _asked(self) -> Iterator[Metric]:
        counts = self._counts
        self._memory = max(self._memory, counts.hits_memory)
        yield _counter("look_ups", "Look-ups answered by the appliance.", "classification", counts.findings)
        hits = {"memory": self._memory, "cache": counts.hits_cache}
        yield _counter("cache_hits", "Subjects that needed no look-up.", "tier", hits)
        yield _counter("errors", "Failures of the appliance and of other sides.", "code", counts.errors)
        yield _total("waits", "Look-ups that waited for a permit.", counts.waits)
        yield _total("wait_seconds", "Seconds that look-ups waited.", counts.wait_seconds)
        seconds = HistogramMetricFamily("spectra_enrich_look_up_seconds", "Seconds of a look-up.")
        bounds = (*map(str, BOUNDS), "+Inf")
        seconds.add_metric([], list(zip(bounds, accumulate(counts.buckets), strict=True)), counts.look_up_seconds)
        yield seconds

    def _gauges(self) -> Iterator[Metric]:
        known = {
            "quota_left": ("Look-ups left of the quota.", self._counts.quota_left),
            "lag": ("Events that wait at the source.", self._counts.lag),
        }
        for name, (about, value) in known.items():
            if value is not None:
                yield GaugeMetricFamily(f"spectra_enrich_{name}", about, value)
        yield GaugeMetricFamily("spectra_enrich_started_seconds", "When the run began.", self._counts.started)


def _counter(name: str, about: str, label: str, counts: Mapping[str, float]) -> CounterMetricFamily:
    family = CounterMetricFamily(f"spectra_enrich_{name}", about, labels=[label])
    for word, count in dict(counts).items():
        family.add_metric([word], count)
    return family


def _total(name: str, about: str, count: float) -> CounterMetricFamily:
    return CounterMetricFamily(f"spectra_enrich_{name}", about, count)


@contextmanager
def serve(host: str, port: int, counts: Counts) -> Iterator[int]:
    """Serve the metrics at ``http://host:port/metrics`` while the block lasts, in a thread; gives the port.

    No host means 127.0.0.1: whoever can reach the place can read the metrics. Port 0 takes a free one.

    Raises:
        ConfigError: when nothing can listen there.
    """
    registry = CollectorRegistry()
    registry.register(Measures(counts))
    try:
        server, thread = start_http_server(port, host.strip("[]") or "127.0.0.1", registry)
    except (OSError, OverflowError) as problem:
        raise ConfigError(
            f"metrics: nothing can listen on port {port} of this host ({type(problem).__name__}); "
            "give a port that is free and an address of this machine"
        ) from None
    try:
        yield int(server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
