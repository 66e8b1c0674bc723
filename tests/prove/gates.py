"""The gates of the proof: what is claimed, what runs to show it, and which of its figures are told."""

import os
from dataclasses import dataclass
from typing import Final

SEED: Final = os.environ.get("PROVE_SEED", "20261124")
MINUTE: Final = 60


@dataclass(frozen=True, slots=True)
class Gate:
    """One claim. ``command`` is run with the Python of ``home``; its last lines are JSON, and exit 0 means that it holds.

    ``shown`` names the figures of that JSON to tell; where there are several lines, ``each`` names what tells them apart.
    ``heavy`` gates use both cores and run alone.
    """

    name: str
    asked: str
    command: tuple[str, ...]
    shown: tuple[str, ...]
    each: str = ""
    home: str = ".venv"
    minutes: int = 10
    heavy: bool = False


def script(name: str, *more: str) -> tuple[str, ...]:
    return ("-m", f"tests.prove.{name}", *more)


GATES: Final = (
    Gate(
        "planted defects",
        "each gate catches the defect that is planted for it",
        script("planted"),
        ("planted", "caught", "missed"),
        minutes=15,
        heavy=True,
    ),
    Gate(
        "mutation",
        "score at least 90 % on retry, reader, guards, journal and STIX; survivors listed with their reason",
        ("tests/prove/mutation.py", "--all", "--survivors", "docs/mutants.jsonl", "--children", "2"),
        ("mutants", "killed", "survived", "wording", "score"),
        each="module",
        home=".venv-prove",
        minutes=30,
        heavy=True,
    ),
    Gate(
        "campaign",
        "10,000 injected faults over real sockets: 0 duplicate submissions, 0 lost, 0 uncaught, 0 wrong outcome",
        script("crowd", "--faults", "10000", "--seed", SEED),
        ("injected", "operations", "duplicates", "lost", "uncaught", "wrong", "unknown", "recovered", "seconds"),
    ),
    Gate(
        "crashes, enumerated",
        "kill at every durable system call: 0 lost, 0 submitted twice",
        script("crashes"),
        ("points", "lost", "twice", "unknown", "seconds"),
        minutes=20,
    ),
    Gate(
        "crashes, at random",
        "200 random kill -9: 0 lost, 0 submitted twice",
        script("crashes", "--random", "200", "--seed", SEED),
        ("points", "lost", "twice", "unknown", "seconds"),
    ),
    Gate(
        "playbook kills",
        "kill -9 at every step of three playbooks, and of who takes over: 0 lost, 0 submitted or deleted twice",
        ("-m", "tests.playbooks.victim_kills", "--pairs", "60", "--seed", SEED),
        ("points", "lost", "twice", "short", "seconds"),
    ),
    Gate(
        "fuzzing",
        "1,000,000 fuzzed inputs for each parser: 0 uncaught",
        ("tests/prove/fuzz.py", "--all", "--whole", "--runs", "1000000", "--seed", SEED),
        ("runs", "uncaught", "seconds"),
        each="target",
        home=".venv-prove",
        minutes=25,
    ),
    Gate(
        "STIX oracle",
        "100,000 hostile names and URLs: each pattern matches its source and nothing else",
        ("tests/prove/oracle.py", "--count", "100000", "--seed", SEED),
        ("count", "patterns", "mismatches", "seconds"),
        home=".venv-prove",
    ),
    Gate(
        "call sequences",
        "10,000 random call sequences: 0 public submissions without the double opt-in, 0 deletions outside a plan",
        script("sequences", "--count", "10000", "--seed", SEED),
        ("sequences", "steps", "public_submissions", "deletes", "outside_a_plan", "violations", "seconds"),
    ),
    Gate(
        "secrets",
        "a canary token and password through every action, every fault, every log and dump: zero hits",
        script("canary"),
        ("runs", "sinks", "searched_bytes", "hits"),
    ),
    Gate(
        "deadlines",
        "overshoot of the deadline at most 0.5 s",
        script("lateness"),
        ("cases", "worst_overshoot", "seconds"),
    ),
    Gate(
        "soak",
        "15,000 faulty requests: memory and file descriptors flat",
        script("soaking", "--requests", "15000"),
        ("requests", "rss_slope", "rss_growth_mb", "descriptors", "seconds"),
    ),
    Gate(
        "storm",
        "retries add at most a fifth to the load of an outage; one probe for each window of a breaker",
        script("storm"),
        ("clients", "amplification", "probes_per_window", "tokens"),
    ),
)
