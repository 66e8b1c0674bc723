"""The STIX oracle: the pattern of a hostile file name or URL matches the thing it came from, and nothing else.

``python tests/prove/oracle.py --count 100000 --seed 1`` makes names and URLs from a grammar of attacks, puts each into
a malicious verdict, and has ``stix2-matcher``, which knows nothing of this package, judge what comes out of
``connector.stix.bundle``: each indicator's pattern must be valid, match an observation of exactly its source, and none
of several near misses. A third kind of pattern compares a name as it is, because no pattern of ours holds one and the
escaper must bear it all the same. One JSON line; exit code 1 when anything was wrong.
"""

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

from stix2matcher.matcher import MatchListener, Pattern
from stix2patterns.validator import run_validator

sys.path.insert(0, str(Path(__file__).parents[2]))

from connector.stix import StixOptions, bundle
from connector.stix_text import literal, uri
from connector.verdict import File, Url, Verdict

Observable = dict[str, Any]
WHEN = "2026-01-31T12:00:00Z"
MOST_SHOWN = 20
ATTACKS = (
    *("'", "''", '"', "\\", "\\\\", "\\'", "'\\", "'] OR [", "']", "['", "[", "]", "(", ")", "' OR '1'='1"),
    *("' OR file:name != '", "' OR url:value != '", "' OR url:value LIKE '%", "' OR url:value MATCHES '.*", "'] --"),
    *("2020-01-01T00:00:00Z", "t'2020-01-01T00:00:00Z'", "h'00ff'", "b'AAAA'", "true", "NULL", "1.5", "-1"),
    *("%", "_", "*", "?", "%27", "%5C", "%5c%27", "%00", "%0a", "%zz", "%", "%%", "+", "&#39;", "&", ";", ","),
    *("\n", "\r\n", "\t", "\x00", "\x0b", "\x1b[31m", "\x7f", "\x85", "\u2028", "\u2029", "\ufeff", "\ufffe"),
    *("\u202e", "\u2066", "\u200b", "\u00ad", "e\u0301", "\u00e9", "\uff07", "\u02bc", "\u2019", "\U0001f4a9"),
    *("\ud800", "\udfff", "\udc80\ud83d", "\\ud800", "\\u0027", "\\x27", "\\n", "${x}", "{{x}}", "<b>", "//", "/*"),
    *("AND", "OR", "NOT", " FOLLOWEDBY ", " START t'2020-01-01T00:00:00Z' STOP ", "IN ('a','b')", ".exe", " "),
)
HOSTS = (
    *("a.example", "A.EXAMPLE", "b\u00fccher.example", "xn--bcher-kva.example", "[2001:db8::1]", "198.51.100.7"),
    *("u:p@a.example", "a.example:8080", "a'b.example", "a%27b.example", "a_b.example", "\uff41.example", "a.example."),
)
SCHEMES = ("http://", "https://", "HTTP://", "ftp://", "")


@dataclass(frozen=True, slots=True)
class Trial:
    """A pattern, the observation that it must match, and those that it must not."""

    kind: str
    text: str
    pattern: str
    source: Observable
    others: tuple[Observable, ...]


def hostile(rng: random.Random) -> str:
    """One text of several attacks; now and then a very long one."""
    parts = rng.choices(ATTACKS, k=rng.randint(1, 6))
    if rng.random() < 0.2:
        parts.insert(rng.randrange(len(parts) + 1), chr(rng.choice((rng.randrange(0x80), rng.randrange(0x110000)))))
    if rng.random() < 0.002:
        parts *= rng.randint(100, 1000)
    return "".join(parts)


def hostile_url(rng: random.Random) -> str:
    """A URL with attacks in its path, query or fragment, and at times in its host."""
    host = rng.choice(HOSTS) if rng.random() < 0.9 else hostile(rng)
    return rng.choice(SCHEMES) + host + rng.choice("//?#") + hostile(rng)


def hexadecimal(rng: random.Random, length: int) -> str:
    return f"{rng.getrandbits(length * 4):0{length}x}"


def other_digit(rng: random.Random, value: str) -> str:
    """The same hash but for one digit."""
    place = rng.randrange(len(value))
    return (
        value[:place]
        + rng.choice([digit for digit in "0123456789abcdef" if digit != value[place]])
        + value[place + 1 :]
    )


def other_character(rng: random.Random, value: str) -> str:
    """The same text but for one character, and never one that Unicode calls equivalent."""
    place = rng.randrange(len(value))
    return value[:place] + ("x" if value[place] != "x" else "y") + value[place + 1 :]


def of_file(rng: random.Random) -> Trial | None:
    """A file with a hostile name: the pattern is over hashes, whatever the name says."""
    name, every = hostile(rng), rng.random() < 0.25
    hashes = {"SHA-256": hexadecimal(rng, 64), "SHA-1": hexadecimal(rng, 40), "MD5": hexadecimal(rng, 32)}
    known = File(name=name, sha256=hashes["SHA-256"], sha1=hashes["SHA-1"], md5=hashes["MD5"])
    pattern = indicated(Verdict(subject=known, classification="malicious", threat_name=hostile(rng)), every)
    changed = {algorithm: other_digit(rng, value) for algorithm, value in hashes.items()}
    others = ({"name": name, "hashes": changed}, {"name": name}, {"name": "", "hashes": {"SHA-256": "0" * 64}})
    shifted = {"hashes": {"SHA-512": hashes["SHA-256"] * 2}, "name": hashes["SHA-256"]}
    source = {"type": "file", "hashes": hashes}
    return Trial("file", name, pattern, source, tuple({"type": "file", **other} for other in (*others, shifted)))


