"""Makes up many varied samples quickly, the same ones for the same seed."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from connector.emulator.product.analysis import detections
from connector.emulator.product.hashes import hashes_of
from connector.emulator.product.sample import Identity, Sample, Verdict
from connector.emulator.product.state import Product

_IDENTITIES = (
    (Identity("application", "PE", "Exe", "NSIS", "Generic"), "setup-{}.exe", "Win32"),
    (Identity("application", "PE+", "Dll", "Unknown", ""), "module-{}.dll", "Win64"),
    (Identity("documents", "Document", "None", "PDF", "Generic"), "invoice-{}.pdf", "Document-PDF"),
    (Identity("text", "Text", "HTML", "HTML", "Generic"), "page-{}.html", "Document-HTML"),
    (Identity("application", "ELF64 Little", "Exe", "Unknown", ""), "daemon-{}", "Linux"),
    (Identity("archive", "Binary", "Archive", "ZIP", "Generic"), "archive-{}.zip", "Binary-Archive"),
)
_TYPES = ("Trojan", "Ransomware", "Phishing", "Downloader", "Backdoor", "Virus")
_FAMILIES = ("Emotet", "Petya", "Heuristic", "Generic", "Qakbot", "Graftor", "Delf", "Upatre")
_TAGS = ("contains-pe", "entropy-high", "cert-malformed", "capability-scripting", "email-attachment")
_YEAR_SECONDS = 365 * 86400


def synthesize(product: Product, count: int, seed: int) -> Iterator[Sample]:
    """Yield samples whose dates lie in the year before the appliance's clock."""
    chance = random.Random(seed)  # noqa: S311 - variety, not secrecy
    newest = datetime.fromtimestamp(int(product.clock.time()), UTC)
    for number in range(count):
        yield _one(product, chance, newest, f"{seed}-{number}")


def _one(product: Product, chance: random.Random, newest: datetime, label: str) -> Sample:
    identity, name, platform = _IDENTITIES[int(chance.random() * len(_IDENTITIES))]
    verdict = _verdict(chance, platform)
    age = chance.random()
    first = newest - timedelta(seconds=int(age * _YEAR_SECONDS))
    last = newest - timedelta(seconds=int(age * chance.random() * _YEAR_SECONDS))
    return Sample(
        id=next(product.ids.samples),
        hashes=hashes_of(f"synthetic {label}".encode()),
        size=1024 + int(chance.random() * 5_000_000),
        identity=identity,
        names=(name.format(label),),
        verdict=verdict,
        first_seen=first,
        last_seen=last,
        ticore_tags=(_TAGS[int(chance.random() * len(_TAGS))],),
        av_match=detections(verdict),
        extracted_count=int(chance.random() * 20),
    )


def _verdict(chance: random.Random, platform: str) -> Verdict:
    roll = chance.random()
    if roll < 0.45:
        return Verdict("goodware", int(roll * 10), None, "antivirus")
    if roll < 0.60:
        return Verdict()
    kind, family = _TYPES[int(roll * 97) % len(_TYPES)], _FAMILIES[int(roll * 1009) % len(_FAMILIES)]
    name = f"{platform}.{kind}.{family}"
    score = 6 + int(roll * 100) % 5
    return Verdict("malicious" if roll < 0.9 else "suspicious", score, name, "antivirus")
