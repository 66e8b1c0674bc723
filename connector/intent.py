"""Between a plan and the journal: nothing that changes something leaves before its intent is on the disk."""

import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from connector import journal_moves as moves
from connector.errors import StateError
from connector.operation import Entry, Operation, State
from connector.plan import Note
from connector.settings import IN_MEMORY, state_folder

if TYPE_CHECKING:
    from connector.journal import Journal


@dataclass(slots=True)
class Current:
    """The operation of one run, and how far its line in the journal is."""

    operation: Operation | None = None
    state: Literal["", "intent", "accepted", "settled"] = ""
    found: State | None = None


class Intents:
    """The journal of one client, opened when something is about to change; reads never touch the disk."""

    def __init__(self, state: str | None) -> None:
        self._state = state
        self._journal: Journal | None = None
        self._lock = threading.Lock()

    @property
    def journal(self) -> "Journal":
        """The open journal.

        Raises:
            StateError: when it cannot be opened; nothing was sent.
        """
        with self._lock:
            if self._journal is None:
                from connector.journal import Journal  # noqa: PLC0415  # a database, which only a change needs

                in_memory = self._state == IN_MEMORY
                self._journal = Journal.in_memory() if in_memory else Journal.open(state_folder(self._state))
            return self._journal

    def recall(self, current: Current, operation: Operation) -> Entry | None:
        """What is known of an operation of this id.

        Raises:
            InputRefused: when the id was given to an operation with other parameters.
            StateError: when it is being run at this moment, or the journal cannot be read.
        """
        entry = self.journal.find(operation.id)
        current.operation = operation
        if entry is None:
            return None
        moves.require_same(entry, operation)
        if entry.state == "accepted":
            self.journal.claim(entry.id)
            current.state = "accepted"
        elif entry.state == "intent" and self.journal.is_running(entry):
            raise moves.UNSENT.under_way(entry, "another process or thread")
        current.found = entry.state
        return entry

    def intend(self, current: Current) -> None:
        """Have the intent on the disk, once for each run, before the first byte of what changes something.

        Raises:
            StateError: when that cannot be had; nothing was sent.
        """
        if current.operation is None:
            raise TypeError("a plan recalls its operation before it changes anything")
        if current.state == "":
            if current.found == "unknown":  # a plan goes on only with what it looked for on the appliance
                self.journal.resolve(current.operation.id, happened=False, note="looked for on the appliance")
            self.journal.intend(current.operation)
            current.state = "intent"

    def note(self, current: Current, step: Note) -> None:
        """Write what became of the operation; one that never came to its intent leaves no line.

        What an earlier run left in doubt and this one found done without sending anything is taken over first; a doubt
        that stands ends in one step, because a crash between two would leave it as something that may be sent.
        """
        if current.state == "" and current.found == "intent" and step.state in {"accepted", "done"}:
            self.intend(current)
        doubted = current.state == "" and current.found == "unknown" and step.state == "done"
        if current.operation is None or (current.state in {"", "settled"} and not doubted):
            return
        name = current.operation.id
        if step.state == "accepted":
            self.journal.accept(name, step.receipt or {})
            current.state = "accepted"
            return
        if step.state == "done":
            self.journal.finish(name, step.text)
        elif current.state == "intent" and step.state == "refused":
            self.journal.refuse(name, step.text)
        elif current.state == "intent":
            self.journal.doubt(name, step.text)
        else:
            self.journal.release(name)
        current.state = "settled"

    def leave(self, current: Current) -> None:
        """End a run that was broken off: what was under way is in doubt, what was accepted can be taken up again.

        Where the journal fails here, the intent stands there as it is: the next run takes it for what it is, a doubt.
        """
        if current.state in {"intent", "accepted"}:
            with suppress(StateError):
                self.note(current, Note("unknown", text="interrupted"))

    def close(self) -> None:
        with self._lock:
            if self._journal is not None:
                self._journal.close()
                self._journal = None
