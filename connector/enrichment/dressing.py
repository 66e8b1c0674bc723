"""One batch from raw events to the lines of its output: what each event names, what is known of it, and how it is told.

Pure but for the memory of recent findings, which makes the common case two look-ups in a dict for an event.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, cast

from connector.enrichment.extraction import Read
from connector.enrichment.look_ups import OVER_QUOTA, Answer
from connector.enrichment.memory import Recent
from connector.enrichment.ports import Closing, Format
from connector.enrichment.values import Batch, Failure, Finding, Found, Known, Output

End = Literal["enriched", "without_subject", "not_found", "over_quota", "not_shown"]
_new: Final = tuple.__new__  # a named tuple without the way through its own __new__
PLAIN: Final[Mapping[str, Any]] = {"": None}  # stands for members that are not looked at again, and take much memory
CLOSE: Final = ord("}")
WORST: Final[dict[Known, int]] = {"not_found": 0, "goodware": 1, "unknown": 2, "suspicious": 3, "malicious": 4}


class Told(NamedTuple):
    """A finding as told of one field: ``text`` is its piece, with all that closes an event where the format can say it.

    Thousands are remembered, so nothing is in it twice.
    """

    text: bytes
    known: Known
    until: float


@dataclass(slots=True)
class Prepared:
    """A batch that was read: for each event what it names, and the subjects that nothing recent is known of.

    An event of one subject that is known already is its line, and ``ready`` holds what is known of each of these; None
    is a line that is no event.
    """

    batch: Batch
    entries: list[Read | bytes | Failure | None]
    told: dict[Found, Told | Failure]
    missing: dict[str, list[Found]]
    ready: list[Known] = field(default_factory=list)
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
    closing: Closing | None = field(init=False)
    around: tuple[int, int] = field(init=False)

    def __post_init__(self) -> None:
        """What is before a piece and after it in what closes an event, in bytes."""
        self.closing = self.form if isinstance(self.form, Closing) else None
        before, after = self.closing.closing(b"\0").split(b"\0") if self.closing else (b"", b"")
        self.around = len(before), len(after)

    def prepare(self, batch: Batch, now: float) -> Prepared:
        """Read a batch; what is recent is told already, the rest is ``missing``.

        The common case, an event of one recent subject in a format that closes it, is ready here: most of the work.
        """
        made = Prepared(batch, [], {}, {})
        read, add, is_ready = self.read, made.entries.append, made.ready.append
        recent, young = self.recent, self.recent.young
        members, broken = self.closing.members if self.closing else (), batch.broken or {}
        free = self.closing is not None or not self.form.keeps_events
        named = malformed = 0
        for number, raw in enumerate(batch.events):
            entry = broken[number] if number in broken else read(raw)
            if type(entry) is Read:
                text, event, every, wrong = entry
                malformed += wrong
                named += len(every)
                for member in members:
                    if member in event:
                        break
                else:
                    if len(every) == 1:
                        known = young.get(every[0]) or recent.get(every[0])
                        if known is not None and known[2] > now and known[0] and text[-1] == CLOSE:
                            add(text[:-1] + known[0])
                            is_ready(known[1])
                            continue
                    if free:
                        entry = _new(Read, (text, PLAIN, every, wrong))
                if every:
                    self._look_for(every, made, now)
            add(entry)
        made.named, made.malformed = named, malformed
        return made

    def _look_for(self, every: Sequence[Found], made: Prepared, now: float) -> None:
        """What is recent of these is told, the rest is missing."""
        for found in every:
            if found in made.told:
                continue
            known = self.recent.get(found)
            if known is not None and known.until > now:
                made.told[found] = known
            elif found not in made.missing.setdefault(found.subject, []):
                made.missing[found.subject].append(found)

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
        piece = self.form.render(found, finding) if wanted else b""
        return Told(self.closing.closing(piece) if piece and self.closing else piece, finding.known, finding.until)

    def dress(self, prepared: Prepared) -> tuple[Output, Tally]:
        """The lines of a batch whose every subject is told, and how its events ended."""
        tally = Tally(len(prepared.entries), prepared.malformed)
        tally.ends["enriched"] += len(prepared.ready)
        tally.verdicts.update(prepared.ready)
        entries, told = prepared.entries, prepared.told
        if len(prepared.ready) == len(entries):
            tally.lines = len(entries)
            return Output(prepared.batch, cast("list[bytes]", entries), range(len(entries))), tally
        lines: list[bytes] = []
        origins: list[int] = []
        for number, entry in enumerate(entries):
            if isinstance(entry, bytes):
                lines.append(entry)
                origins.append(number)
            elif isinstance(entry, Read):
                made = self._event(number, entry, [told[found] for found in entry.found], tally)
                lines += made
                origins += [number] * len(made)
            elif isinstance(entry, Failure):
                tally.dead[number] = entry
            else:
                tally.read -= 1  # the header of a list is no event
        tally.lines = len(lines)
        return Output(prepared.batch, lines, origins), tally

    def _event(self, number: int, entry: Read, told: Sequence[Told | Failure], tally: Tally) -> Sequence[bytes]:
        """The lines of any event; how it ended goes to the tally."""
        pieces = self._pieces(number, told, tally) if told else ()
        if not told:
            tally.ends["without_subject"] += 1
        if pieces:
            return self.form.dress(entry.raw, entry.event, pieces)
        return (entry.raw,) if self.form.keeps_events and number not in tally.dead else ()

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
        before, after = self.around
        texts = [each.text for each in told if isinstance(each, Told) and each.text]
        pieces = [text[before : len(text) - after] for text in texts]
        return [piece for piece in pieces if self._first(piece)] if self.once else pieces

    def refuse(self, prepared: Prepared, tally: Tally, number: int, failure: Failure) -> None:
        """Move an event whose line the sink refused to the dead."""
        entry = prepared.entries[number]
        if number in tally.dead or entry is None or isinstance(entry, Failure):
            return
        end: End | Failure = "enriched"
        if isinstance(entry, bytes):
            known = prepared.ready[sum(isinstance(before, bytes) for before in prepared.entries[:number])]
        else:
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
            shown = shown or bool(each.text)
        elif each is OVER_QUOTA:
            over_quota = True
        else:
            return each, worst
    if shown:
        return "enriched", worst
    if not told:
        return "without_subject", worst
    return "over_quota" if over_quota else "not_shown" if worst != "not_found" else "not_found", worst
