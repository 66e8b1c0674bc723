"""A bounded number of uploads at once, each in the manifest before it begins and when it has ended.

An error that says something of the appliance as a whole (credentials, maintenance, a full disk, no connection) stops
new uploads; one that says something of a file concerns that file alone.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Final, Protocol, Self

from connector.actions.submit_file import Result
from connector.errors import (
    AuthError,
    CapacityError,
    CircuitOpen,
    ConfigError,
    EndpointMissing,
    InputRefused,
    MaintenanceError,
    ResponseMismatch,
    ServerError,
    SpectraError,
    StateError,
    StorageFull,
    UnexpectedResponse,
    Unreachable,
)
from connector.outcome import Outcome
from connector.submitting.manifest import ManifestFile
from connector.submitting.values import Entry, Landed

_OF_THE_APPLIANCE: Final = (
    *(AuthError, MaintenanceError, StorageFull, CapacityError, EndpointMissing, ConfigError, StateError, CircuitOpen),
    *(Unreachable, ServerError, UnexpectedResponse),
)
_OF_THE_FILE: Final = frozenset({"/file", "/filename"})
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 30.0


class Runs(Protocol):
    """What is needed of a Connector: run one action; called from several threads."""

    def run(self, name: str, params: Mapping[str, Any]) -> Outcome: ...


class Stop(Protocol):
    """Whether to take no more files, and a sleep that ends when that is so; threading.Event is one."""

    def is_set(self) -> bool: ...

    def wait(self, timeout: float) -> bool: ...


def of_the_appliance(error: SpectraError) -> bool:
    """Whether an error would meet every file, so that sending more of them makes no sense."""
    if isinstance(error, InputRefused):
        return any(violation.pointer not in _OF_THE_FILE for violation in error.violations)
    return isinstance(error, _OF_THE_APPLIANCE)


@dataclass(frozen=True, slots=True)
class Terms:
    """What goes with every upload, and how many at once; patience is for an appliance that is full for a while."""

    params: Mapping[str, Any]
    at_once: int = 4
    patience: float = 600.0


class Sender:
    """Sends entries in threads of its own over one connector; ``trouble`` is the first error of the appliance."""

    def __init__(
        self, connector: Runs, manifest: ManifestFile, terms: Terms, stop: Stop, wall: Callable[[], float]
    ) -> None:
        self._connector, self._manifest, self._terms = connector, manifest, terms
        self._stop, self._wall = stop, wall
        self._pool = ThreadPoolExecutor(terms.at_once, thread_name_prefix="submit")
        self._flying: dict[Future[Landed], str] = {}
        self._lock = threading.Lock()
        self.trouble: SpectraError | None = None

    @property
    def closing(self) -> bool:
        return self.trouble is not None or self._stop.is_set()

    @property
    def busy(self) -> bool:
        return bool(self._flying)

    @property
    def full(self) -> bool:
        return len(self._flying) >= self._terms.at_once

    def holds(self, sha1: str) -> bool:
        return sha1 in self._flying.values()

    def take(self, entry: Entry) -> None:
        self._flying[self._pool.submit(self._send, entry)] = entry.sha1

    def landed(self, *, block: bool) -> Iterator[Landed]:
        """The uploads that have ended; with ``block`` at least one, unless none is under way."""
        if not self._flying:
            return
        done, _ = wait(self._flying, None if block else 0.0, FIRST_COMPLETED)
        for future in done:
            del self._flying[future]
            yield future.result()

    def halt(self, error: SpectraError) -> None:
        """Take no more; the first reason stays."""
        with self._lock:
            self.trouble = self.trouble or error

    def _send(self, entry: Entry) -> Landed:
        try:
            self._manifest.append(record("began", entry, self._wall()))
            result = self._submitted(entry)
        except SpectraError as error:
            return self._failed(entry, error)
        sent = replace(entry, sha1=result.sent_sha1, sha256=result.sent_sha256, size=result.sent_bytes)
        outcome = result.model_dump(include={"task_id", "visibility", "report_url"})
        self._note(record("submitted", sent, self._wall(), outcome))
        return Landed(sent, "submitted", outcome)

    def _submitted(self, entry: Entry) -> Result:
        """Run the action; while the appliance is out of memory or queue, wait ever longer and ask again."""
        waited, pause = 0.0, _FIRST_WAIT
        full: SpectraError | None = None
        while True:
            try:
                result = self._connector.run("submit_file", {**self._terms.params, "file": str(entry.place)}).result
            except (CapacityError, CircuitOpen) as error:
                full = error if isinstance(error, CapacityError) or full is None else full
                seconds = max(pause, error.retry_after or 0.0)
                if self.trouble or waited + seconds > self._terms.patience or self._stop.wait(seconds):
                    raise full from None
                waited, pause = waited + seconds, min(_LONGEST_WAIT, pause * 2)
            else:
                if not isinstance(result, Result):
                    raise TypeError("submit_file answered with another action's result")
                return result

    def _failed(self, entry: Entry, error: SpectraError) -> Landed:
        if of_the_appliance(error):
            self.halt(error)
        if error.outcome in {"unknown", "applied"} and not isinstance(error, ResponseMismatch):
            return Landed(entry, "in_doubt", error=error)
        self._note({"state": "failed", "path": entry.path, "sha1": entry.sha1, "error": error.code})
        return Landed(entry, "failed", error=error)

    def _note(self, line: dict[str, Any]) -> None:
        try:
            self._manifest.append(line)
        except StateError as error:
            self.halt(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pool.shutdown(cancel_futures=True)


def record(state: str, entry: Entry, at: float, outcome: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """One line of the manifest; a file is recognised by its path, size, time and SHA-1."""
    line = {"state": state, "path": entry.path, "size": entry.size, "mtime_ns": entry.mtime_ns}
    line |= {"sha1": entry.sha1, "sha256": entry.sha256, "at": round(at, 3)}
    return line if outcome is None else line | {"outcome": dict(outcome)}
