"""Which exchanges are struck and how: planned faults as values, and the account of what became of each."""

import threading
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final, Literal, NamedTuple, get_args

RequestKind = Literal["refuse", "request_rst", "request_fin", "request_swallow"]
CutKind = Literal[
    "answer_none_rst",
    "answer_none_fin",
    "answer_none_wait",
    "answer_head_rst",
    "answer_head_fin",
    "answer_head_wait",
    "answer_half_rst",
    "answer_half_fin",
    "answer_half_wait",
    "answer_all_but_one_rst",
    "answer_all_but_one_fin",
    "answer_all_but_one_wait",
    "answer_whole_rst",
    "answer_whole_fin",
]
SlowKind = Literal["answer_dribble_head", "answer_dribble_body", "answer_early_hints", "answer_100_continue_endless"]
BodyKind = Literal[
    "chunk_broken",
    "chunk_unterminated",
    "gzip_cut",
    "gzip_bomb",
    "encoded_many",
    "plain_huge",
    "close_delimited_cut",
    "content_length_twice",
    "content_length_more",
]
HeadKind = Literal["garbage", "status_line_long", "headers_many", "headers_bad"]
Kind = Literal[RequestKind, CutKind, SlowKind, BodyKind, HeadKind, "replace"]
KINDS: Final[tuple[str, ...]] = get_args(Kind)
# These need no real answer, so that they can strike a request that is never forwarded.
MADE_UP: Final = {"replace", "garbage", "gzip_bomb", "encoded_many", "plain_huge", *get_args(HeadKind)}
LONGEST: Final = 120.0


@dataclass(frozen=True, slots=True)
class Fault:
    """One planned fault: which exchanges it strikes, the one thing it does, and the numbers of that kind.

    ``match`` is a method and a glob over the path without its query. ``nth`` counts matching exchanges from 1; from
    there on it strikes ``times`` times (once, or without end for "every"). ``at`` is the part of the request's body
    (request_*) or of the compressed bytes (gzip_cut) that gets through. ``longest`` bounds every wait, in seconds.
    """

    kind: Kind
    match: tuple[str, str] = ("*", "*")
    nth: int | Literal["every"] = 1
    times: int | None = None
    at: float | Literal["all_but_one"] = 0.5
    every_seconds: float = 0.05
    longest: float = 30.0
    mebibytes: int = 64
    encodings: int = 200
    announced: bool = False  # plain_huge: with a content-length instead of ending with the connection
    bad: Literal["nul", "fold", "name"] = "name"  # headers_bad: what is wrong with the header
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    forward: bool = True

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"Unknown kind {self.kind!r}. Known: {', '.join(KINDS)}.")
        if not self.forward and self.kind not in MADE_UP:
            raise ValueError(f"forward=False is for {', '.join(sorted(MADE_UP))}; {self.kind} needs the real answer.")
        if self.kind == "refuse" and self.match != ("*", "*"):
            raise ValueError("refuse counts connections, before anything is read: it takes no match.")
        if self.nth != "every" and self.nth < 1:
            raise ValueError('nth is a number from 1, or "every".')
        if self.times is not None and self.times < 1:
            raise ValueError("times is a number from 1.")
        if self.at != "all_but_one" and not 0 <= self.at < 1:
            raise ValueError('at is a part from 0 to less than 1, or "all_but_one".')
        if not 0 < self.longest <= LONGEST or self.every_seconds <= 0:
            raise ValueError(f"longest is more than 0 and at most {LONGEST:.0f} seconds, every_seconds more than 0.")

    def matches(self, method: str, path: str) -> bool:
        wanted, glob = self.match
        return wanted in ("*", method) and fnmatchcase(path.partition("?")[0], glob)

    def due_times(self) -> float:
        """How often it strikes at most."""
        endless = self.nth == "every" and self.times is None
        return float("inf") if endless else self.times or 1

    def part(self, size: int) -> int:
        """How many of these bytes get through: always fewer than all, where there are any."""
        return max(0, size - 1) if self.at == "all_but_one" else int(size * self.at)


class Line(NamedTuple):
    """What became of one fault: how many exchanges matched, and how often it was carried out."""

    fault: Fault
    matched: int
    fired: int


class Seen(NamedTuple):
    """One exchange: the bytes of its request that reached the upstream, and the kind of fault that struck it."""

    method: str
    path: str
    forwarded: int
    kind: str | None


@dataclass(slots=True)
class Strike:
    """A planned fault with its account."""

    fault: Fault
    matched: int = 0
    chosen: int = 0
    fired: int = 0

    def due(self) -> bool:
        """Count a matching exchange, and say whether it is to be struck."""
        self.matched += 1
        first = 1 if self.fault.nth == "every" else self.fault.nth
        return self.matched >= first and self.chosen < self.fault.due_times()

    def missing(self) -> bool:
        endless = self.fault.due_times() == float("inf")
        return self.fired < (1 if endless else self.fault.due_times())


@dataclass(slots=True)
class Plan:
    """All planned faults, in order; the first one due strikes, and the others wait for the next exchange."""

    strikes: list[Strike] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def of_connection(self) -> Strike | None:
        """The fault that is due for a connection which was just accepted."""
        return self._choose([s for s in self.strikes if s.fault.kind == "refuse"])

    def of_exchange(self, method: str, path: str) -> Strike | None:
        """The fault that is due for a request whose head was just read."""
        return self._choose([s for s in self.strikes if s.fault.kind != "refuse" and s.fault.matches(method, path)])

    def _choose(self, matching: list[Strike]) -> Strike | None:
        with self.lock:
            due = [strike for strike in matching if strike.due()]
            if not due:
                return None
            due[0].chosen += 1
            return due[0]

    def record(self, method: str, path: str, forwarded: int, strike: Strike | None) -> None:
        """Note an exchange, right before its answer or its fault begins."""
        with self.lock:
            self.seen.append(Seen(method, path, forwarded, strike.fault.kind if strike else None))
            if strike is not None:
                strike.fired += 1

    def account(self) -> list[Line]:
        with self.lock:
            return [Line(s.fault, s.matched, s.fired) for s in self.strikes]

    def missing(self) -> list[Line]:
        """The faults that were not carried out, or not as often as planned."""
        with self.lock:
            return [Line(s.fault, s.matched, s.fired) for s in self.strikes if s.missing()]
