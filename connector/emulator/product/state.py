"""The appliance itself: everything it holds. The verbs are in the modules beside this one."""

import itertools
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from connector.emulator.product.clock import Clock
from connector.emulator.product.ledger import Ledger
from connector.emulator.product.library import Library
from connector.emulator.product.queue import Queue
from connector.emulator.product.resources import CloudQuota, Resources
from connector.emulator.product.sample import Sample, Verdict
from connector.emulator.product.searching import Finder
from connector.emulator.product.users import User, Users
from connector.emulator.switches import Switches

Crawler = Literal["local", "cloud"]
TaskState = Literal["pending", "complete", "error"]


@dataclass(frozen=True, slots=True)
class UrlTask:
    id: int
    url: str
    crawler: Crawler
    user: User
    created: datetime
    state: TaskState = "pending"
    message: str = ""
    sha1: str | None = None


@dataclass(frozen=True, slots=True)
class Removal:
    """A bulk delete that was accepted; `done_at` is when its status turns from 202 to 200."""

    id: int
    done_at: float
    hash_values: tuple[str, ...]
    user: User
    carried_out: bool = False


@dataclass(frozen=True, slots=True)
class Ids:
    """Counters of everything the appliance numbers."""

    samples: Iterator[int] = field(default_factory=lambda: itertools.count(1001))
    submissions: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    removals: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    jobs: Iterator[int] = field(default_factory=itertools.count)


class Product:
    """One appliance. `local` is what it holds, `cloud` what Spectra Intelligence knows: two separate libraries."""

    def __init__(
        self,
        *,
        token: str | None = None,
        switches: Switches | None = None,
        processing_seconds: float = 0.3,
        clock: Clock | None = None,
    ) -> None:
        self.clock = clock or Clock()
        self.switches = switches or Switches()
        self.resources = Resources(processing_seconds=processing_seconds)
        self.quota = CloudQuota(self.clock)
        self.users = Users(token)
        self.ledger = Ledger()
        self.local = Library()
        self.cloud = Library()
        self.local_finder = Finder(self.local)
        self.cloud_finder = Finder(self.cloud)
        self.verdicts: dict[str, Verdict] = {}
        self.sites: dict[str, Sample] = {}
        self.queue = Queue()
        self.url_tasks: dict[int, UrlTask] = {}
        self.removals: dict[int, Removal] = {}
        self.removals_to_do: list[int] = []
        self.ids = Ids()
        self._workshop: tempfile.TemporaryDirectory[str] | None = None

    @property
    def workshop(self) -> Path:
        """The folder where received content lies while it is looked at; gone when the appliance stops."""
        if self._workshop is None:
            self._workshop = tempfile.TemporaryDirectory(prefix="appliance-")
        return Path(self._workshop.name)

    def close(self) -> None:
        if self._workshop is not None:
            self._workshop.cleanup()
            self._workshop = None
