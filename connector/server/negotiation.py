"""Which of its forms an outcome is answered in, by the header Accept (RFC 9110, section 12.5.1)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from connector.server.problems import refused

JSON: Final = "application/json"
MARKDOWN: Final = "text/markdown"
STIX: Final = "application/stix+json"
_VERSION: Final[Mapping[str, Mapping[str, str]]] = {STIX: {"version": "2.1"}, MARKDOWN: {"charset": "utf-8"}}
_FORMS: Final = (JSON, MARKDOWN, STIX)  # the first wins where several are equally welcome
_MOST: Final = 32


@dataclass(frozen=True, slots=True)
class Range:
    """One media range of an Accept header with its quality."""

    media: str
    quality: float
    params: Mapping[str, str] = field(default_factory=dict)


def wanted(accept: str, forms: tuple[str, ...] = _FORMS) -> str:
    """The form to answer in; JSON where nothing is asked for.

    Raises:
        Refused: 406, where none of ``forms`` is acceptable.
    """
    ranges = [found for part in accept.split(",")[:_MOST] if (found := _range(part)) is not None]
    if not accept.strip():
        return forms[0]
    best = max(forms, key=lambda form: _quality(form, ranges))
    if _quality(best, ranges) <= 0:
        told = ", ".join(form + _told(form) for form in forms)
        raise refused(
            "not_acceptable", f"this can be answered as {told}; nothing was done", hint="change the header Accept"
        )
    return best


def media_type(form: str) -> str:
    """A form as a Content-Type."""
    return {STIX: f"{STIX};version=2.1", MARKDOWN: f"{MARKDOWN}; charset=utf-8"}.get(form, form)


def _told(form: str) -> str:
    return ";version=2.1" if form == STIX else ""


def _range(text: str) -> Range | None:
    media, *rest = [piece.strip() for piece in text.split(";")]
    params = {name.strip().lower(): value.strip().strip('"') for name, _, value in (p.partition("=") for p in rest)}
    quality = params.pop("q", "1")
    if not re.fullmatch(r"[^\s/]+/[^\s/]+", media) or not re.fullmatch(r"[01](\.[0-9]{0,3})?", quality):
        return None
    return Range(media.lower(), min(1.0, float(quality)), params)


def _quality(form: str, ranges: list[Range]) -> float:
    """The quality of the most specific range that a form is in; 0 where it is in none."""
    matching = [(_precise(form, one), one.quality) for one in ranges if _precise(form, one) >= 0]
    return max(matching)[1] if matching else 0.0


def _precise(form: str, one: Range) -> int:
    """How precisely a range names a form; -1 where it does not."""
    if one.media == "*/*":
        return 0
    if one.media == form.split("/", maxsplit=1)[0] + "/*":
        return 1
    own = _VERSION.get(form, {})
    fits = all(own.get(name, value).lower() == value.lower() for name, value in one.params.items())
    return 2 + len(one.params) if one.media == form and fits else -1
