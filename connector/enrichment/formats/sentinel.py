"""Microsoft Sentinel: indicators for its threat intelligence, and the bodies that its upload API takes.

Source: the page "Import threat intelligence to Microsoft Sentinel with the upload API" (api-version
2024-02-01-preview). A body is ``{"sourcesystem": ..., "stixobjects": [...]}`` with at most 100 objects, and 100
requests a minute are allowed. The answer is 200 when at least one object was taken; its ``errors`` name the others.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from connector.enrichment.codec import dumps, loads
from connector.enrichment.formats.stix import answered_at
from connector.enrichment.values import Finding, Found
from connector.errors import ConfigError
from connector.printable import printable
from connector.stix import StixOptions, bundle
from connector.stix_terms import INDICATOR_TYPE
from connector.vocabulary import Tlp

MOST_OBJECTS: Final = 100
SOURCE: Final = "ReversingLabs Spectra Analyze"
RESERVED: Final = "microsoft sentinel"
LONGEST_REASON: Final = 500


@dataclass(frozen=True, slots=True)
class Indicators:
    """A line is one STIX indicator; only what is malicious or suspicious is one.

    What leaves is a body: ``pack`` puts the lines of a batch into as few as the API allows.
    """

    source: str
    options: StixOptions
    suffix: str = ".ndjson"
    keeps_events: bool = False
    content_type: str = "application/json"

    def render(self, _: Found, finding: Finding) -> bytes:
        """The indicator; nothing for goodware, for what is unknown, and for a URL that STIX cannot hold."""
        verdict = finding.verdict
        if verdict is None or verdict.classification not in INDICATOR_TYPE:
            return b""
        made = bundle([verdict], self.options, answered_at(finding)).objects
        return next((dumps(o) for o in made["objects"] if o["type"] == "indicator"), b"") if made else b""

    def dress(self, _: bytes, __: Mapping[str, Any], rendered: Sequence[bytes]) -> Sequence[bytes]:
        return [piece for piece in rendered if piece]

    def pack(self, lines: Sequence[bytes]) -> list[tuple[bytes, int]]:
        """Bodies for these lines, in order, each with the number of lines that are in it."""
        sizes = [min(MOST_OBJECTS, len(lines) - start) for start in range(0, len(lines), MOST_OBJECTS)]
        return list(zip(bodies(lines, self.source), sizes, strict=True))

    def refused(self, status: int, body: bytes) -> list[tuple[int, str]]:
        return refused(status, body)


def indicators(source: str = SOURCE, tlp: Tlp = "amber") -> Indicators:
    """The format; ``source`` is shown as SourceSystem of every indicator.

    Raises:
        ConfigError: for a source that the API does not take.
    """
    if not source.strip() or source.strip().lower() == RESERVED:
        raise ConfigError(
            "source: name the system that the indicators come from; Microsoft Sentinel itself is reserved"
        )
    return Indicators(source.strip(), StixOptions(target="sentinel", tlp=tlp))


def bodies(lines: Sequence[bytes], source: str = SOURCE) -> Iterator[bytes]:
    """Upload bodies of at most 100 lines, each line being one STIX object as JSON."""
    head = b'{"sourcesystem":' + dumps(source) + b',"stixobjects":['
    for start in range(0, len(lines), MOST_OBJECTS):
        yield head + b",".join(lines[start : start + MOST_OBJECTS]) + b"]}"


def refused(status: int, body: bytes) -> list[tuple[int, str]]:
    """The objects of a body that an answer of 200 says were not taken, by their index, and why; each index once.

    An empty answer means that all were taken. Of any other status nothing is read: it speaks of the whole request.
    """
    if status != 200 or not body.strip():
        return []
    try:
        answer = loads(body)
    except ValueError:
        return []
    errors = answer.get("errors") if isinstance(answer, dict) else None
    found: dict[int, str] = {}
    for error in errors if isinstance(errors, list) else ():
        index = error.get("recordIndex") if isinstance(error, dict) else None
        if isinstance(index, int) and not isinstance(index, bool) and index >= 0:
            found.setdefault(index, _reason(error.get("errorMessages")))
    return sorted(found.items())


def _reason(messages: object) -> str:
    told = [text for text in messages if isinstance(text, str)] if isinstance(messages, list) else []
    return printable("; ".join(told))[:LONGEST_REASON] or "the upload API gave no reason"
