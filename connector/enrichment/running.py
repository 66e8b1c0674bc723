"""One enrichment from its order to its end: the parts are made, run, stopped and closed."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from connector.async_client import AsyncConnector
from connector.enrichment import plugs
from connector.enrichment.counts import Counts
from connector.enrichment.dressing import Dresser
from connector.enrichment.extraction import make_reader
from connector.enrichment.files.checkpoint import Checkpoint
from connector.enrichment.files.dead_letter import DeadLetters
from connector.enrichment.lifetime import Lifetimes
from connector.enrichment.look_ups import LookUps, Terms
from connector.enrichment.memory import Recent
from connector.enrichment.order import STANDARD, Order
from connector.enrichment.patience import Patience
from connector.enrichment.pipeline import Options, Parts, Pipeline
from connector.enrichment.ports import Source
from connector.enrichment.turns import Turns
from connector.errors import ConfigError
from connector.settings import Settings

REMEMBERED: Final = 5120
WRITTEN: Final = 32768


@dataclass(frozen=True, slots=True)
class Enrichment:
    """A run that is ready to go: ``state`` is where an earlier one stopped."""

    pipeline: Pipeline
    counts: Counts
    state: dict[str, Any] | None
    checkpoint: Checkpoint | None
    left: Callable[[], Awaitable[int | None]]

    async def run(self) -> None:
        """Run to the end; a run that came to the end of its input leaves no checkpoint.

        Raises:
            SpectraError: what ended it early; the same order goes on from there.
        """
        await self.pipeline.run(self.state)
        if self.checkpoint is not None and not self.pipeline.stopped:
            self.checkpoint.remove()


@asynccontextmanager
async def assembled(
    settings: Settings,
    order: Order,
    *,
    source: Source | None = None,
    settle: float = 1.0,
    wall: Callable[[], float] = time.time,
) -> AsyncIterator[Enrichment]:
    """The parts of an order, open for the length of the block; ``source`` takes the place of the one it names.

    Raises:
        SpectraError: for what cannot be opened; nothing was read then.
    """
    async with AsyncExitStack() as stack:
        checkpoint = _checkpoint(order, settings, source)
        if checkpoint is not None:
            stack.callback(checkpoint.close)
        state = checkpoint.load() if checkpoint is not None else None
        counts = Counts.from_dict(state["counts"]) if state else Counts()
        limiter = plugs.limiter_of(order, settings, wall)
        stack.push_async_callback(limiter.close)
        cache = plugs.cache_of(order, settings, wall)
        stack.push_async_callback(cache.close)
        turns = Turns(limiter, counts, time.monotonic, passing=order.on_quota == "pass")
        plain = settings.model_copy(update={"stix_profile": "none"})
        connector = await stack.enter_async_context(AsyncConnector(plain, gate=turns))
        terms = Terms(order.action, order.at_once, Lifetimes.read(order.lifetime), passing=order.on_quota == "pass")
        patience = Patience(order.patience, time.monotonic)
        look_ups = LookUps(connector, cache, limiter, terms, counts, patience, wall)
        parts = _parts(order, settings, source or plugs.source_of(order), look_ups, counts, wall, checkpoint, state)
        for part in (parts.source, parts.sink, parts.letters):
            stack.push_async_callback(part.close)
        options = Options(ordered=order.ordered, settle=settle)
        yield Enrichment(Pipeline(parts, options), counts, state, checkpoint, limiter.left)


def _parts(
    order: Order,
    settings: Settings,
    source: Source,
    look_ups: LookUps,
    counts: Counts,
    wall: Callable[[], float],
    checkpoint: Checkpoint | None,
    state: dict[str, Any] | None,
) -> Parts:
    reader = make_reader(order.shape, order.fields, order.urls)
    reader.header = state["header"].encode() if state and state.get("header") else None
    form = plugs.format_of(order, settings)
    dresser = Dresser(
        reader.read,
        form,
        plugs.is_once(order),
        frozenset(order.only),
        Recent(REMEMBERED),
        Recent(WRITTEN),
    )
    return Parts(
        source=source,
        sink=plugs.sink_of(order, form),
        letters=DeadLetters(plugs.letters_of(order)),
        dresser=dresser,
        look_ups=look_ups,
        counts=counts,
        patience=Patience(order.patience, time.monotonic),
        wall=wall,
        keeper=checkpoint,
        header=lambda: reader.header.decode() if reader.header else None,
    )


def _checkpoint(order: Order, settings: Settings, source: Source | None) -> Checkpoint | None:
    """Where a run goes on that was cut off: beside a file of output, else in the state folder where a file is read.

    Standard input cannot be read again, so it has none; a broker remembers by itself, but a file is cut back by it.
    """
    if order.checkpoint:
        return Checkpoint(Path(order.checkpoint))
    if order.source == STANDARD and source is None:
        return None
    if plugs.is_file(order.output):
        return Checkpoint(Path(f"{order.output}.checkpoint"))
    if source is not None or not plugs.is_file(order.source):
        return None
    name = sha256("\n".join((order.source, order.output, order.format, order.emits)).encode()).hexdigest()[:24]
    return Checkpoint(plugs.state_place(settings) / f"{name}.checkpoint")


def require_folder(name: str, path: Path) -> None:
    """Refuse a file that is to be written into a folder that is not there.

    Raises:
        ConfigError: naming the option.
    """
    if not path.absolute().parent.is_dir():
        raise ConfigError(f"{name}: the folder of this file is not there; make it, or name a file in another one")


def require_possible(order: Order, settings: Settings) -> None:
    """Refuse what cannot be, before anything is opened.

    That is a file that is not there (one that is followed may come later), a folder that is missing, and URLs that may
    not be looked up.

    Raises:
        ConfigError: naming the option.
    """
    if plugs.is_file(order.source) and not order.follow and not Path(order.source).exists():
        raise ConfigError("input: there is no file of this name; name one, or - for standard input")
    output = order.output if plugs.is_file(order.output) else None
    for name, place in (("output", output), ("dead_letter", order.dead_letter), ("checkpoint", order.checkpoint)):
        if place is not None:
            require_folder(name, Path(place))
    if plugs.is_file(order.source) and plugs.is_file(order.output) and _same(order.source, order.output):
        raise ConfigError("output: this is the file that events are read from; name another one")
    if order.urls and not settings.allow_cloud:
        raise ConfigError(
            "urls: looking a URL up shows it to the vendor's cloud, which the setting allow_cloud must allow",
            hint="set allow_cloud to true, or leave --urls away",
        )


def _same(source: str, output: str) -> bool:
    return Path(output).exists() and Path(source).exists() and Path(output).samefile(source)
