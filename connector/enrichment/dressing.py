"""One batch from raw events to the lines of its output: what each event names, what is known of it, and how it is told.

Pure but for the memory of recent findings, which makes the common case two look-ups in a dict for an event.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from connector.enrichment.extraction import Read
from connector.enrichment.look_ups import OVER_QUOTA, Answer
from connector.enrichment.memory import Recent
from connector.enrichment.ports import Format
from connector.enrichment.values import Batch, Failure, Finding, Found, Known, Output

End = Literal["enriched", "without_subject", "not_found", "over_quota", "not_shown"]
WORST: Final[dict[Known, int]] = {"not_found": 0, "goodware": 1, "unknown": 2, "suspicious": 3, "malicious": 4}


class Told(NamedTuple):
    """A finding as it is told of one field; ``once`` is set when its document was written."""

    piece: bytes
    known: Known
    until: float


@dataclass(slots=True)
class Prepared:
    """A batch that was read: for each event what it names, and the subjects that nothing recent is known of."""

    batch: Batch
    entries: list[Read | Failure | None]
    told: dict[Found, Told | Failure]
    missing: dict[str, list[Found]]
    malformed: int = 0
    named: int = 0


@dataclass(slots=True)
class Tally:
    """How the events of one batch ended: each in exactly one of ``ends`` or ``dead``; ``verdicts`` says how bad."""

    read: int
    malformed: int
    lines: int = 0
    ends: Counter[End] = field(default_factory=Counter)
    verdicts: Counter[Known] = field(default_factory=Counter)
    dead: dict[int, Failure] = field(default_factory=dict)


@dataclass(slots=True)
class Dresser:
    """Reads batches and dresses their events in one format. ``once``: a document is written once for each finding."""

    read: Callable[[bytes], Read | Failure | None]
    form: Format
    once: bool
    shown: frozenset[Known]
    recent: Recent[Found, Told]
    written: Recent[bytes, bool]

    def prepare(self, batch: Batch, now: float) -> Prepared:
        """Read a batch; what is recent is told already, the rest is ``missing``."""
        made = Prepared(batch, [], {}, {})
        read, told, entries, recent = self.read, made.told, made.entries, self.recent
        broken = batch.broken or {}
        for number, raw in enumerate(batch.events):
            entry = broken[number] if number in broken else read(raw)
            entries.append(entry)
            if entry is None or isinstance(entry, Failure):
                continue
            made.malformed += entry.malformed
            made.named += len(entry.found)
            for found in entry.found:
                if found in told:
                    continue
                known = recent.get(found)
                if known is not None and known.until > now:
                    told[found] = known
                elif found not in made.missing.setdefault(found.subject, []):
                    made.missing[found.subject].append(found)
        return made

    def tell(self, prepared: Prepared, answers: Mapping[str, Answer]) -> None:
        """Take in what was found of the missing subjects."""
        for subject, fields in prepared.missing.items():
            answer = answers[subject]
            for found in fields:
                if isinstance(answer, Failure):
                    prepared.told[found] = answer
                else:
                    prepared.told[found] = told = self._told(found, answer)
                    self.recent.put(found, told)

    def _told(self, found: Found, finding: Finding) -> Told:
        wanted = finding.verdict is not None and finding.known in self.shown
        return Told(self.form.render(found, finding) if wanted else b"", finding.known, finding.until)

    def dress(self, prepared: Prepared) -> tuple[Output, Tally]:
        """The lines of a batch whose every subject is told, and how its events ended."""
        tally = Tally(len(prepared.entries), prepared.malformed)
        lines: list[bytes] = []
        origins: list[int] = []
        told, keep = prepared.told, self.form.keeps_events
        for number, entry in enumerate(prepared.entries):
            if entry is None:
                tally.read -= 1  # the header of a list is no event
                continue
            if isinstance(entry, Failure):
                tally.dead[number] = entry
                continue
            if entry.found:
                pieces = self._pieces(number, [told[found] for found in entry.found], tally)
                if pieces:
                    made = self.form.dress(entry.raw, entry.event, pieces)
                    lines += made
                    origins += [number] * len(made)
                    continue
                if number in tally.dead:
                    continue
            else:
                tally.ends["without_subject"] += 1
            if keep:
                lines.append(entry.raw)
                origins.append(number)
        tally.lines = len(lines)
        return Output(prepared.batch, lines, origins), tally

    def _pieces(self, number: int, told: Sequence[Told | Failure], tally: Tally) -> Sequence[bytes]:
        """What to add to an event, or the documents of it; how it ended goes to the tally."""
        end, known = _ending(told)
        if isinstance(end, Failure):
            tally.dead[number] = end
            return ()
        tally.ends[end] += 1
        if end != "enriched":
            return ()
        tally.verdicts[known] += 1
        pieces = [each.piece for each in told if isinstance(each, Told) and each.piece]
        return [piece for piece in pieces if self._first(piece)] if self.once else pieces

    def refuse(self, prepared: Prepared, tally: Tally, number: int, failure: Failure) -> None:
        """Move an event whose line the sink refused to the dead."""
        entry = prepared.entries[number]
        if number in tally.dead or entry is None or isinstance(entry, Failure):
            return
        end, known = _ending([prepared.told[found] for found in entry.found])
        if isinstance(end, Failure):
            return
        tally.ends[end] -= 1
        if end == "enriched":
            tally.verdicts[known] -= 1
        tally.dead[number] = failure

    def _first(self, piece: bytes) -> bool:
        if self.written.get(piece):
            return False
        self.written.put(piece, True)
        return True


def _ending(told: Sequence[Told | Failure]) -> tuple[End | Failure, Known]:
    """How an event that names these ends, and the worst that is known of them."""
    worst: Known = "not_found"
    shown = over_quota = False
    for each in told:
        if isinstance(each, Told):
            if WORST[each.known] >= WORST[worst]:
                worst = each.known
            shown = shown or bool(each.piece)
        elif each is OVER_QUOTA:
            over_quota = True
        else:
            return each, worst
    if shown:
        return "enriched", worst
    if not told:
        return "without_subject", worst
    return "over_quota" if over_quota else "not_shown" if worst != "not_found" else "not_found", worst
