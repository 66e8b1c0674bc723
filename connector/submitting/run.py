"""One run over a directory: what is new is sent, what was left in doubt is looked for, and verdicts are read.

The three passes share an index of where each file stands; nothing else is held for all files.
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TypeVar

from connector.errors import InputRefused, OutcomeUnknown, SpectraError
from connector.steps import Summary
from connector.submitting.asking import classified, processed
from connector.submitting.index import BATCH, Index, Row
from connector.submitting.manifest import ManifestFile
from connector.submitting.options import Clocks, Options
from connector.submitting.sender import Runs, Sender, Stop, record
from connector.submitting.tree import hashed, walk
from connector.submitting.values import Entry, FileEvent, FileStatus, Found, Landed, Notice

T = TypeVar("T")
Event = FileEvent | Notice
Events = Iterator[Event]
BATCH_BYTES: Final = 256 << 20  # no file waits while more than this is hashed
DOUBTS: Final = 3  # uploads in a row without a trustworthy answer, after which no more are tried
FIRST_LOOK, LONGEST_LOOK = 0.25, 15.0
LOOKING: Final = "some files were being sent when the last run, or its answer, broke off; they are looked for first"


@dataclass(slots=True)
class Run:
    """One run; ``last_try`` is true while files in doubt are sent for the second and last time."""

    connector: Runs
    manifest: ManifestFile
    index: Index
    sender: Sender
    options: Options
    stop: Stop
    clocks: Clocks
    root: Path = field(init=False)
    doubts: int = 0
    last_try: bool = False

    def __post_init__(self) -> None:
        self.root = self.options.root.resolve()

    def events(self) -> Events:
        yield from self._new_files()
        yield from self._files_in_doubt()
        if self.options.wait:
            yield from self._verdicts()

    # --- the first pass: hash, ask, send

    def _new_files(self) -> Events:
        batch: list[Entry] = []
        for item in walk(self.root, self.options.rules(), self.options.own):
            if self.sender.closing:
                break
            entry = yield from self._considered(item)
            batch += [entry] if entry else []
            if len(batch) >= BATCH or sum(entry.size for entry in batch) >= BATCH_BYTES:
                yield from self._offered(batch)
                batch = []
            yield from self._landed(block=False)
        yield from self._offered(batch)
        yield from self._all_landed()

    def _considered(self, item: Found | FileEvent) -> Generator[Event, None, Entry | None]:
        """The hashed file where it may have to be sent; None where its end is known already."""
        if isinstance(item, FileEvent):
            yield item
            return None
        row = self.index.find(item.path)
        if row and row.done and (row.size, row.mtime_ns) == (item.size, item.mtime_ns):
            self.index.meet(row.path)
            yield self._told(row.entry(self.root), row.state == "submitted", row.outcome)
            return None
        try:
            entry = hashed(item)
        except InputRefused as error:
            yield FileEvent(path=item.path, status="failed", size=item.size, error=error)
            return None
        if row and row.state == "began" and row.sha1 == entry.sha1:
            self.index.put(entry, "began", at=row.at)
            return None
        return entry

    def _offered(self, batch: list[Entry]) -> Events:
        """Ask which of these the appliance has, and send the others."""
        if not batch or self.sender.closing:
            return
        has: set[str] = set() if self.options.resubmit else self._asked(processed, batch, set())
        yield from self._known([entry for entry in batch if entry.sha1 in has], {"reason": "the appliance has it"})
        for entry in batch:
            if entry.sha1 not in has:
                yield from self._send(entry)

    def _asked(self, question: Callable[[Runs, set[str]], T], files: Iterable[Entry | Row], nothing: T) -> T:
        """The answer to a question about these files; nothing, and no more uploads, when there is none."""
        try:
            return question(self.connector, {file.sha1 for file in files})
        except SpectraError as error:
            self.sender.halt(error)
            return nothing

    def _known(self, entries: list[Entry], outcome: dict[str, Any]) -> Events:
        now = self.clocks.wall()
        if entries:
            self.manifest.append(*(record("known", entry, now, outcome) for entry in entries))
        for entry in entries:
            self.index.put(entry, "known", outcome, now)
            yield self._told(entry, False, outcome)

    def _send(self, entry: Entry) -> Events:
        """Send one file when there is room; content is sent once, and a twin in doubt is settled first."""
        while not self.sender.closing and (self.sender.full or self.sender.holds(entry.sha1)):
            yield from self._landed(block=True)
        if self.sender.closing:
            return
        twin = self.index.twin(entry.sha1)
        if twin and twin.done:
            yield from self._known([entry], {"reason": f"the same content was sent as {twin.path}"})
        elif twin and not self.last_try:
            self.index.put(entry, "began", at=twin.at)
        else:
            self.index.put(entry, "sending", at=self.clocks.wall())
            self.sender.take(entry)

    def _landed(self, *, block: bool) -> Events:
        for landed in self.sender.landed(block=block):
            if landed.state == "submitted":
                self.doubts = 0
                self.index.put(landed.entry, "submitted", landed.outcome, self.clocks.wall())
                yield self._told(landed.entry, True, landed.outcome)
            elif landed.state == "in_doubt" and not self.last_try:
                self._doubt(landed)
            else:
                self.index.drop(landed.entry.path)
                yield _failed(landed.entry, landed.error)

    def _doubt(self, landed: Landed) -> None:
        """Keep a file whose answer was lost for the second pass; after too many in a row, send no more."""
        self.doubts += 1
        self.index.put(landed.entry, "began", at=self.clocks.wall())
        if self.doubts >= DOUBTS and landed.error is not None:
            self.sender.halt(landed.error)

    def _all_landed(self) -> Events:
        while self.sender.busy:
            yield from self._landed(block=True)

    # --- the second pass: what was begun and has no outcome

    def _files_in_doubt(self) -> Events:
        """Look for each until it appears, or until it is old enough to be sent once more."""
        self.last_try = True
        if any(self.index.in_doubt()) and not self.sender.closing:
            yield Notice(LOOKING)
        for over in self._looks(self.options.settle_seconds, self.index.in_doubt):
            for rows in self.index.in_doubt():
                yield from self._looked_for(rows, over=over)
        yield from self._all_landed()
        for rows in self.index.in_doubt():
            for row in rows:
                yield _failed(row.entry(self.root), _unsettled())
                self.index.leave(row.path)

    def _looks(self, seconds: float, left: Callable[[], Iterator[list[Row]]]) -> Iterator[bool]:
        """One turn for each look, ever more slowly, while something is left; true for the last one."""
        ends, pause = self.clocks.steady() + seconds, FIRST_LOOK
        while any(left()) and not self.sender.closing:
            over = self.clocks.steady() >= ends
            yield over
            if over or not any(left()) or self.sender.closing:
                return
            self.stop.wait(max(0.01, min(pause, ends - self.clocks.steady())))
            pause = min(LONGEST_LOOK, pause * 1.6)

    def _looked_for(self, rows: list[Row], *, over: bool) -> Events:
        has: set[str] = self._asked(processed, rows, set())
        for row in rows:
            entry = row.entry(self.root)
            if row.sha1 in has:
                outcome = {"reason": "it was found on the appliance after its sending broke off"}
                self.manifest.append(record("submitted", entry, self.clocks.wall(), outcome))
                self.index.put(entry, "submitted", outcome, self.clocks.wall())
                yield self._told(entry, True, outcome)
            elif over or self.clocks.wall() - row.at >= self.options.settle_seconds:
                yield from self._send(entry)

    # --- the third pass: verdicts

    def _verdicts(self) -> Events:
        """Look until every file has a verdict or the time is over; what has none by then is pending."""
        for _ in self._looks(self.options.wait_seconds, self.index.done):
            for rows in self.index.done():
                found: dict[str, Summary] = self._asked(classified, rows, {})
                for row in rows:
                    if (told := found.get(row.sha1)) is not None:
                        more = {"riskscore": told.riskscore, "threat_name": told.threat_name}
                        yield self._final(row, told.classification or "unknown", more)
        for rows in self.index.done():
            for row in rows:
                yield self._final(row, "pending", {})

    # --- what is told

    def _told(self, entry: Entry, sent: bool, outcome: dict[str, Any] | None) -> FileEvent:
        event = _event(entry, "submitted" if sent else "known", outcome)
        return replace(event, final=not self.options.wait)

    def _final(self, row: Row, status: FileStatus, more: dict[str, Any]) -> FileEvent:
        self.index.leave(row.path)
        return _event(row.entry(self.root), status, (row.outcome or {}) | more)


def _event(entry: Entry, status: FileStatus, outcome: dict[str, Any] | None) -> FileEvent:
    return FileEvent(
        path=entry.path, status=status, size=entry.size, sha1=entry.sha1, sha256=entry.sha256, outcome=outcome
    )


def _failed(entry: Entry, error: SpectraError | None) -> FileEvent:
    return replace(_event(entry, "failed", None), error=error)


def _unsettled() -> OutcomeUnknown:
    return OutcomeUnknown(
        "the file was being sent when an earlier run, or its answer, broke off; it may have been submitted, and was "
        "not sent again",
        hint="run the same command again: the file is looked for by its hash first",
    )
