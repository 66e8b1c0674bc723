"""STIX objects that leave for a TAXII 2.1 collection, in envelopes; one is pushed once, however many lines hold it.

taxii2-client knows what a collection and a status are; its requests go through our own exchange, which has deadlines
and takes nothing from the environment (its own ones have no time-out).

An object that the collection already holds is taken, although some servers count it as a failure (TAXII 2.1 section
5.5 can be read so): where failures are told, the manifest of the collection says which of them it holds.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import urlencode

from taxii2client import exceptions
from taxii2client.v21 import Collection, Status

from connector.enrichment.codec import dumps, loads
from connector.enrichment.memory import Recent
from connector.enrichment.sinks.exchange import LONGEST_REASON, TIMEOUT, Exchange, NotTaken, address, isolated
from connector.enrichment.values import Failure, Output, Refusal
from connector.errors import ConfigError, StateError, Unreachable
from connector.http import httpx
from connector.printable import printable
from connector.stix_text import moment

T = TypeVar("T")
SCHEMES: Final = {"taxii+https": "https", "taxii+http": "http"}
CREDENTIALS: Final = "SPECTRA_TAXII_USER and SPECTRA_TAXII_PASSWORD"
MOST_OBJECTS: Final = 100  # in one envelope
MOST_BYTES: Final = 1 << 20
REMEMBERED: Final = 8192  # objects at least that are known to have been pushed
ASKED_AT_ONCE: Final = 20  # ids in the address of one request
POLLS: Final = (0.1, 0.2, 0.4, 0.8, 1.5)  # seconds before a status is asked for again; then the run waits
REFUSED: Final = "refused"


class Key(NamedTuple):
    """What names one version of an object (TAXII 2.1 section 3.4); observables have no versions."""

    id: str
    version: str


@dataclass(slots=True)
class Item:
    """An object to push, and the lines that hold it."""

    key: Key
    body: bytes
    lines: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Pending:
    """An envelope that the server has taken and not yet worked off."""

    envelope: bytes
    status: Status


class Wire:
    """What taxii2-client calls its connection; used from a thread, while the exchange runs on the loop."""

    def __init__(self, exchange: Exchange, loop: asyncio.AbstractEventLoop) -> None:
        self._exchange = exchange
        self._loop = loop

    def get(self, url: str, headers: Mapping[str, str], params: Mapping[str, str] | None = None) -> dict[str, Any]:
        return self._ask("GET", f"{url}?{urlencode(params)}" if params else url, headers, None)

    def post(self, url: str, headers: Mapping[str, str], data: bytes) -> dict[str, Any]:
        return self._ask("POST", url, headers, data)

    def _ask(self, method: str, url: str, headers: Mapping[str, str], content: bytes | None) -> dict[str, Any]:
        asking = self._exchange.ask(method, url, headers=headers, content=content)
        answer = asyncio.run_coroutine_threadsafe(asking, self._loop).result()
        body = loads(self._exchange.require(answer, CREDENTIALS).body)
        if not isinstance(body, dict):
            raise ValueError("a TAXII resource is a JSON object")
        return body


class TaxiiSink:
    """Pushes to one collection, whose address is ``taxii+https://HOST/ROOT/collections/ID/``.

    Raises:
        ConfigError: for any other address, for a user without a password, or for a CA file that cannot be read.
    """

    def __init__(
        self,
        url: str,
        user: str | None,
        password: str | None,
        *,
        ca: Path | None = None,
        timeout: float = TIMEOUT,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        place = address(url, SCHEMES)
        self._url = place if place.endswith("/") else place + "/"
        if "?" in place or self._url.rstrip("/").split("/")[-2] != "collections":
            raise ConfigError("output: the address of a TAXII collection is taxii+https://HOST/ROOT/collections/ID/")
        if bool(user) != bool(password):
            raise ConfigError("SPECTRA_TAXII_USER, SPECTRA_TAXII_PASSWORD: set both, or neither")
        auth = httpx.BasicAuth(user, password) if user and password else None
        self._exchange = Exchange(self._url, ca=ca, auth=auth, timeout=timeout)
        self._sleep = sleep
        self._pushed: Recent[Key, bool] = Recent(REMEMBERED)
        self._collection: Collection | None = None
        self._pending: Pending | None = None

    async def open(self, place: Any) -> None:
        """Nothing is asked before there is something to push."""
        self._collection = Collection(self._url, conn=Wire(self._exchange, asyncio.get_running_loop()))

    async def write(self, output: Output) -> Sequence[Refusal]:
        """Push what the bundles hold and was not pushed before; a line is refused when one of its objects is.

        Raises:
            StateError: where the collection is not there, lets nobody write, or speaks another version.
            Unreachable: where the server is away or still at work; given again, the output goes on where it stood.
        """
        items, refused = _items(output.lines)
        for part in _envelopes([item for item in items if not self._pushed.get(item.key)]):
            for item, why in await isolated(part, self._push, lambda item, why: (item, why)):
                for line in item.lines:
                    refused.setdefault(line, why)
        return [Refusal(line, Failure(REFUSED, why)) for line, why in sorted(refused.items())]

    async def _push(self, items: Sequence[Item]) -> list[tuple[Item, str]]:
        """Push one envelope and wait for its end; gives the objects that were not taken, and why."""
        envelope = b'{"objects":[' + b",".join(item.body for item in items) + b"]}"
        status = await self._ended(envelope)
        failed = await self._failed(status, items)
        for item in items:
            if item.key not in failed:
                self._pushed.put(item.key, True)
        return [(item, failed[item.key]) for item in items if item.key in failed]

    async def _ended(self, envelope: bytes) -> Status:
        collection = self._open
        pending, self._pending = self._pending, None
        if pending is not None and pending.envelope == envelope:
            status = pending.status
        else:
            status = await self._told(lambda: collection.add_objects(envelope, wait_for_completion=False))
        for seconds in POLLS:
            if status.status == "complete":
                return status
            await self._sleep(seconds)
            await self._told(status.refresh)
        if status.status == "complete":
            return status
        self._pending = Pending(envelope, status)
        raise Unreachable(f"{self._exchange.host} is still at work on what was pushed", outcome="unknown")

    async def _failed(self, status: Status, items: Sequence[Item]) -> dict[Key, str]:
        """What of an envelope was not taken; what the collection held already was."""
        if not status.failure_count:
            return {}
        told = {each.get("id"): each.get("message") for each in status.failures if isinstance(each, dict)}
        doubtful = [item.key for item in items if not told or item.key.id in told]
        held = await self._held(doubtful)
        return {key: _reason(told.get(key.id)) for key in doubtful if key not in held}

    async def _held(self, keys: Sequence[Key]) -> set[Key]:
        """Which of these the collection holds, as far as it lets us read."""
        held: set[Key] = set()
        for start in range(0, len(keys), ASKED_AT_ONCE):
            asked = keys[start : start + ASKED_AT_ONCE]
            with suppress(NotTaken, StateError):  # a collection that cannot be read confirms nothing
                manifest = await self._told(partial(self._manifest, [key.id for key in asked]))
                held |= _confirmed(manifest, asked)
        return held

    def _manifest(self, ids: list[str]) -> dict[str, Any]:
        manifest: dict[str, Any] = self._open.get_manifest(id=ids, version="all")
        return manifest

    @property
    def _open(self) -> Collection:
        if self._collection is None:
            raise StateError("the output is not open")
        return self._collection

    async def _told(self, ask: Callable[[], T]) -> T:
        """What the library makes of an answer, in a thread of its own.

        Raises:
            StateError: where the answer is not what TAXII 2.1 says.
        """
        try:
            return await asyncio.to_thread(ask)
        except exceptions.AccessError:
            problem = "the collection does not let this user write or read"
        except (exceptions.TAXIIServiceException, ValueError, TypeError, KeyError, AttributeError):
            problem = "it does not answer as a collection of TAXII 2.1 does"
        raise StateError(f"{self._exchange.host}: {problem}", hint="check the address of the output")

    async def sync(self) -> None:
        """What a status of TAXII calls complete is the other side's; there is no place to keep."""

    async def close(self) -> None:
        await self._exchange.close()


