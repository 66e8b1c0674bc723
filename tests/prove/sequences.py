"""Random sequences of calls on one appliance: what becomes public, what is deleted, and what is done twice.

After each step the ledger is held against what was allowed: a public submission needs the setting and the argument and
an input that may become public; a deletion lies within a plan that was confirmed in time; an operation id is one entry.
"""

import json
import random
import sys
import tempfile
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import click

from connector import Connector, InputRefused, Outcome, SpectraError
from connector.action import Context
from connector.actions.bulk_delete import PLAN_SECONDS, seal
from connector.emulator import serve
from tests.laboratory import Lab, hurried

TLP = (None, None, "clear", "green", "amber", "amber+strict", "red")
ORDER = ("clear", "green", "amber", "amber+strict", "red")
STRICT = frozenset({"amber", "amber+strict", "red"})
PUBLIC_URLS = (
    "https://www.example.com/a",
    "http://example.org:8080/x?page=2",
    "https://8.8.8.8/",
    "https://m\u00fcnchen.de/",
)
INNER_URLS = (
    "http://127.1/",
    "http://169.254.169.254/latest/",
    "https://intranet/",
    "http://[::1]/",
    "https://a.corp.example/",
)
SECRET_URLS = (
    "https://www.example.com/reset?token=0123456789abcdef",
    "https://x.example.com/?api_key=abcdef0123456789",
)
ZONES = ("corp.example.net",)
ZONE_URL = "https://wiki.corp.example.net/page"
MARKINGS = {
    "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487": "clear",
    "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb": "green",
    "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421": "amber",
    "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003": "amber+strict",
    "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1": "red",
}  # the ids of TLP 2.0 in STIX 2.1 (OASIS CTI, TLP 2.0 statement)


UNMARKED = frozenset({"marking-definition", "extension-definition", "identity"})  # the same in every bundle
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # what a power cut would do is the matter of other gates
FIGURES = (
    *("steps", "refused", "failed", "lost_answers", "replays", "marked"),
    *("public_submissions", "public_with_both_opt_ins", "deletes", "outside_a_plan", "violations"),
)


@dataclass(frozen=True, slots=True)
class Operation:
    """A submission: its action and parameters, whether they ask for the public, and whether the input is private."""

    action: str
    params: dict[str, Any]
    asks: bool
    private: bool

    def may_be_public(self, settings: dict[str, Any]) -> bool:
        return self.asks and settings["allow_cloud"] and self.params.get("tlp") not in STRICT and not self.private


@dataclass
class Play:
    """One sequence: the appliance, what may be done, and what was planned and sent so far."""

    lab: Lab
    rng: random.Random
    state: str
    settings: dict[str, Any]
    tally: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    plans: dict[str, tuple[frozenset[str], float]] = field(default_factory=dict)
    operations: dict[str, Operation] = field(default_factory=dict)
    entries: Counter[str] = field(default_factory=Counter)
    known: set[str] = field(default_factory=set)
    may_go: set[str] = field(default_factory=set)
    done: dict[str, tuple[Operation, Outcome]] = field(default_factory=dict)
    deletions: dict[str, dict[str, Any]] = field(default_factory=dict)
    serial: int = 0

    def run(self, action: str, params: dict[str, Any], operation_id: str | None = None) -> Outcome | None:
        """One step; a refusal is an answer like any other here."""
        given = self.lab.settings(state=self.state, **self.settings)
        self.tally["steps"] += 1
        with hurried(Connector(given), self.lab.time) as connector:
            try:
                outcome: Outcome = connector.run(action, params, operation_id=operation_id)
            except InputRefused:
                self.tally["refused"] += 1
                return None
            except SpectraError:
                self.tally["failed"] += 1
                return None
        self._marked(params.get("tlp"), outcome)
        return outcome

    def name(self) -> str:
        self.serial += 1
        return f"operation-{self.serial}-{self.rng.getrandbits(64)}"

    def wrong(self, what: str) -> None:
        self.tally["violations"] += 1
        self.problems.append(what)

    def _marked(self, tlp: str | None, outcome: Outcome) -> None:
        """What comes out is marked at least as strictly as what went in, and what there is to do next as that."""
        if tlp is None:
            return
        for item in (outcome.stix or {}).get("objects", ()):
            if item["type"] in UNMARKED:
                continue
            names = [MARKINGS[ref] for ref in item.get("object_marking_refs", ()) if ref in MARKINGS]
            if not names or ORDER.index(names[0]) < ORDER.index(tlp):
                self.wrong(f"{item['type']} is marked {names} where the input was {tlp}")
        if outcome.next is not None and outcome.next.params.get("tlp") != tlp:
            self.wrong(f"the step after an input marked {tlp} is marked {outcome.next.params.get('tlp')}")
        self.tally["marked"] += 1

    def check(self) -> None:
        """Hold the ledger against what this step was allowed to take away."""
        gone = {sha1 for sha1 in self.known if self.lab.product.local.find(sha1) is None}
        self.known -= gone
        outside = gone - self.may_go
        if outside:
            self.tally["outside_a_plan"] += len(outside)
            self.wrong("a sample is gone that no confirmed plan named")
        self.may_go = set()


