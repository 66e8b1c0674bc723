"""Static analysis of content: what it is, what the rules say, what lies inside it."""

from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from connector.emulator.product.archive import members_of
from connector.emulator.product.content import Content
from connector.emulator.product.hashes import hashes_of
from connector.emulator.product.identity import identify
from connector.emulator.product.rules import HEAD_BYTES, judge, worst
from connector.emulator.product.sample import SCANNERS, Identity, Sample, Verdict
from connector.emulator.product.state import Product


@dataclass(frozen=True, slots=True)
class Inside:
    """A file found in a container."""

    name: str
    content: Content


@dataclass(frozen=True, slots=True)
class Findings:
    content: Content
    identity: Identity
    verdict: Verdict
    inside: tuple[Inside, ...] = ()


def examine(content: Content) -> Findings:
    """Look at content. A container that nothing is known of takes the worst verdict inside it, with its origin."""
    verdict = judge(content.head)
    inside = tuple(_look_inside(content)) if content.path else ()
    if inside and not verdict.known:
        verdict = worst([replace(judge(i.content.head), origin=i.content.hashes) for i in inside])
        verdict = verdict if verdict.classification in {"malicious", "suspicious"} else Verdict()
    return Findings(content, identify(content.head), verdict, inside)


def sample_from(product: Product, findings: Findings, names: tuple[str, ...]) -> Sample:
    now = product.clock.now()
    content = findings.content
    return Sample(
        id=next(product.ids.samples),
        hashes=content.hashes,
        size=content.size,
        identity=findings.identity,
        names=names,
        verdict=findings.verdict,
        first_seen=now,
        last_seen=now,
        ticore_tags=_tags(findings),
        av_match=detections(findings.verdict),
        extracted_count=len(findings.inside),
    )


def children_of(product: Product, findings: Findings) -> list[Sample]:
    """Samples for the files inside: they exist only as extracted files, which single deletion refuses."""
    samples = []
    for item in findings.inside:
        within = Findings(item.content, identify(item.content.head), judge(item.content.head))
        samples.append(replace(sample_from(product, within, (item.name,)), only_extracted=True))
    return samples


def detections(verdict: Verdict) -> int:
    """How many scanners would have found it: the emulator's own measure, the worse the more."""
    bad = verdict.classification in {"malicious", "suspicious"}
    return max(1, SCANNERS * verdict.riskscore // 12) if bad else 0


def _look_inside(content: Content) -> list[Inside]:
    found = []
    for name, data in members_of(content.path) if content.path else ():
        bare = Content(hashes_of(data), len(data), data[:HEAD_BYTES])
        found.append(Inside(PurePosixPath(name).name, bare))
    return found


def _tags(findings: Findings) -> tuple[str, ...]:
    tags = ["antivirus"] if findings.verdict.reason == "antivirus" else []
    if any(item.content.head.startswith(b"MZ") for item in findings.inside):
        tags.append("contains-pe")
    return tuple(tags)
