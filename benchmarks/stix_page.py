"""How much faster a page of search results becomes STIX from forms than from stix2 classes.

Both ways make the same page, and the objects are compared one by one before anything is timed. The stix2 way gets
its property values ready-made (finding them out is not counted) and computes the ids of observables itself, as
stix2 does. Run it with ``python -m benchmarks.stix_page``.
"""

import json
import sys
import time
from collections.abc import Callable
from hashlib import md5, sha1, sha256

from connector import stix
from connector.verdict import Verdict, read_verdict

TYPES = ("Trojan", "Ransomware", "Backdoor", "Downloader", "Worm", "Exploit", "PUA")
FAMILIES = ("Emotet", "WannaCry", "Generic", "Heuristic", "Zbot", "AgentTesla", "Phorpiex", "Adrozek", "Lokibot")
WORDS = ("malicious", "malicious", "malicious", "suspicious", "goodware", "unknown")
ANSWERED_AT = "2026-11-23T12:00:00Z"
OBSERVABLES = {"file", "url"}


def page(size: int = 100) -> list[Verdict]:
    """Verdicts as a search returns them; mostly threats, in the vendor's words for search entries."""
    made = [read_verdict(entry(n)) for n in range(size)]
    return [verdict for verdict in made if verdict is not None]


def entry(n: int, word: str | None = None) -> dict[str, object]:
    seed = str(n).encode()
    word = word or WORDS[n % len(WORDS)]
    threat = word in {"malicious", "suspicious"}
    return {
        "available": True,
        "md5": md5(seed).hexdigest(),
        "sha1": sha1(seed).hexdigest(),
        "sha256": sha256(seed).hexdigest(),
        "classification": word,
        "threatname": f"Win32.{TYPES[n % len(TYPES)]}.{FAMILIES[n % len(FAMILIES)]}" if threat else None,
        "size": 1000 + n,
        "sampletype": "PE/Exe",
        "antivirus": n % 30,
        "filename": f"invoice-{n}.exe",
        "firstseen": f"2024-06-{1 + n % 28:02}T13:25:14Z",
        "lastseen": f"2024-07-{1 + n % 28:02}T13:41:15Z",
        "factor": 6 + n % 5 if threat else n % 6,
    }


def values(objects: list[dict]) -> list[tuple[str, dict]]:
    """The stix2 class and the arguments for each object; observables without id, which stix2 computes."""
    from stix2.registry import class_for_type

    made = []
    for item in objects:
        kind = class_for_type(item["type"], "2.1") or class_for_type(item["type"], "2.1", "observables")
        dropped = {"type", "id"} if item["type"] in OBSERVABLES else {"type"}
        made.append((kind, {key: value for key, value in item.items() if key not in dropped}))
    return made


def by_stix2(id_: str, prepared: list[tuple[Callable, dict]]) -> str:
    import stix2

    return stix2.v21.Bundle(id=id_, objects=[kind(**properties) for kind, properties in prepared]).serialize()


def fastest(*tasks: tuple[Callable[[], object], int], rounds: int = 12) -> list[float]:
    """The least CPU time of each task, taken in turns, so that a busy machine slows all of them alike."""
    best = [float("inf")] * len(tasks)
    for _ in range(rounds):
        for n, (task, times) in enumerate(tasks):
            for _ in range(times):
                started = time.process_time()
                task()
                best[n] = min(best[n], time.process_time() - started)
    return best


def compare(verdicts: list[Verdict], options: stix.StixOptions) -> float:
    """The ratio of the two ways, after a check that they say the same."""
    filled = stix.bundle(verdicts, options, ANSWERED_AT).objects
    prepared = values(filled["objects"])
    built = json.loads(by_stix2(filled["id"], prepared))
    assert len(built["objects"]) == len(filled["objects"])
    for one, other in zip(built["objects"], filled["objects"], strict=True):
        assert one == other, (one, other)
    assert json.loads(stix.bundle_bytes(verdicts, options, ANSWERED_AT)) == built
    slow, fast = fastest(
        (lambda: by_stix2(filled["id"], prepared), 1),
        (lambda: stix.bundle_bytes(verdicts, options, ANSWERED_AT), 10),
    )
    print(
        f"{len(verdicts)} verdicts, {len(built['objects'])} objects, {options.profile}: "
        f"stix2 {slow * 1e3:.1f} ms, forms {fast * 1e3:.2f} ms, ratio {slow / fast:.0f}"
    )
    return slow / fast


def main() -> None:
    every = [read_verdict(entry(n, "malicious")) for n in range(100)]
    for name, hidden in (("orjson", False), ("standard library", True)):
        if hidden:
            sys.modules["orjson"] = None  # what an installation without the extra sees
            stix._dumps.cache_clear()  # noqa: SLF001 - it remembers what is installed
        print(f"-- {name}")
        for verdicts in (page(), every):
            compare(verdicts, stix.StixOptions())
        compare(page(), stix.StixOptions(profile="full"))


if __name__ == "__main__":
    main()
