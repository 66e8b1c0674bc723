"""What is wanted of an enrichment, as one checked value: from where, to where, in which words, and at what price."""

from typing import Annotated, Any, Final, Literal, get_args
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, model_validator

from connector.check import refusal
from connector.enrichment.extraction.shapes import Shape
from connector.vocabulary import Classification, Message, Tlp

FormatName = Literal["ecs", "ocsf", "splunk", "sentinel", "stix", "cef"]
Emit = Literal["events", "indicators", "findings"]
ActionName = Literal["get_ticloud_reputation", "get_classification"]
EMITS: Final[dict[FormatName, tuple[Emit, ...]]] = {
    "ecs": ("events", "indicators"),
    "ocsf": ("events", "indicators", "findings"),
    "splunk": ("events", "indicators"),
    "sentinel": ("indicators",),
    "stix": ("indicators",),
    "cef": ("findings",),
}
REDIS: Final = ("redis", "rediss", "unix")
STANDARD: Final = "-"  # standard input or output


class Order(Message):
    """All that an enrichment can be told, with what it does when it is told nothing.

    ``rate`` is look-ups a second and ``quota`` look-ups a day, over all workers that share ``cache``; ``lifetime`` is
    text as in ``malicious=7d,unknown=30m``; ``patience`` are seconds, 0 without end.
    """

    source: str = STANDARD
    output: str = STANDARD
    dead_letter: str | None = None
    format: FormatName = "ecs"
    emit: Emit | None = None
    shape: Shape = "auto"
    fields: tuple[str, ...] = ()
    urls: bool = False
    only: tuple[Classification, ...] = get_args(Classification)
    tlp: Tlp = "amber"
    action: ActionName = "get_ticloud_reputation"
    at_once: Annotated[int, Field(ge=1, le=256)] = 50
    rate: Annotated[float, Field(gt=0, le=10_000)] | None = None
    quota: Annotated[int, Field(ge=1)] | None = None
    on_quota: Literal["wait", "pass"] = "wait"
    lifetime: str = ""
    cache: str | None = None
    checkpoint: str | None = None
    group: str | None = None
    consumer: str | None = None
    claim_after: Annotated[float, Field(ge=1)] = 60.0
    follow: bool = False
    replay: bool = False
    append: bool = False
    ordered: bool = True
    patience: Annotated[float, Field(ge=0)] = 600.0
    max_line: Annotated[int, Field(ge=1024)] = 1 << 20
    ca_file: str | None = None
    kafka_config: str | None = None

    @model_validator(mode="after")
    def _fits(self) -> "Order":
        allowed = EMITS[self.format]
        if self.emit is not None and self.emit not in allowed:
            raise ValueError(f"emit: {self.format} can be {' or '.join(allowed)}")
        if self.follow and (self.replay or "://" in self.source or self.source == STANDARD):
            raise ValueError("follow: only a file can be followed; streams and standard input go on by themselves")
        if is_stream(self.source) and not self.group:
            raise ValueError("group: workers that read a stream share it by the name of their group; give one")
        return self

    @property
    def emits(self) -> Emit:
        return self.emit or EMITS[self.format][0]


def is_stream(source: str) -> bool:
    """Whether events come from a broker."""
    return scheme_of(source) in {*REDIS, "kafka"}


def scheme_of(address: str) -> str:
    """The scheme of an address, or nothing for the name of a file."""
    return urlsplit(address).scheme if "://" in address else ""


def read_order(values: dict[str, Any]) -> Order:
    """An order from raw values; what is None is left out.

    Raises:
        InputRefused: with everything that is not accepted.
    """
    given = {name: value for name, value in values.items() if value is not None}
    try:
        return Order.model_validate(given, strict=False)
    except ValidationError as error:
        refused = refusal(given, error, "the enrichment")
    raise refused
