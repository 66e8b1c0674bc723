"""What the appliance, or the cloud, knows about one file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType

from connector.emulator.product.hashes import Hashes

CLASSIFICATIONS = ("malicious", "suspicious", "goodware", "unknown")
UNKNOWN_RISKSCORE = 5  # what list bodies of the appliance show for samples nobody has classified
SCANNERS = 38  # how many antivirus engines have looked
_NOTHING: Mapping[str, tuple[str, ...]] = MappingProxyType({})
_EPOCH = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Classification decides; the riskscore places it within its band."""

    classification: str = "unknown"
    riskscore: int = UNKNOWN_RISKSCORE
    threat_name: str | None = None
    reason: str = "unknown"
    origin: Hashes | None = None

    @property
    def known(self) -> bool:
        return self.classification != "unknown"

    @property
    def threat_level(self) -> int:
        """Old severity 0-5. The vendor publishes no formula: this halving is the emulator's own."""
        return (self.riskscore + 1) // 2 if self.classification in {"malicious", "suspicious"} else 0

    @property
    def trust_factor(self) -> int:
        """Old trust 0-5, 0 the most trusted. The emulator's own mapping, as above."""
        return min(self.riskscore, 5)

    def threat_parts(self) -> tuple[str | None, str | None, str | None]:
        """Platform, type and family of `Platform.Type.Family`."""
        platform, kind, family = [*(self.threat_name or "").split(".", 2), "", ""][:3]
        return platform or None, kind or None, family or None


@dataclass(frozen=True, slots=True)
class Identity:
    """What kind of file it is, as static analysis names it."""

    category: str = "other"
    file_type: str = "Binary"
    file_subtype: str = "None"
    name: str = "Unknown"
    version: str = ""

    def sample_type(self) -> str:
        return f"{self.file_type}/{self.file_subtype}/{self.name}"


@dataclass(frozen=True, slots=True)
class Sample:
    id: int
    hashes: Hashes
    size: int = 0
    identity: Identity = Identity()
    names: tuple[str, ...] = ()
    verdict: Verdict = Verdict()
    first_seen: datetime = _EPOCH
    last_seen: datetime = _EPOCH
    user_tags: tuple[str, ...] = ()
    ticore_tags: tuple[str, ...] = ()
    comments: tuple[str, ...] = ()
    av_match: int = 0
    extracted_count: int = 0
    only_extracted: bool = False
    imphash: str | None = None
    source_url: str | None = None
    cloud_lookup: datetime | None = None
    properties: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: _NOTHING, hash=False)

    @property
    def name(self) -> str:
        return self.names[0] if self.names else self.hashes.sha1


def merged(*groups: tuple[str, ...]) -> tuple[str, ...]:
    """Join lists without repeating anything, first come first."""
    return tuple(dict.fromkeys(item for group in groups for item in group))
