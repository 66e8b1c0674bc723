"""The words that everything shares: hashes, classifications, tags, addresses, and the base of our messages.

Our own messages are strict (unknown keys refused, no coercion) and frozen. Each constrained string carries a
JSON Schema twin in the subset that means the same in 2020-12 and in draft-07, and in every regular expression
engine: forbidden characters are said with ``not``, never with ``$``, which some engines match before a newline.
"""

import re
from collections.abc import Collection, Iterable
from html.parser import HTMLParser
from typing import Annotated, Any, Final, Literal, NoReturn, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

Classification = Literal["malicious", "suspicious", "goodware", "unknown"]
Status = Literal["success", "pending", "not_found"]
Branch = Literal[
    "malicious",
    "suspicious",
    "goodware",
    "unknown",
    "not_found",
    "pending",
    "submitted",
    "deleted",
    "partial",
    "planned",
    "ok",
]
Effect = Literal["read", "submit", "destroy"]
Tlp = Literal["clear", "green", "amber", "amber+strict", "red"]
Generation = Literal["auto", "current", "legacy"]
HashType = Literal["md5", "sha1", "sha256", "sha512"]

TLP_SCHEMA: Final[dict[str, Any]] = {
    "enum": list(get_args(Tlp)),
    "description": "TLP 2.0 marking of this input. What comes back as STIX is marked at least so; amber and above "
    "never become public.",
}
Marking = Annotated[Tlp, WithJsonSchema(TLP_SCHEMA)]

HASH_LENGTHS: Final[dict[int, HashType]] = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}
SEVERITY: Final[dict[str, int]] = {"malicious": 3, "suspicious": 2, "unknown": 1, "goodware": 0}
MOST_HASHES: Final = 1000  # in one action; endpoints are asked in batches of 100, as other integrations do
TAGS_LENGTH: Final = 42  # vendor page "Submit samples for analysis", parameter tags
COMMENT_TAGS: Final = frozenset({"p", "br", "a", "strong", "b", "em", "i"})  # same page, parameter comment
SANDBOX_PLATFORMS: Final = (
    "windows7",
    "windows10",
    "windows11",
    "macos_11",
    "ubuntu_20",
    "linux",
    "android12",
)


class Message(BaseModel):
    """Base of every message of our own: strict, closed, immutable."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Veiled(dict[str, Any]):
    """A dict whose repr shows nothing: what holds a secret must not be told by a log line or a traceback's locals."""

    def __repr__(self) -> str:
        return "{...}"


class Unpickled:
    """Base of what holds a secret: it is never pickled, as a pickle shows everything and is soon a file."""

    __slots__ = ()

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__} may hold secrets and is not pickled; make it anew where it is needed")


def hash_type(value: str) -> HashType | None:
    """The kind of a hexadecimal hash by its length, or None (vendor SDK, helper.py, does the same)."""
    return HASH_LENGTHS.get(len(value)) if re.fullmatch(r"[0-9a-f]+", value) else None


def hash_of(lengths: Collection[int], wanted: str) -> AfterValidator:
    """Lowers a hash of one of these lengths; ``wanted`` says which ones, after "must be"."""

    def lowered(value: str) -> str:
        low = value.lower() if value.isascii() else value
        if len(low) not in lengths or hash_type(low) is None:
            raise ValueError(f"must be {wanted}")
        return low

    return AfterValidator(lowered)


def hash_schema(lengths: Iterable[int], description: str) -> dict[str, Any]:
    """The schema twin of ``hash_of``."""
    return {
        "type": "string",
        "not": {"pattern": "[^0-9a-fA-F]"},
        "anyOf": [{"minLength": n, "maxLength": n} for n in lengths],
        "description": description,
        "examples": ["3395856ce81f2b7382dee72602f798b642f14140"],
    }


def _one_type(values: list[str]) -> list[str]:
    if len({len(value) for value in values}) > 1:
        raise ValueError("must all be hashes of one type; ask once for each type")
    return list(dict.fromkeys(values))


HashValue = Annotated[
    str,
    hash_of(HASH_LENGTHS, "an MD5, SHA-1, SHA-256 or SHA-512 in hexadecimal (32, 40, 64 or 128 characters)"),
    WithJsonSchema(
        hash_schema(HASH_LENGTHS, "An MD5, SHA-1, SHA-256 or SHA-512 in hexadecimal; letters of either case.")
    ),
]
HashList = Annotated[list[HashValue], Field(min_length=1, max_length=MOST_HASHES), AfterValidator(_one_type)]