def _wishes(play: Play, kind: str) -> tuple[dict[str, Any], bool]:
    """Random arguments about visibility, and whether they ask for the public."""
    rng, wishes = play.rng, {}
    if kind == "file" and rng.random() < 0.5:
        wishes["analysis"] = "cloud"
    if kind == "url" and rng.random() < 0.7:
        wishes["crawler"] = rng.choice(("cloud", "local"))
    if rng.random() < 0.15:
        wishes["rl_cloud_sandbox_platform"] = "windows10"
    asks = (
        wishes.get("analysis") == "cloud" or wishes.get("crawler") == "cloud" or "rl_cloud_sandbox_platform" in wishes
    )
    tlp = rng.choice(TLP)
    return wishes | ({"tlp": tlp} if tlp else {}), asks


def submit_file(play: Play) -> None:
    wishes, asks = _wishes(play, "file")
    content = b64encode(f"content {play.serial} {play.rng.random()}".encode()).decode()
    _submit(play, play.name(), Operation("submit_file", {"content_base64": content, **wishes}, asks, False))


def submit_url(play: Play) -> None:
    wishes, asks = _wishes(play, "url")
    url = play.rng.choice((*PUBLIC_URLS, *INNER_URLS, *SECRET_URLS, ZONE_URL))
    private = url in INNER_URLS or url in SECRET_URLS or url == ZONE_URL
    _submit(play, play.name(), Operation("submit_url", {"url": url, **wishes}, asks, private))


def _submit(play: Play, name: str, operation: Operation) -> None:
    """Submit; now and then the answer is lost, though the appliance did it."""
    ledger = play.lab.product.ledger
    before = len(ledger.submissions)
    lost = play.rng.random() < 0.1
    if lost:
        play.lab.fault("/api/*", "POST", nth=1, times=1, status=504, body="html", apply=True)
    failed = play.tally["failed"]
    outcome = play.run(operation.action, operation.params, name)
    if lost:
        play.lab.http.delete("/_lab/faults")
        play.lab.faulty = False
    made = ledger.submissions[before:]
    play.entries[name] += len(made)
    play.operations.setdefault(name, operation)
    play.tally["lost_answers"] += lost and bool(made)
    if play.entries[name] > 1 or (outcome is not None and play.entries[name] != 1):
        play.wrong(f"{play.entries[name]} entries for one {operation.action}")
    for record in made:
        _hold(play, operation, record)
    kept = play.done.get(name)
    if kept is not None and kept[0] == operation and (outcome or play.tally["failed"] > failed) and outcome != kept[1]:
        play.wrong(f"the stored outcome of a {operation.action} did not come back")
    if outcome is not None:
        play.done.setdefault(name, (operation, outcome))


def _hold(play: Play, operation: Operation, record: dict[str, Any]) -> None:
    """Hold one entry of the ledger against what was asked for and allowed."""
    may = operation.may_be_public(play.settings)
    if record["visibility"] == "public":
        play.tally["public_submissions"] += 1
        play.tally["public_with_both_opt_ins"] += may
        if not may:
            play.wrong(f"a public {operation.action} that was not asked for or not allowed")
    if record["kind"] == "url" and record["fields"].get("crawler") != operation.params.get("crawler", "local"):
        play.wrong("a URL was submitted without its crawler, or with another")
    inner = operation.params.get("url") in (*INNER_URLS, ZONE_URL)
    if inner and not play.settings["allow_internal_urls"]:
        play.wrong("the appliance was sent to an internal address")


def replay(play: Play) -> None:
    """The same operation id again, sometimes with other parameters: never a second entry."""
    if not play.operations:
        return
    name = play.rng.choice(sorted(play.operations))
    operation = play.operations[name]
    if play.rng.random() < 0.3:
        operation = replace(operation, params={**operation.params, "tlp": "red"})
    elif operation.action == "submit_url" and play.rng.random() < 0.3:
        other = {**operation.params, "url": "https://other.example.com/"}
        operation = replace(operation, params=other, private=False)
    _submit(play, name, operation)
    play.tally["replays"] += 1


def load(play: Play) -> None:
    play.known.add(play.lab.load(classification=play.rng.choice(("malicious", "goodware")))["sha1"])


def load_again(play: Play) -> None:
    """Somebody else puts a sample there again that a plan named: what was confirmed before must not take it away."""
    named = sorted(set().union(*(hashes for hashes, _ in play.plans.values())) - play.known)
    if named:
        play.lab.load(sha1=(sha1 := play.rng.choice(named)))
        play.known.add(sha1)


def plan_deletion(play: Play) -> None:
    if not play.known:
        return
    chosen = play.rng.sample(sorted(play.known), min(len(play.known), play.rng.randint(1, 5)))
    outcome: Any = play.run("bulk_delete", {"hash_values": chosen, "plan": True})
    if outcome is not None and outcome.result.digest:
        play.plans[outcome.result.digest] = frozenset(chosen), play.lab.product.clock.time()


