"""Random operations with random faults between client and appliance; what is claimed is compared with the ledger."""

import tempfile
import time
import traceback
from collections import Counter
from typing import Any

import click

from connector import SpectraError
from tests.faults.plan import KINDS, Fault
from tests.prove.lab import Bench, Intent, bench, intent, told

WAITING = ("wait", "dribble", "endless", "hints", "swallow", "huge", "bomb")  # these take real time: see deadlines
QUICK = tuple(kind for kind in KINDS if not any(word in kind for word in WAITING))
STATUSES = (302, 307, 400, 403, 404, 405, 413, 418, 429, 500, 502, 503, 504)
BODIES = (b"{}", b'{"message": "no"}', b"<html></html>", b"x", b"", b'{"a": 1, "a": 2}')
REFUSALS = ("rejected", "not_sent")
ROUND = 100  # operations on one appliance before it is as new


def fault(b: Bench, target: str) -> Fault:
    """A random fault on a random one of the requests of an operation."""
    kind, nth = b.rng.choice(QUICK), b.rng.choice((1, 1, 1, 2, 3, "every"))
    match = ("*", target if b.rng.random() < 0.8 else "*")
    if kind != "replace":
        return Fault(kind, nth=nth) if kind == "refuse" else Fault(kind, match=match, nth=nth)
    # An appliance that does the work and then answers that it refused cannot be told from one that refused.
    status = b.rng.choice(STATUSES)
    forward = status in {500, 502, 504} and b.rng.random() < 0.5
    headers = (("content-type", b.rng.choice(("application/json", "text/html"))),)
    return Fault(kind, match=match, nth=nth, status=status, headers=headers, body=b.rng.choice(BODIES), forward=forward)


def wrong(claim: str, what: Intent, outcome: Any) -> str:
    """What the ledger has against a claim: duplicate, lost or wrong; nothing where both agree."""
    done = what.done()
    if what.action == "get_classification":
        return "wrong" if claim == "unknown" else ""
    if done > 1:
        return "duplicates"
    if what.action == "bulk_delete" and claim == "done":
        states = {entry.state for entry in outcome.result.entries}
        gone = bool(states & {"deleted", "already_absent"})
        return "" if gone == bool(done) or "deleting" in states else "wrong"
    if claim in {"done", "applied"} and not done:
        return "lost"
    return "wrong" if claim in REFUSALS and done else ""


def once(b: Bench, tally: Counter[str], problems: list[str]) -> None:
    """One operation under one or two faults; a file whose outcome is unknown is run again without any."""
    what, lane = intent(b), b.rng.choice(("sync", "async"))
    faults = [fault(b, what.path) for _ in range(b.rng.choice((1, 1, 2)))]
    name, outcome = f"operation-{b.serial}", None
    b.proxy.plan(faults)
    try:
        outcome = b.run(what.action, what.params, lane, name)
        claim = "done"
    except SpectraError as error:
        claim = error.outcome
    except Exception:  # noqa: BLE001  # exactly what is looked for
        claim = "uncaught"
        problems.append(traceback.format_exc()[-600:])
    fired = sum(line.fired for line in b.proxy.account())
    tally.update({"operations": 1, "injected": fired, "planned": len(faults), f"{claim}": 1})
    tally["unfired"] += len(b.proxy.unfired())
    found = "uncaught" if claim == "uncaught" else wrong(claim, what, outcome)
    if found:
        tally[found] += claim != "uncaught"
        problems.append(f"{found}: {what.action} {lane} {claim} {[(f.kind, f.nth, f.status) for f in faults]}")
    if claim == "unknown":
        tally["unknown_and_done"] += bool(what.done())
        again(b, what, name, tally, problems)


def again(b: Bench, what: Intent, name: str, tally: Counter[str], problems: list[str]) -> None:
    """The same operation without faults: a file ends well and is there once, a URL stays unknown and is not sent."""
    before = what.done()
    b.proxy.plan([])
    try:
        b.run(what.action, what.params, "sync", name)
        ended = "done"
    except SpectraError as error:
        ended = error.outcome
    expected = ended == "unknown" and what.done() == before if what.action == "submit_url" else ended == "done"
    tally["taken_up"] += 1
    if not expected or what.done() > 1:
        tally["wrong"] += 1
        problems.append(f"taken up: {what.action} {ended}, {before} before and {what.done()} after")


@click.command()
@click.option("--faults", default=10_000, help="How many must be injected and have fired.")
@click.option("--seed", default=1)
@click.option("--seconds", default=500.0, help="The longest it may take.")
def main(faults: int, seed: int, seconds: float) -> None:
    """Inject faults until enough of them fired."""
    line, problems = measured(faults, seed, seconds)
    for problem in problems[:20]:
        click.echo(problem, err=True)
    told(line, holds=not problems and line["injected"] >= faults)


def measured(faults: int, seed: int, seconds: float) -> tuple[dict[str, Any], list[str]]:
    """The figures of a campaign, and what was wrong in it."""
    tally, problems = Counter[str](), list[str]()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as state, bench(state, seed) as b:
        while tally["injected"] < faults and time.monotonic() - began < seconds:
            once(b, tally, problems)
            if b.serial % ROUND == 0:
                b.lab.as_new()
    counted = ("injected", "operations", "planned", "unfired", "duplicates", "lost", "uncaught", "wrong")
    ends = ("done", "not_sent", "rejected", "applied", "unknown", "unknown_and_done", "taken_up")
    line = {"campaign": "faults", **{name: tally[name] for name in (*counted, *ends)}, "seed": seed}
    return line | {"seconds": round(time.monotonic() - began, 1)}, problems


if __name__ == "__main__":
    main()
