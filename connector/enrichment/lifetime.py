"""For how long a finding is used again, by what is known of its subject.

The appliance publishes no such times; the defaults weigh what an old answer costs against the look-up that it saves:

- malicious, 7 days: a file does not become harmless, and a false positive is rare and mended within days.
- goodware, 24 hours: mostly right for ever, but a wrong one hides an attack, so each is asked about once a day.
- suspicious, 6 hours: an answer that is still under way; it becomes one of the above as analysis goes on.
- unknown, 1 hour: a file that was just seen for the first time; most verdicts on it come within hours.
- not_found, 15 minutes: somebody may be about to submit it, and an analysis takes minutes.

So a busy SIEM asks about the same clean file once a day, and about a new one as soon as there may be news.
"""

import math
import re
from dataclasses import dataclass
from typing import Final

from connector.enrichment.values import KNOWN, Known
from connector.errors import InputRefused, Violation

_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
LONGEST: Final = 366 * 86_400
_FORM: Final = "a whole number and s, m, h, d or w, such as 30m or 7d, up to 366d"


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """Seconds for each word; 0 keeps nothing: such a subject is asked about each time.

    Raises:
        InputRefused: naming each word whose seconds are not from 0 to 366 days.
    """

    malicious: float = 7 * 86_400.0
    suspicious: float = 6 * 3_600.0
    goodware: float = 24 * 3_600.0
    unknown: float = 3_600.0
    not_found: float = 900.0

    def __post_init__(self) -> None:
        wrong = [word for word in KNOWN if not 0 <= self.of(word) <= LONGEST]  # NaN compares false
        if wrong:
            said = f"must be from 0 to {LONGEST} seconds"
            raise InputRefused.of([Violation(f"/{word}", said) for word in wrong], "the lifetimes")

    def of(self, known: Known) -> float:
        seconds: float = getattr(self, known)
        return seconds

    def until(self, known: Known, now: float) -> float:
        """When a finding that was looked up at ``now`` is no longer to be used; both in seconds since 1970."""
        return now + self.of(known)

    @classmethod
    def read(cls, text: str) -> "Lifetimes":
        """Lifetimes from words and times such as ``malicious=7d,unknown=30m``; a word left out keeps its default.

        Raises:
            InputRefused: naming every part that is not understood, and what would be.
        """
        given: dict[str, float] = {}
        wrong: list[Violation] = []
        for part in filter(None, (piece.strip() for piece in text.split(","))):
            word, equals, length = (piece.strip() for piece in part.partition("="))
            seconds = _seconds(length)
            if word not in KNOWN:
                wrong.append(Violation("", f"each part must be word=time, the word one of {', '.join(KNOWN)}"))
            elif not equals or math.isnan(seconds):
                wrong.append(Violation(f"/{word}", f"must be {_FORM}"))
            elif word in given:
                wrong.append(Violation(f"/{word}", "must be given once"))
            else:
                given[word] = seconds
        if wrong:
            raise InputRefused.of(list(dict.fromkeys(wrong)), "the lifetimes")
        return cls(**given)


def _seconds(length: str) -> float:
    """The seconds of a length such as 30m; NaN where it is none, or longer than may be."""
    found = re.fullmatch(r"([0-9]{1,9})([smhdw])", length)
    seconds = int(found[1]) * _UNITS[found[2]] if found else LONGEST + 1
    return float(seconds) if seconds <= LONGEST else math.nan
