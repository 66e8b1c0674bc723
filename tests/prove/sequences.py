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
from dataclasses import dataclass, field
from typing import Any

import click

from connector import Connector, InputRefused, Outcome, SpectraError
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


@dataclass
class Play:
    """One sequence: the appliance, what may be done, and what was planned and confirmed so far."""

    lab: Lab
    rng: random.Random
    state: str
    settings: dict[str, Any]
    tally: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    plans: dict[str, tuple[frozenset[str], float]] = field(default_factory=dict)
    allowed_deletes: set[str] = field(default_factory=set)
    allowed_public: int = 0
    operations: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
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

    def wrong(self, what: str) -> None:
        self.tally["violations"] += 1
        self.problems.append(what)

    def _marked(self, tlp: str | None, outcome: Outcome) -> None:
        """What comes out is marked at least as strictly as what went in."""
        if tlp is None or not outcome.stix:
            return
        for item in outcome.stix["objects"]:
            names = [MARKINGS[ref] for ref in item.get("object_marking_refs", ()) if ref in MARKINGS]
            if names and ORDER.index(names[0]) < ORDER.index(tlp):
                self.wrong(f"{item['type']} is marked {names[0]} where the input was {tlp}")

    def check(self) -> None:
        """Hold the ledger against everything that was allowed so far."""
        ledger = self.lab.product.ledger
        public = [record for record in ledger.submissions if record["visibility"] == "public"]
        if len(public) > self.allowed_public:
            self.wrong(f"{len(public)} public submissions where {self.allowed_public} were asked for and allowed")
        for record in ledger.submissions:
            if record["kind"] == "url" and "crawler" not in record["fields"]:
                self.wrong("a URL was submitted without its crawler")
        gone = {sha1 for sha1 in self.known if self.lab.product.local.find(sha1) is None}
        if not gone <= self.allowed_deletes:
            self.tally["outside_a_plan"] += len(gone - self.allowed_deletes)
            self.wrong("a sample is gone that no confirmed plan named")

    known: set[str] = field(default_factory=set)


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
    play.serial += 1
    content = f"content {play.serial} {play.rng.random()}".encode()
    _submit(play, "submit_file", {"content_base64": b64encode(content).decode(), **wishes}, asks, private=False)


def submit_url(play: Play) -> None:
    wishes, asks = _wishes(play, "url")
    url = play.rng.choice((*PUBLIC_URLS, *INNER_URLS, *SECRET_URLS, ZONE_URL))
    private = url in INNER_URLS or url in SECRET_URLS or url == ZONE_URL
    _submit(play, "submit_url", {"url": url, **wishes}, asks, private=private)


def _submit(play: Play, action: str, params: dict[str, Any], asks: bool, *, private: bool) -> None:
    play.serial += 1
    name = f"operation-{play.serial}-{play.rng.getrandbits(64)}"
    may = asks and play.settings["allow_cloud"] and params.get("tlp") not in STRICT and not private
    play.allowed_public += may
    before = len(play.lab.product.ledger.submissions)
    outcome = play.run(action, params, name)
    made = len(play.lab.product.ledger.submissions) - before
    if made > 1 or (outcome is not None and made != 1):
        play.wrong(f"{made} entries for one {action}")
    inner = params.get("url") in (*INNER_URLS, ZONE_URL)
    if made and inner and not play.settings["allow_internal_urls"]:
        play.wrong("the appliance was sent to an internal address")
    if made == 0:
        play.allowed_public -= may
    play.tally["public_submissions"] += may and made
    if outcome is not None:
        play.operations[name] = action, params


def replay(play: Play) -> None:
    """The same operation id again, sometimes with other parameters: never a second entry."""
    if not play.operations:
        return
    name = play.rng.choice(sorted(play.operations))
    action, params = play.operations[name]
    changed = {**params, "tlp": "red"} if play.rng.random() < 0.3 else params
    if action == "submit_url" and play.rng.random() < 0.3:
        changed = {**params, "url": "https://other.example.com/"}
    before = len(play.lab.product.ledger.submissions)
    play.run(action, changed, name)
    if len(play.lab.product.ledger.submissions) != before:
        play.wrong("an operation id made a second entry")
    play.tally["replays"] += 1


def load(play: Play) -> None:
    play.known.add(play.lab.load(classification=play.rng.choice(("malicious", "goodware")))["sha1"])


def plan_deletion(play: Play) -> None:
    if not play.known:
        return
    chosen = play.rng.sample(sorted(play.known), min(len(play.known), play.rng.randint(1, 5)))
    outcome: Any = play.run("bulk_delete", {"hash_values": chosen, "plan": True})
    if outcome is not None and outcome.result.digest:
        play.plans[outcome.result.digest] = frozenset(chosen), play.lab.product.clock.time()


def confirm_deletion(play: Play) -> None:
    """Confirm a plan; or a stale one, another's, one of other hashes, or none at all."""
    if not play.known:
        return
    digest = play.rng.choice((*play.plans, "6741f2c0-0123456789abcdef0123456789abcdef"))
    hashes, planned = play.plans.get(digest, (frozenset(), 0.0))
    asked = set(hashes)
    if not asked or play.rng.random() < 0.4:
        asked = set(play.rng.sample(sorted(play.known), min(len(play.known), play.rng.randint(1, 5))))
    in_time = play.lab.product.clock.time() - planned <= 901
    if asked == set(hashes) and in_time and play.settings["allow_delete"] and len(asked) <= play.settings["max_delete"]:
        play.allowed_deletes |= asked
    before = len(play.lab.product.ledger.deletes)
    shuffled = play.rng.sample(sorted(asked), len(asked))
    play.run("bulk_delete", {"hash_values": shuffled, "confirm": digest})
    play.tally["deletes"] += len(play.lab.product.ledger.deletes) - before


def look_up(play: Play) -> None:
    if play.known:
        tlp = play.rng.choice(TLP)
        more = {"tlp": tlp} if tlp else {}
        play.run("get_classification", {"hash_value": play.rng.choice(sorted(play.known)), **more})


def pass_time(play: Play) -> None:
    play.lab.time.sleep(play.rng.choice((1.0, 60.0, 600.0, 1200.0)))


def change_settings(play: Play) -> None:
    play.settings = settings(play.rng)


STEPS = (
    *(submit_file, submit_url, submit_url, replay, load, load),
    *(plan_deletion, confirm_deletion, look_up, pass_time, change_settings),
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


def played(lab: Lab, state: str, seed: int, most: int = 14) -> Play:
    """One sequence from its seed."""
    rng = random.Random(seed)
    lab.as_new()
    default = rng.choice(("cloud", "local"))
    lab.switch(crawler_default_uploads=default, crawler_default_submit=default)
    play = Play(lab, rng, state, settings(rng))
    for _ in range(rng.randint(4, most)):
        rng.choice(STEPS)(play)
        play.check()
    return play


def measured(count: int, seed: int) -> tuple[dict[str, Any], list[str]]:
    began, tally, problems = time.monotonic(), Counter[str](), list[str]()
    with serve(release="9.6") as appliance:
        lab = Lab(appliance)
        with tempfile.TemporaryDirectory() as state:
            for number in range(count):
                play = played(lab, state, seed + number)
                tally.update(play.tally)
                problems += [f"seed {seed + number}: {problem}" for problem in play.problems]
        lab.http.close()
    names = ("steps", "refused", "failed", "replays", "public_submissions", "deletes", "outside_a_plan", "violations")
    line = {"sequences": count, **{name: tally[name] for name in names}, "seed": seed}
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