def of_url(rng: random.Random) -> Trial | None:
    """A hostile URL; None where it is no URL in the sense of RFC 3986 and the bundle leaves it out."""
    text = hostile_url(rng)
    proper = uri(text)
    if proper is None:
        return None
    pattern = indicated(Verdict(subject=Url(value=text), classification="malicious"), every=False)
    others = {other_character(rng, proper), proper + "x", proper[:-1], "", "http://benign.example/", text} - {proper}
    return Trial(
        "url", text, pattern, {"type": "url", "value": proper}, tuple({"type": "url", "value": o} for o in others)
    )


def of_name(rng: random.Random) -> Trial | None:
    """The escaper alone: a name compared as it is, with nothing cleaned before."""
    name = hostile(rng)
    others = {other_character(rng, name), name + "'", name[1:], "", "benign.txt"} - {name}
    source = {"type": "file", "name": name}
    return Trial(
        "name", name, f"[file:name = {literal(name)}]", source, tuple({"type": "file", "name": o} for o in others)
    )


def indicated(verdict: Verdict, every: bool) -> str:
    """The pattern of the one indicator in the bundle of a verdict; the bundle must be text that can be sent."""
    options = StixOptions(pattern_hashes="all" if every else "strongest")
    made = bundle([verdict], options, WHEN).objects or {"objects": []}
    json.dumps(made, ensure_ascii=False).encode()
    (found,) = (each["pattern"] for each in made["objects"] if each["type"] == "indicator")
    return str(found)


def observations(things: tuple[Observable, ...]) -> list[dict[str, Any]]:
    """One observation of each thing, in a bundle as the matcher takes it."""
    objects: list[dict[str, Any]] = []
    for number, thing in enumerate(things):
        seen = {
            "first_observed": WHEN,
            "last_observed": WHEN,
            "number_observed": 1,
            "object_refs": [f"thing--{number}"],
        }
        objects += [
            {"type": "observed-data", "id": f"observed-data--{number}", **seen},
            thing | {"id": f"thing--{number}"},
        ]
    return [{"type": "bundle", "objects": objects}]


def judge(trial: Trial) -> str | None:
    """What is wrong with a pattern, or None: it is valid, and binds the first observation and no other."""
    if problems := run_validator(trial.pattern, stix_version="2.1"):
        return f"not valid: {problems[0]}"
    listener = MatchListener(observations((trial.source, *trial.others)), stix_version="2.1")
    Pattern(trial.pattern, "2.1").walk(listener)
    bound = sorted({place for binding in listener.matched() for place in binding})
    if 0 not in bound:
        return "does not match its source"
    return f"matches {len(bound) - 1} of {len(trial.others)} near misses" if len(bound) > 1 else None


def sceptical() -> None:
    """The oracle must notice a pattern that matches too much, one that matches nothing, and one that is not valid."""
    source, other = {"type": "file", "name": "a"}, {"type": "file", "name": "b"}
    for pattern in ("[file:name = 'x' OR file:name != 'y']", "[file:name = 'x']", "[file:name = 'x'y']"):
        assert judge(Trial("planted", "", pattern, source, (other,))), f"the oracle accepts {pattern}"


def trials(seed: int) -> Iterator[Callable[[], Trial | None]]:
    """Trials of the three kinds in turn, without end; the same seed gives the same ones."""
    rng = random.Random(seed)
    return (partial(make, rng) for make in cycle((of_file, of_url, of_name)))


def tried(source: Iterator[Callable[[], Trial | None]]) -> tuple[Trial | None, str | None]:
    """The next trial and what is wrong with it; a crash is wrong as well."""
    try:
        trial = next(source)()
        return trial, judge(trial) if trial else None
    except Exception as crash:  # noqa: BLE001 - whatever is raised here is what the proof looks for
        return Trial("crash", "", "", {}, ()), f"raised {type(crash).__name__}: {crash}"[:200]


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--count", type=int, default=100_000)
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    sceptical()
    began, tally, wrong = time.perf_counter(), Counter[str](), list[dict[str, str]]()
    source = trials(chosen.seed)
    while tally["patterns"] < chosen.count:
        trial, problem = tried(source)
        if trial is None:
            tally["left_out"] += 1
            continue
        tally["patterns"] += 1
        tally["near_misses"] += len(trial.others)
        if problem:
            wrong.append({"kind": trial.kind, "input": ascii(trial.text)[:200], "problem": problem})
    line: dict[str, Any] = {"oracle": "stix2-matcher", "count": chosen.count, "seed": chosen.seed}
    line |= {
        "patterns": tally["patterns"],
        "left_out": tally["left_out"],
        "near_misses": tally["near_misses"],
        "mismatches": len(wrong),
    }
    line |= {"seconds": round(time.perf_counter() - began, 1), "shown": wrong[:MOST_SHOWN]}
    sys.stdout.write(json.dumps(line) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
