"""STIX 2.1: one bundle for each finding, for whatever reads files of bundles, and for the TAXII output."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from connector.enrichment.values import Finding, Found
from connector.stix import StixOptions, bundle_bytes
from connector.stix_text import milliseconds


@dataclass(frozen=True, slots=True)
class Bundles:
    """A line is one bundle; the same finding gives the same bytes, and the same verdict the same object ids."""

    options: StixOptions
    suffix: str = ".ndjson"
    keeps_events: bool = False

    def render(self, _: Found, finding: Finding) -> bytes:
        """The bundle, or nothing for a URL that STIX cannot hold (no URL in the sense of RFC 3986)."""
        if finding.verdict is None:
            return b""
        return bundle_bytes([finding.verdict], self.options, answered_at(finding))

    def dress(self, _: bytes, __: Mapping[str, Any], rendered: Sequence[bytes]) -> Sequence[bytes]:
        return [piece for piece in rendered if piece]


def bundles(options: StixOptions) -> Bundles:
    """The format for some options. For a TAXII collection ``options.target`` should be ``taxii``."""
    return Bundles(options)


def answered_at(finding: Finding) -> str:
    """When the look-up was answered, in RFC 3339: the date of what the verdict itself gives no date."""
    moment = datetime.fromtimestamp(max(0.0, finding.looked_up), UTC)
    return milliseconds(moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z")
