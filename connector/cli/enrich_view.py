"""How an enrichment is watched: one live line on a terminal, a line every half minute anywhere else."""

import asyncio
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final, NamedTuple, Protocol, TextIO

from connector.enrichment.counts import Counts
from connector.errors import SpectraError

LIVE: Final = 0.25  # seconds between two looks of a live line
PLAIN: Final = 30.0  # seconds between two plain lines
ASKED: Final = 5.0  # seconds between two looks at the quota where nothing is shown
WINDOW: Final = 3.0  # seconds that a live rate is taken over


class Mark(NamedTuple):
    """Where a run was at a look."""

    events: int = 0
    look_ups: int = 0

    @classmethod
    def of(cls, counts: Counts) -> "Mark":
        return cls(counts.read, counts.look_ups)


def line(counts: Counts, before: Mark, seconds: float) -> str:
    """How a run is, in a line; rates are taken since ``before``, which was so many seconds ago."""
    parts = [f"{counts.read:,} events", f"{_rate(counts.read - before.events, seconds)}/s"]
    ratio = counts.hit_ratio
    if ratio is not None:
        parts.append(f"hits {_percent(ratio)}")
    parts.append(f"look-ups {counts.look_ups:,} ({_rate(counts.look_ups - before.look_ups, seconds)}/s)")
    if counts.waits:
        parts.append(f"waited {counts.wait_seconds:,.1f} s")
    if counts.quota_left is not None:
        parts.append(f"quota left {counts.quota_left:,}")
    if counts.lag is not None:
        parts.append(f"behind {counts.lag:,}")
    errors = sum(counts.errors.values())
    if errors:
        parts.append(f"errors {errors:,}")
    return "  ".join([*parts, f"dead {sum(counts.dead.values()):,}"])


def _percent(ratio: float) -> str:
    """Never rounded up to all."""
    return f"{min(ratio, 0.999) if ratio < 1 else 1:.1%}".replace("%", " %")


def _rate(count: int, seconds: float) -> str:
    """A rate to three digits."""
    rate = max(0, count) / seconds if seconds > 0 else 0.0
    if rate >= 1000:
        digits = len(str(int(rate))) - 3
        return f"{round(rate, -digits):,.0f}"
    return f"{rate:.3g}"


class Pace:
    """Lines one after the other, each with the rates since the oldest look of the last ``window`` seconds."""

    def __init__(self, counts: Counts, window: float, now: float) -> None:
        self._counts, self._window = counts, window
        self._looks: deque[tuple[float, Mark]] = deque([(now, Mark.of(counts))])

    def line(self, now: float) -> str:
        looks = self._looks
        while len(looks) > 1 and now - looks[1][0] >= self._window:
            looks.popleft()
        then, before = looks[0]
        looks.append((now, Mark.of(self._counts)))
        return line(self._counts, before, now - then)


class Shower(Protocol):
    """Where lines are shown, every so many seconds."""

    @property
    def every(self) -> float: ...

    @property
    def window(self) -> float: ...

    def start(self) -> None: ...

    def show(self, text: str) -> None: ...

    def stop(self) -> None: ...


class NoLines:
    """Nothing is shown, but what is left of the quota is asked for all the same."""

    every = window = ASKED

    def start(self) -> None: ...

    def show(self, text: str) -> None: ...

    def stop(self) -> None: ...


class PlainLines:
    """Lines of text in a log."""

    every, window = PLAIN, PLAIN

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def start(self) -> None: ...

    def show(self, text: str) -> None:
        with suppress(OSError, ValueError):  # nobody reads it any more; the run goes on
            self._stream.write(f"{text}\n")
            self._stream.flush()

    def stop(self) -> None: ...


class LiveLine:
    """One line at the foot of a terminal, gone when the run is over."""

    every, window = LIVE, WINDOW

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.live import Live

        console = Console(file=stream, highlight=False)
        self._live = Live(console=console, auto_refresh=False, transient=True, redirect_stdout=False)

    def start(self) -> None:
        self._live.start()

    def show(self, text: str) -> None:
        from rich.text import Text

        with suppress(OSError, ValueError):
            self._live.update(Text(text, no_wrap=True, overflow="ellipsis"), refresh=True)

    def stop(self) -> None:
        with suppress(OSError, ValueError):
            self._live.stop()


async def follow(
    counts: Counts,
    stop: asyncio.Event,
    shower: Shower,
    *,
    left: Callable[[], Awaitable[int | None]] | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Show a line every ``shower.every`` seconds until ``stop``; ``left`` says what is left of the quota."""
    pace = Pace(counts, shower.window, clock())
    while not stop.is_set():
        await sleep(shower.every)
        await _ask(counts, left)
        shower.show(pace.line(clock()))


async def _ask(counts: Counts, left: Callable[[], Awaitable[int | None]] | None) -> None:
    """Note what is left of the quota; where it cannot be asked for, what was known of it stays."""
    if left is not None:
        with suppress(SpectraError, OSError):
            counts.quota_left = await left()


@asynccontextmanager
async def following(
    counts: Counts,
    *,
    quiet: bool = False,
    left: Callable[[], Awaitable[int | None]] | None = None,
    stream: TextIO | None = None,
) -> AsyncIterator[None]:
    """Show how the run is while the block lasts, on standard error; at its end the counts are finished."""
    shower, stop = shower_for(stream or sys.stderr, quiet=quiet), asyncio.Event()
    shower.start()
    task = asyncio.create_task(follow(counts, stop, shower, left=left))
    try:
        yield
    finally:
        counts.finish()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        shower.stop()
        await _ask(counts, left)


def shower_for(stream: TextIO, *, quiet: bool) -> Shower:
    return NoLines() if quiet else LiveLine(stream) if stream.isatty() else PlainLines(stream)