def confirm_deletion(play: Play) -> None:
    """Confirm a plan; or a stale one, one of other hashes, one of another user or appliance, or none at all."""
    if not play.known:
        return
    digest = play.rng.choice((*play.plans, "6741f2c0-0123456789abcdef0123456789abcdef"))
    hashes, planned = play.plans.get(digest, (frozenset(), 0.0))
    asked = set(hashes)
    if not asked or play.rng.random() < 0.3:
        asked = set(play.rng.sample(sorted(play.known), min(len(play.known), play.rng.randint(1, 5))))
    if play.rng.random() < 0.2:
        digest = _foreign(play, asked)
        hashes = frozenset()
    in_time = play.lab.product.clock.time() - planned <= PLAN_SECONDS + 1
    if asked == hashes and in_time and play.settings["allow_delete"] and len(asked) <= play.settings["max_delete"]:
        play.may_go |= asked
    shuffled = play.rng.sample(sorted(asked), len(asked))
    _delete(play, play.name(), {"hash_values": shuffled, "confirm": digest})


def _foreign(play: Play, asked: set[str]) -> str:
    """The digest of a plan of these very hashes, made a moment ago with another token or on another appliance."""
    own = play.rng.random() < 0.5
    key = sha256(play.lab.token.encode()).digest() if own else b"another token"
    origin = "https://another.example.com" if own else play.lab.url
    context = Context(generation="current", origin=origin, key=key)
    return seal(context, sorted(asked), int(play.lab.product.clock.time()))


def _delete(play: Play, name: str, params: dict[str, Any]) -> None:
    ledger = play.lab.product.ledger
    before = len(ledger.deletes)
    play.run("bulk_delete", params, name)
    gone = sum(record["sha1"] is not None for record in ledger.deletes[before:])
    play.tally["deletes"] += gone
    if gone:
        play.deletions[name] = params


def replay_deletion(play: Play) -> None:
    """The same confirmation under the same id: what was done is not done again, whoever put something there since."""
    if play.deletions:
        name = play.rng.choice(sorted(play.deletions))
        _delete(play, name, play.deletions[name])
        play.tally["replays"] += 1


def look_up(play: Play) -> None:
    if play.known:
        tlp = play.rng.choice(TLP)
        more = {"tlp": tlp} if tlp else {}
        play.run("get_classification", {"hash_value": play.rng.choice(sorted(play.known)), **more})


def pass_time(play: Play) -> None:
    play.lab.time.sleep(play.rng.choice((1.0, 60.0, 600.0, 1200.0)))


def change_settings(play: Play) -> None:
    play.settings = settings(play.rng)


Step = Callable[[Play], None]
STEPS: tuple[Step, ...] = (
    *(submit_file, submit_url, submit_url, replay, load, load_again, plan_deletion, plan_deletion),
    *(confirm_deletion, confirm_deletion, confirm_deletion, replay_deletion, look_up, pass_time, change_settings),
)


def settings(rng: random.Random) -> dict[str, Any]:
    return {
        "allow_cloud": rng.random() < 0.5,
        "allow_delete": rng.random() < 0.6,
        "allow_internal_urls": rng.random() < 0.3,
        "private_zones": ZONES,
        "max_delete": rng.choice((2, 100)),
        "api_generation": rng.choice(("current", "legacy")),
    }


def played(lab: Lab, state: str, rng: random.Random, steps: Sequence[Step] = ()) -> Play:
    """One sequence of these steps, or of 4 to 14 drawn ones."""
    lab.as_new()
    default = rng.choice(("cloud", "local"))
    lab.switch(crawler_default_uploads=default, crawler_default_submit=default)
    play = Play(lab, rng, state, settings(rng))
    for _ in range(rng.randint(0, 4)):
        load(play)
    for step in steps or [rng.choice(STEPS) for _ in range(rng.randint(4, 14))]:
        step(play)
        play.check()
    return play


def measured(count: int, seed: int) -> tuple[dict[str, Any], list[str]]:
    began, tally, problems = time.monotonic(), Counter[str](), list[str]()
    with serve(release="9.6") as appliance:
        lab = Lab(appliance)
        for number in range(count):
            with tempfile.TemporaryDirectory(dir=MEMORY) as state:  # a journal each: opening one reads all of it
                play = played(lab, state, random.Random(seed + number))
            tally.update(play.tally)
            problems += [f"seed {seed + number}: {problem}" for problem in play.problems]
        lab.http.close()
    line = {"sequences": count, **{name: tally[name] for name in FIGURES}, "seed": seed}
    return line | {"seconds": round(time.monotonic() - began, 1)}, problems


@click.command()
@click.option("--count", default=10_000)
@click.option("--seed", default=1)
def main(count: int, seed: int) -> None:
    """Play sequences and hold the ledger against them."""
    line, problems = measured(count, seed)
    for problem in problems[:20]:
        click.echo(problem, err=True)
    click.echo(json.dumps(line))
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
