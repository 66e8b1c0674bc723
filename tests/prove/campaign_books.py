"""What the connector claimed beside what the appliance's ledger holds, and the counts of both."""

import base64
import hashlib
import random
import threading
from collections import defaultdict
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal

from connector import Outcome, SpectraError
from connector.emulator import Product
from connector.emulator.product.loading import load

CLASSES: Final = ("malicious", "suspicious", "goodware")
MOST_TOLD: Final = 20


@dataclass(slots=True)
class Tally:
    """Counts of one worker, or of all; ``told`` are the first findings in words."""

    operations: int = 0
    planned: int = 0
    injected: int = 0
    cancelled: int = 0
    duplicates: int = 0
    lost: int = 0
    uncaught: int = 0
    wrong: int = 0
    succeeded: int = 0
    recovered: int = 0
    not_sent: int = 0
    rejected: int = 0
    applied: int = 0
    unknown: int = 0
    unknown_but_done: int = 0
    settled_again: int = 0
    calls: int = 0
    told: list[str] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))

    def find(self, kind: Literal["duplicates", "lost", "uncaught", "wrong"], what: str) -> None:
        setattr(self, kind, getattr(self, kind) + 1)
        if len(self.told) < MOST_TOLD:
            self.told.append(f"{kind}: {what}")

    def holds(self) -> bool:
        return not (self.duplicates or self.lost or self.uncaught or self.wrong)


@dataclass(frozen=True, slots=True)
class Claim:
    """What the connector said at the end of one run: an outcome, an error of its own, or something it did not catch."""

    outcome: Outcome | None = None
    error: SpectraError | None = None
    uncaught: BaseException | None = None

    @property
    def word(self) -> str:
        if self.error is not None:
            return self.error.outcome
        return "uncaught" if self.outcome is None else "done"

    @property
    def code(self) -> str:
        return self.error.code if self.error is not None else self.word


@dataclass(frozen=True, slots=True)
class Intent:
    """One thing to do. ``key`` is what the ledger knows it by: a SHA-1 or a URL; of a deletion, its SHA-1s."""

    kind: Literal["file", "url", "delete", "read"]
    action: str
    params: dict[str, Any] = field(repr=False)
    key: tuple[str, ...] = ()
    truth: str = ""
    public: bool = False


class Books:
    """The ledger of one appliance, read as it grows, and what was put there before the first call."""

    def __init__(self, product: Product, rng: random.Random, stock: int) -> None:
        self.product = product
        self._lock = threading.Lock()
        self._read = 0
        self._ids: dict[str, list[int]] = defaultdict(list)
        product.clock.freeze()
        product.resources = product.resources.changed({"cloud_quota": 1_000_000})
        self.known = {self._put(rng, f"known {n}", CLASSES[n % 3]): CLASSES[n % 3] for n in range(30)}
        self._doomed = [self._put(rng, f"doomed {n}", "goodware") for n in range(stock)]
        self._sites = [f"https://host.example/stock/{n}" for n in range(stock)]
        for url in self._sites:
            content = base64.b64encode(rng.randbytes(24)).decode()
            load(product, {"url": url, "content_base64": content, "classification": "malicious"})
        self.confirmed: set[str] = set()

    def _put(self, rng: random.Random, name: str, classification: str) -> str:
        digest = hashlib.sha1(f"{rng.random()} {name}".encode()).hexdigest()
        load(self.product, {"sha1": digest, "classification": classification})
        return digest

    def advance(self, seconds: float) -> None:
        with self._lock:
            self.product.clock.advance(seconds)

    def take_doomed(self, count: int) -> tuple[str, ...]:
        """Samples that nothing else uses; fewer, or none, when the stock is used up."""
        with self._lock:
            taken, self._doomed = self._doomed[:count], self._doomed[count:]
            return tuple(taken)

    def take_site(self) -> str | None:
        with self._lock:
            return self._sites.pop() if self._sites else None

    def submitted(self, key: str) -> list[int]:
        """The ids of all submissions of a file (by SHA-1) or a URL."""
        with self._lock:
            entries = self.product.ledger.submissions
            while self._read < len(entries):
                entry = entries[self._read]
                self._ids[str(entry.get("url") or entry["sha1"])].append(int(str(entry["id"])))
                self._read += 1
            return list(self._ids[key])

    def removals(self, sha1: str) -> int:
        """How many deletions of this sample were accepted: tasks that hold it, and what was deleted at once."""
        tasks = sum(sha1 in removal.hash_values for removal in list(self.product.removals.values()))
        at_once = sum(e["hash_value"] == sha1 and e["task"] is None for e in list(self.product.ledger.deletes))
        return tasks + at_once

    def outside_a_plan(self) -> set[str]:
        """What was deleted and no confirmed plan named."""
        return {str(entry["hash_value"]) for entry in self.product.ledger.deletes} - self.confirmed