def _url(value: str) -> str:
    if re.search(URL_FORBIDDEN, value):
        raise ValueError("must not hold spaces, line breaks, quotes or other characters that a URL percent-encodes")
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        raise ValueError("must be a URL with a valid host and port") from None
    if parts.scheme.lower() not in {"http", "https"}:
        raise ValueError("must start with http:// or https://")
    if not parts.hostname:
        raise ValueError("must name a host")
    return value


URL_FORBIDDEN: Final = r"[\s\"<>\\^`{|}\u0000-\u0020\u007f-\u009f\ufffe\uffff]"
URL_SCHEMA: Final[dict[str, Any]] = {
    "type": "string",
    "pattern": "^[hH][tT][tT][pP][sS]?://[^/?#]",
    "not": {"pattern": URL_FORBIDDEN},
    "maxLength": 8192,
    "description": "An http or https URL, with everything percent-encoded that needs to be.",
    "examples": ["https://www.example.com/download?id=7"],
}
Url = Annotated[str, Field(max_length=8192), AfterValidator(_url), WithJsonSchema(URL_SCHEMA)]


def split_tags(value: str | list[str]) -> list[str]:
    """Tags as a list, from a list or from a comma-separated string."""
    return [part.strip(" ") for part in value.split(",")] if isinstance(value, str) else value


def _tags(value: str | list[str]) -> list[str]:
    tags = split_tags(value)
    if not tags:
        raise ValueError("must hold at least one tag; leave it out for none")
    for tag in tags:
        if not re.fullmatch(r"[a-z0-9][a-z0-9 /._-]*", tag):
            raise ValueError(
                "each tag starts with a-z or 0-9 and goes on with a-z, 0-9, space, slash, dot, underscore or hyphen"
            )
    if len(value if isinstance(value, str) else ",".join(value)) > TAGS_LENGTH:
        raise ValueError(f"must not exceed {TAGS_LENGTH} characters in all, commas included")
    return list(dict.fromkeys(tags))


_TAG = {"type": "string", "pattern": "^[a-z0-9]", "maxLength": TAGS_LENGTH}
TAGS_SCHEMA: Final[dict[str, Any]] = {
    "anyOf": [
        {
            "type": "string",
            "pattern": "^ *[a-z0-9]",
            "maxLength": TAGS_LENGTH,
            "not": {"pattern": "[^a-z0-9 /._,-]|, *,|, *$|, *[/._-]"},
        },
        {
            "type": "array",
            "minItems": 1,
            "maxItems": 21,
            "items": {**_TAG, "not": {"pattern": "[^a-z0-9 /._-]"}},
        },
    ],
    "description": "User tags: a list, or one comma-separated string; 42 characters in all, commas included.",
    "examples": [["phishing", "case 4711"], "phishing,case 4711"],
}
Tags = Annotated[str | list[str], AfterValidator(_tags), WithJsonSchema(TAGS_SCHEMA)]


class _CommentChecker(HTMLParser):
    """Collects what a comment must not hold; the appliance renders it on a web page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in COMMENT_TAGS:
            self.found.append(f"<{tag[:20]}>")
        for name, value in attrs:
            if tag != "a" or name != "href" or not re.match(r"(?i)(https?://|mailto:)", value or ""):
                self.found.append(f"the attribute {name[:20]} on <{tag[:20]}>")

    def handle_endtag(self, tag: str) -> None:
        if tag not in COMMENT_TAGS:
            self.found.append(f"</{tag[:20]}>")

    def handle_comment(self, data: str) -> None:
        self.found.append("an HTML comment")

    def handle_decl(self, decl: str) -> None:
        self.found.append("a declaration")

    def unknown_decl(self, data: str) -> None:
        self.found.append("a declaration")

    def handle_pi(self, data: str) -> None:
        self.found.append("a processing instruction")


def _comment(value: str) -> str:
    checker = _CommentChecker()
    checker.feed(value)
    checker.close()
    if (
        "<" in value
        and re.search(r"<[^>]*\Z", value.rsplit(">", 1)[-1])
        and re.search(r"<[a-zA-Z/!?]", value.rsplit(">", 1)[-1])
    ):
        checker.found.append("an unfinished tag")
    if checker.found:
        allowed = ", ".join(sorted(COMMENT_TAGS))
        raise ValueError(f"may hold the HTML tags {allowed} (and href on a) only; found {checker.found[0]}")
    return value


Comment = Annotated[str, Field(min_length=1, max_length=10_000), AfterValidator(_comment)]


def pointer(parts: tuple[int | str, ...] | list[int | str]) -> str:
    """A JSON pointer (RFC 6901) from the parts of a path."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)
