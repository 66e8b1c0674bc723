"""What the appliance has left of memory, disk, queue and cloud quota, and so what it must refuse."""

import math
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Self

from connector.emulator.product.clock import Clock
from connector.emulator.product.refusals import Depleted, DiskFull, InMaintenance, Invalid

MEGABYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Resources:
    """Numbers an administrator could read or set; the limits are those of the vendor's page."""

    maintenance: bool = False
    memory_percent: float = 40.0
    memory_limit_percent: float = 90.0
    disk_free_percent: float = 80.0
    disk_free_limit_percent: float = 25.0
    queue_limit: int = 50
    max_upload_bytes: int = 400 * MEGABYTE
    max_crawl_bytes: int = 200 * MEGABYTE
    processing_seconds: float = 0.3
    cloud_quota: int = 10_000
    cloud_available: bool = True

    def changed(self, values: dict[str, object]) -> Self:
        """Take new numbers, refusing names and types that are not here."""
        types = {item.name: type(item.default) for item in fields(self)}
        for name, value in values.items():
            if name not in types:
                raise Invalid(f"Unknown state '{name}'. Known: {', '.join(sorted(types))}.")
            if not _fits(value, types[name]):
                raise Invalid(f"'{name}' must be {_word(types[name])}.", field=name)
        return replace(self, **values)  # type: ignore[arg-type] # names and types were checked above

    def admit(self, queued: int) -> None:
        """Refuse a submission when the appliance is closed, full or busy: 405, 503 and 429 on the vendor's page."""
        if self.maintenance:
            raise InMaintenance("The appliance is in maintenance mode. It is not possible to upload samples.")
        if self.disk_free_percent < self.disk_free_limit_percent:
            raise DiskFull("The appliance storage space is close to being full. Free up disk space.")
        if self.memory_percent >= self.memory_limit_percent:
            raise Depleted("The appliance is using too much of its available memory.")
        if queued > self.queue_limit:
            raise Depleted("There are too many items in the processing queue.")


@dataclass(slots=True)
class CloudQuota:
    """Queries about hashes that the appliance had to ask the cloud; starts anew each day at 00:01 UTC."""

    clock: Clock
    used: int = 0
    total: int = 0
    _day: int = field(default=-1)

    def left(self, quota: int) -> int:
        self._turn_page()
        return max(0, quota - self.used)

    def spend(self) -> None:
        self._turn_page()
        self.used += 1
        self.total += 1

    def refusal(self) -> Depleted:
        wait = math.ceil((self._next_start() - self.clock.now()).total_seconds())
        return Depleted("The daily quota of Spectra Intelligence queries has been reached.", wait_seconds=wait)

    def _turn_page(self) -> None:
        day = int((self.clock.time() - 60) // 86400)
        if day != self._day:
            self._day, self.used = day, 0

    def _next_start(self) -> datetime:
        self._turn_page()
        return datetime.fromtimestamp((self._day + 1) * 86400, UTC) + timedelta(minutes=1)


def _fits(value: object, kind: type) -> bool:
    if kind is bool:
        return isinstance(value, bool)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        return False
    return kind is float or isinstance(value, int)


def _word(kind: type) -> str:
    return {bool: "true or false", int: "a whole number, 0 or more", float: "a number, 0 or more"}[kind]