def _items(lines: Sequence[bytes]) -> tuple[list[Item], dict[int, str]]:
    """The objects of all bundles, each version once and in order; and the lines that are no bundles."""
    items: dict[Key, Item] = {}
    bad: dict[int, str] = {}
    for number, line in enumerate(lines):
        try:
            objects = [(_key(made), made) for made in loads(line)["objects"]]
        except (ValueError, TypeError, KeyError, AttributeError):
            bad[number] = "the line is no STIX bundle"
            continue
        for key, made in objects:
            if key not in items:
                items[key] = Item(key, dumps(made))
            items[key].lines.append(number)
    return list(items.values()), bad


def _key(made: Mapping[str, Any]) -> Key:
    key = Key(made["id"], made.get("modified", ""))
    if not (isinstance(key.id, str) and isinstance(key.version, str)):
        raise TypeError("the id and the version of an object are text")
    return key


def _envelopes(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Parts that each fit into one envelope; an object that is longer than all should be goes alone."""
    start = size = 0
    for number, item in enumerate(items):
        if number > start and (number - start == MOST_OBJECTS or size + len(item.body) > MOST_BYTES):
            yield items[start:number]
            start, size = number, 0
        size += len(item.body) + 1
    if start < len(items):
        yield items[start:]


def _confirmed(manifest: Mapping[str, Any], keys: Sequence[Key]) -> set[Key]:
    """Those that a manifest lists. Versions are compared as times, which may be written in more than one way."""
    entries = [each for each in manifest.get("objects", ()) if isinstance(each, dict)]
    there = {(each.get("id"), moment(each.get("version"))) for each in entries}
    ids = {id_ for id_, _ in there}
    return {key for key in keys if (key.id, moment(key.version)) in there or (not key.version and key.id in ids)}


def _reason(message: object) -> str:
    told = printable(message)[:LONGEST_REASON] if isinstance(message, str) else ""
    return told or "the collection did not take an object, and does not say why"