def judge(intent: Intent, claim: Claim, books: Books, tally: Tally) -> None:
    """Hold the claim of a first run against the ledger."""
    if claim.uncaught is not None:
        tally.find("uncaught", f"{intent.action}: {claim.uncaught!r}")
        return
    if claim.word == "done":
        tally.succeeded += 1
    else:
        setattr(tally, claim.word, getattr(tally, claim.word) + 1)
    if intent.kind == "read":
        _judge_read(intent, claim, tally)
    elif intent.kind == "delete":
        _judge_deletion(intent, claim, books, tally)
    else:
        _judge_submission(intent, claim, books, tally)


def _judge_read(intent: Intent, claim: Claim, tally: Tally) -> None:
    if claim.error is not None and claim.word not in {"not_sent", "rejected"} and claim.code != "job_failed":
        tally.find("wrong", f"{intent.action} changes nothing and claims {claim.word} ({claim.code})")
    if claim.outcome is not None and intent.truth and claim.outcome.branch != intent.truth:
        tally.find("wrong", f"{intent.action} says {claim.outcome.branch} where {intent.truth} is true")


def _judge_submission(intent: Intent, claim: Claim, books: Books, tally: Tally) -> None:
    ids = books.submitted(intent.key[0])
    told = f"{intent.action} claims {claim.word} ({claim.code}); the ledger holds {len(ids)}"
    if len(ids) > 1:
        tally.find("duplicates", told)
    if claim.word == "unknown":
        tally.unknown_but_done += bool(ids)
    elif claim.word == "applied" and not ids:
        tally.find("wrong", told)
    elif bool(ids) != (claim.word in {"done", "applied"}):
        tally.find("lost", told)
    if claim.outcome is not None and ids:
        _judge_receipt(intent, claim.outcome, ids, tally)


def _judge_receipt(intent: Intent, outcome: Outcome, ids: list[int], tally: Tally) -> None:
    result: Any = outcome.result
    recovered = getattr(result, "recovered", False)
    tally.recovered += recovered
    if recovered != (result.task_id is None) or (not recovered and result.task_id not in ids):
        tally.find("wrong", f"{intent.action} gives task {result.task_id} where the ledger holds {ids}")
    if intent.kind == "file" and intent.key[0] not in {result.sha1, result.sent_sha1}:
        tally.find("wrong", f"{intent.action} gives the receipt of another file")
    if outcome.branch in CLASSES and intent.truth and outcome.branch != intent.truth:
        tally.find("wrong", f"{intent.action} says {outcome.branch} where {intent.truth} is true")


def _judge_deletion(intent: Intent, claim: Claim, books: Books, tally: Tally) -> None:
    removals = [books.removals(sha1) for sha1 in intent.key]
    told = f"{intent.action} claims {claim.word} ({claim.code}); accepted deletions: {removals}"
    if max(removals) > 1:
        tally.find("duplicates", told)
    if claim.word == "unknown":
        tally.unknown_but_done += any(removals)
    elif claim.word == "applied" and not any(removals):
        tally.find("wrong", told)
    elif claim.word in {"not_sent", "rejected"} and any(removals):
        tally.find("lost", told)
    if claim.outcome is None:
        return
    result: Any = claim.outcome.result
    for entry, accepted in zip(result.entries, removals, strict=True):
        gone = books.product.local.find(entry.hash_value) is None
        right = {"deleted": gone and accepted, "deleting": accepted, "still_there": not gone or accepted}
        if not right.get(entry.state, False):
            tally.find("lost", f"{told}; a hash is told {entry.state}, gone: {gone}")


def judge_again(intent: Intent, claim: Claim, before: int, books: Books, tally: Tally) -> None:
    """Hold the second run of an operation that had ended in doubt, with no fault, against the ledger."""
    tally.settled_again += 1
    if claim.uncaught is not None:
        tally.find("uncaught", f"{intent.action} again: {claim.uncaught!r}")
        return
    after = count(intent, books)
    told = f"{intent.action} again claims {claim.word} ({claim.code}); the ledger held {before} and holds {after}"
    stays = intent.kind == "url" or (intent.public and before == 0)
    wanted = "unknown" if stays else "done"
    if after > 1 or (stays and after != before):
        tally.find("duplicates", told)
    elif claim.word != wanted or (intent.kind == "file" and not stays and after != 1):
        tally.find("wrong", told)


def count(intent: Intent, books: Books) -> int:
    """How often the ledger holds an intent."""
    if intent.kind == "delete":
        return max(books.removals(sha1) for sha1 in intent.key)
    return len(books.submitted(intent.key[0]))
