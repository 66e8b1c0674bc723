"""The faults of the campaign, drawn at random: what strikes, where, at which exchange, and how often."""

import random
from dataclasses import dataclass, replace
from typing import Final

from tests.faults.plan import Fault

JSON: Final = ("content-type", "application/json")
HTML: Final = ("content-type", "text/html")
PAGE: Final = b"<!DOCTYPE html><html><title>Sign in</title></html>"
SILENT: Final = (
    *("request_swallow", "answer_none_wait", "answer_head_wait", "answer_half_wait", "answer_all_but_one_wait"),
    *("answer_dribble_head", "answer_dribble_body", "answer_early_hints", "answer_100_continue_endless"),
)
ENDED: Final = tuple(
    f"answer_{part}_{end}" for part in ("none", "head", "half", "all_but_one", "whole") for end in ("rst", "fin")
)
BODIES: Final = (
    "chunk_broken",
    "chunk_unterminated",
    "gzip_cut",
    "close_delimited_cut",
    "content_length_twice",
    "content_length_more",
)
HEADS: Final = ("garbage", "headers_bad")
HEAVY: Final = ("gzip_bomb", "encoded_many", "plain_huge", "status_line_long", "headers_many")
# An appliance that says a plain no, or a plain yes, says the truth: these are only drawn with the work (not) done.
REFUSALS: Final = (400, 401, 403, 405, 413, 418, 429, 503)
GATEWAYS: Final = (500, 502, 503, 504)
WAITS: Final = (
    (),
    (("retry-after", "2"),),
    (("retry-after", "30"),),
    (("retry-after", "500"),),
    (("retry-after", "soon"),),
)
DAMAGED: Final = (
    b"",
    b"[",
    b'"text"',
    b'{"a": NaN}',
    b'{"a": 1, "a": 2}',
    b"\xff{}",
    b"[" * 5000,
    b'{"code": 500}',
    b"{" + b" " * 70,
)
UNREADABLE: Final = b'{"message": "Done.", "detail": {"nothing": "of use"}}'


@dataclass(frozen=True, slots=True)
class Struck:
    """The faults planned for one operation; ``hasty`` ones are met by a deadline, not by the peer's end."""

    faults: tuple[Fault, ...]
    hasty: bool = False


def draw(rng: random.Random, targets: tuple[tuple[str, str], ...], *, silence: bool) -> Struck:
    """One fault, sometimes two, on the paths of an operation; ``silence`` allows those that a deadline must end."""
    hasty = silence and rng.random() < 0.07
    first = _silent(rng, 2.0) if hasty else _kind(rng)
    faults = [_placed(rng, first, targets)]
    if not hasty and rng.random() < 0.2:
        faults.append(_placed(rng, _kind(rng), targets))
    return Struck(tuple(faults), hasty)


def _placed(rng: random.Random, fault: Fault, targets: tuple[tuple[str, str], ...]) -> Fault:
    nth = rng.choices((1, 2, 3), (75, 18, 7))[0]
    times = 3 if rng.random() < 0.2 else 1
    match = ("*", "*") if fault.kind == "refuse" else rng.choice(targets)
    return replace(fault, match=match, nth=nth, times=times)


def _kind(rng: random.Random) -> Fault:
    family = rng.choices(
        ("ended", "request", "replaced", "bodies", "heads", "silent", "heavy"), (30, 18, 28, 14, 5, 3, 2)
    )[0]
    if family == "ended":
        return Fault(rng.choice(ENDED))
    if family == "request":
        return Fault(rng.choice(("refuse", "request_rst", "request_fin")), at=rng.choice((0.0, 0.5, "all_but_one")))
    if family == "replaced":
        return _replaced(rng)
    if family == "silent":
        return _silent(rng, 0.05)
    if family == "heavy":
        kind = rng.choice(HEAVY)
        return Fault(kind, mebibytes=17 if kind == "plain_huge" else 4, announced=rng.random() < 0.5)
    kind = rng.choice(BODIES if family == "bodies" else HEADS)
    return Fault(kind, at=rng.choice((0.3, 0.5, "all_but_one")), bad=rng.choice(("nul", "fold", "name")))


def _silent(rng: random.Random, longest: float) -> Fault:
    return Fault(rng.choice(SILENT), longest=longest, every_seconds=0.01)


def _replaced(rng: random.Random) -> Fault:
    """Another answer: a refusal with nothing done; a success that cannot be read, done; or one that says neither."""
    form = rng.choice(
        ("refused", "refused", "gateway", "gateway", "page", "damaged", "damaged", "unreadable", "redirect")
    )
    if form == "refused":
        status = rng.choice(REFUSALS)
        headers = (JSON, *rng.choice(WAITS)) if status in {413, 429, 503} else (JSON,)
        return Fault("replace", status=status, headers=headers, body=b'{"message": "no"}', forward=False)
    if form == "redirect":
        headers = (HTML, ("location", "http://127.0.0.1:9/accounts/login/"))
        return Fault("replace", status=rng.choice((301, 302, 307)), headers=headers, forward=False)
    if form == "unreadable":
        return Fault("replace", headers=(JSON,), body=UNREADABLE, forward=True)
    forward = rng.random() < 0.5
    if form == "gateway":
        return Fault("replace", status=rng.choice(GATEWAYS), headers=(HTML,), body=PAGE, forward=forward)
    if form == "page":
        return Fault("replace", headers=(HTML,), body=PAGE, forward=forward)
    return Fault("replace", headers=(JSON,), body=rng.choice(DAMAGED), forward=forward)
