"""Where a secret could come out: logs, warnings, tracebacks with the values of every frame, values, and files."""

import asyncio
import contextlib
import json
import logging
import pickle
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, Final

from connector import Outcome, SpectraError
from tests.secrecy.canaries import Search

TESTS: Final = str(Path(__file__).parents[1])
# The emulator's own server, and its parser of forms: they are the appliance, which knows what it was sent.
_OF_THE_APPLIANCE: Final = ("uvicorn", "python_multipart", "multipart", "starlette")
_LIBRARIES: Final = ("httpx", "httpcore", "h11", "hpack", "aiohttp", "asyncio", "connector", "sqlite3", "concurrent")
_DEEPEST_CHAIN: Final = 20


class _Handler(logging.Handler):
    """Feeds all of a record: its message, its arguments, its traceback and whatever was attached to it."""

    def __init__(self, search: Search) -> None:
        super().__init__(logging.DEBUG)
        self.search = search

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.split(".")[0] in _OF_THE_APPLIANCE:
            return
        held = {name: repr(value) for name, value in vars(record).items() if name != "exc_info"}
        self.search.feed(f"log {record.name}", f"{record.name} {record.getMessage()} {held}")
        if record.exc_info and record.exc_info[1] is not None:
            feed_error(self.search, record.exc_info[1], f"log {record.name}")


@contextlib.contextmanager
def watched(search: Search) -> Iterator[None]:
    """Everything that is logged by anyone, at the level DEBUG, and every warning."""
    handler, root = _Handler(search), logging.getLogger()
    before = {logger: logger.level for logger in (root, *map(logging.getLogger, _LIBRARIES))}
    for logger in before:
        logger.setLevel(logging.DEBUG)
    root.addHandler(handler)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
        for one in caught:
            search.feed("warning", f"{one.message} {one.source!r}")
    finally:
        root.removeHandler(handler)
        for logger, level in before.items():
            logger.setLevel(level)


def chain_of(error: BaseException) -> Iterator[BaseException]:
    """An exception, and every one behind it, also where Python would not show it."""
    waiting, seen = [error], set()
    while waiting and len(seen) < _DEEPEST_CHAIN:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [other for other in (one.__cause__, one.__context__) if other is not None]
        waiting += list(getattr(one, "exceptions", ()))


def frames_of(error: BaseException) -> Iterator[tuple[FrameType, int]]:
    """The frames of a traceback with their lines, but for those of the tests, which hold the secrets themselves."""
    for frame, line in traceback.walk_tb(error.__traceback__):
        if not frame.f_code.co_filename.startswith(TESTS):
            yield frame, line


def feed_error(search: Search, error: BaseException, sink: str = "error") -> None:
    """An exception as it is printed, logged and reported: with the values of every frame, and all that is behind it."""
    for one in chain_of(error):
        shown = traceback.StackSummary.extract(frames_of(one), capture_locals=True)
        search.feed(f"{sink}: traceback", "".join(shown.format()))
        held = {name: value for name, value in vars(one).items() if name != "__traceback__"}
        search.feed(f"{sink}: text", f"{one!r} {one} {one.args!r} {held!r} {getattr(one, '__notes__', ())}")
        with contextlib.suppress(TypeError, AttributeError, pickle.PicklingError):
            search.feed(f"{sink}: pickle", pickle.dumps(one))
    if isinstance(error, SpectraError):
        search.feed(f"{sink}: JSON", json.dumps(error.as_dict()))


def feed_value(search: Search, value: Any, sink: str, *, but: tuple[str, ...] = ()) -> None:
    """A value as it is printed, and what it holds at its first level; and pickled, where it can be.

    ``but`` names the canaries that its attributes may hold.
    """
    search.feed(f"{sink}: text", f"{value!r} {value} {value:}")
    search.feed(f"{sink}: vars", repr(held_by(value)), but=but)
    with contextlib.suppress(TypeError, AttributeError, pickle.PicklingError):
        search.feed(f"{sink}: pickle", pickle.dumps(value))


def held_by(value: Any) -> dict[str, Any]:
    """The attributes of a value, also of one with slots."""
    slots = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
    found = {name: getattr(value, name) for name in slots if hasattr(value, name) and isinstance(value, object)}
    hidden = {name for name in slots if not shown_by_repr(value, name)}
    return {name: held for name, held in found.items() if name not in hidden} | dict(getattr(value, "__dict__", {}))


def shown_by_repr(value: Any, name: str) -> bool:
    """Whether a field of a dataclass is one that its repr shows; what is kept out of it is meant to be secret."""
    fields = getattr(value, "__dataclass_fields__", {})
    return name not in fields or bool(fields[name].repr)


def feed_outcome(search: Search, outcome: Outcome) -> None:
    search.feed("outcome JSON", outcome.to_json())
    search.feed("STIX bundle", json.dumps(outcome.stix))
    feed_value(search, outcome, "outcome")


def feed_files(search: Search, folder: Path, sink: str = "state") -> int:
    """Every file below a folder, by name and content; how many there are."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    for path in found:
        search.feed(f"{sink} {path.suffix or path.name}", path.name.encode() + b"\n" + path.read_bytes())
    return len(found)


def debugged(coroutine: Any) -> Any:
    """Run a coroutine with the debug mode of asyncio, which logs what is slow and what was never awaited."""
    return asyncio.run(coroutine, debug=True)
