"""Lines that leave by HTTPS POST: upload bodies where the format makes some (Sentinel), else lines as they are.

A write that was broken off goes on where it stood when it is asked for again, so a place that asks to wait gets little
twice. What it does not take is told line by line.
"""

import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

from connector.enrichment.ports import Format, Packing
from connector.enrichment.sinks.exchange import TIMEOUT, Exchange, address, isolated
from connector.enrichment.values import Failure, Output, Refusal
from connector.errors import ConfigError

SCHEMES: Final = {"https": "https", "http": "http"}
CREDENTIALS: Final = "the token in SPECTRA_OUTPUT_TOKEN"
MOST_LINES: Final = 1000  # in one body
MOST_BYTES: Final = 1 << 20
NDJSON: Final = "application/x-ndjson"
TEXT: Final = "text/plain; charset=utf-8"
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # b64token (RFC 6750, section 2.1)
REFUSED: Final = "refused"


@dataclass(slots=True)
class Begun:
    """An output that is being sent: the parts still to send, and what was refused of the others."""

    output: Output
    left: deque[range]
    refused: list[Refusal]


class UploadSink:
    """POSTs to one address with a bearer token, one request at a time.

    Raises:
        ConfigError: for an address that is not https (http on loopback), a token of characters that none has, or a CA
            file that cannot be read.
    """

    def __init__(
        self,
        url: str,
        token: str | None,
        *,
        ca: Path | None = None,
        form: Format | None = None,
        timeout: float = TIMEOUT,
    ) -> None:
        self._url = address(url, SCHEMES)
        if token is not None and not _TOKEN.fullmatch(token):
            raise ConfigError("SPECTRA_OUTPUT_TOKEN: a bearer token is accepted, which has no spaces or quotes")
        self._packing: Packing | None = form if isinstance(form, Packing) else None
        kind = self._packing.content_type if self._packing else NDJSON if _is_json(form) else TEXT
        headers = {"Content-Type": kind, "Accept": "application/json, */*;q=0.1"}
        self._headers = headers if token is None else headers | {"Authorization": f"Bearer {token}"}
        self._exchange = Exchange(self._url, ca=ca, timeout=timeout)
        self._begun: Begun | None = None

    async def open(self, place: Any) -> None:
        """Nothing is asked before there is something to send."""

    async def write(self, output: Output) -> Sequence[Refusal]:
        """Send all lines; the same output, given again after Unreachable, goes on behind the last body taken.

        Raises:
            StateError: where the credentials or the address are not accepted.
            Unreachable: where the place is away or asks to wait.
        """
        if self._begun is None or self._begun.output is not output:
            self._begun = Begun(output, self._parts(output.lines), [])
        begun = self._begun
        while begun.left:
            begun.refused += await isolated(begun.left[0], partial(self._send, output.lines), _refusal)
            begun.left.popleft()
        self._begun = None
        return sorted(begun.refused, key=lambda refusal: refusal.line)

    def _parts(self, lines: Sequence[bytes]) -> deque[range]:
        """The lines of each body, by their numbers."""
        sizes = list(_sizes(lines)) if self._packing is None else [size for _, size in self._packing.pack(lines)]
        ends = list(accumulate(sizes))
        return deque(range(end - size, end) for size, end in zip(sizes, ends, strict=True))

    async def _send(self, lines: Sequence[bytes], numbers: Sequence[int]) -> list[Refusal]:
        """Send lines that fit into one body, by their numbers; gives those that the place names as not taken."""
        chosen = [lines[number] for number in numbers]
        body = b"\n".join(chosen) + b"\n" if self._packing is None else self._packing.pack(chosen)[0][0]
        answer = await self._exchange.ask("POST", self._url, headers=self._headers, content=body)
        self._exchange.require(answer, CREDENTIALS)
        if self._packing is None:
            return []
        told = self._packing.refused(answer.status, answer.body)
        return [_refusal(numbers[index], why) for index, why in told if index < len(numbers)]

    async def sync(self) -> None:
        """What was answered for is the other side's; there is no place to keep."""

    async def close(self) -> None:
        await self._exchange.close()


def _sizes(lines: Sequence[bytes]) -> Iterator[int]:
    """How many lines go into each body; a line that is longer than all bodies should be goes alone."""
    count = size = 0
    for line in lines:
        if count and (count == MOST_LINES or size + len(line) >= MOST_BYTES):
            yield count
            count = size = 0
        count, size = count + 1, size + len(line) + 1
    if count:
        yield count


def _refusal(line: int, why: str) -> Refusal:
    return Refusal(line, Failure(REFUSED, why))


def _is_json(form: Format | None) -> bool:
    return form is None or form.suffix.endswith("json")
