"""What a server counts, in the Prometheus text format; each server has a registry of its own."""

from typing import Final, TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.registry import Collector

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
More: TypeAlias = Collector
_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


class Metrics:
    """Requests by action and status, how long they took, how many are under way, and what failed on the appliance.

    ``action`` is the name of an action, or the path of another route; it is never anything that a caller made up.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "spectra_requests", "Requests answered.", ["action", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "spectra_request_duration_seconds",
            "Seconds from a request's head to the end of its answer.",
            ["action"],
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self.in_flight = Gauge("spectra_requests_in_flight", "Requests under way.", registry=self._registry)
        self._errors = Counter(
            "spectra_appliance_errors", "Actions that failed on the appliance.", ["code"], registry=self._registry
        )

    def answered(self, action: str, status: int, seconds: float) -> None:
        self._requests.labels(action, str(status)).inc()
        self._seconds.labels(action).observe(seconds)

    def failed(self, code: str) -> None:
        """An action failed on the appliance, or on the way to it."""
        self._errors.labels(code).inc()

    def add(self, more: More) -> None:
        """Show the metrics of something else, too."""
        self._registry.register(more)

    def text(self) -> bytes:
        return generate_latest(self._registry)
