"""What is fuzzed: a target feeds bytes to one parser and fails on anything but the refusal that the parser documents.

A target is built inside the fuzzing process, so that what it imports is instrumented; one whose module is missing says
so by its ImportError. A check returns for an input that was read or refused; whatever it raises is a finding.
"""

import io
import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from tests.prove import seeds as begin
from tests.prove.growing import Growth, text

Check = Callable[[bytes], None]
CLEAN: Final = re.compile(r"[^\x00-\x1f\x7f]*")


@dataclass(frozen=True, slots=True)
class Target:
    """One parser: the modules whose branches guide the fuzzer, how to build the check, and where to begin.

    Modules are of the connector; ``std.`` marks those of the standard library. ``longest`` is in bytes; ``share`` is
    the part of the runs that ``--all`` gives it.
    """

    modules: tuple[str, ...]
    build: Callable[[], Check]
    seeds: Callable[[], tuple[bytes, ...]]
    longest: int
    share: float


TARGETS: Final[dict[str, Target]] = {}


def target(
    *modules: str, seeds: Any, longest: int = 256, share: float = 1.0
) -> Callable[[Callable[[], Check]], Callable[[], Check]]:
    """Enter what builds a check into the table; ``seeds`` are texts, bytes, or a function that makes them."""

    def made() -> tuple[bytes, ...]:
        given = seeds() if callable(seeds) else seeds
        return tuple(each if isinstance(each, bytes) else each.encode("utf-8", "surrogateescape") for each in given)

    def entered(build: Callable[[], Check]) -> Callable[[], Check]:
        TARGETS[build.__name__.rstrip("_")] = Target(modules, build, made, longest, share)
        return build

    return entered


def hold(claim: str, *conditions: object) -> None:
    """Every condition is true, or the claim is a finding."""
    if not all(conditions):
        raise AssertionError(claim)


@target(
    "vocabulary", seeds=(*begin.HASHES, begin.HASHES[0] + "\n", "../" + begin.HASHES[0], "\uff11" * 32), longest=160
)
def hash_() -> Check:
    from pydantic import TypeAdapter, ValidationError

    from connector.vocabulary import HashValue, hash_type

    read = TypeAdapter(HashValue).validate_python
    hexadecimal = re.compile(r"[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{128}")

    def check(data: bytes) -> None:
        value = text(data)
        hash_type(value)
        try:
            made = read(value)
        except ValidationError:
            return
        hold("a hash cannot change a path", hexadecimal.fullmatch(made))

    return check


@target("vocabulary", "std.urllib.parse", seeds=begin.URLS)
def url() -> Check:
    from pydantic import TypeAdapter, ValidationError

    from connector.vocabulary import Url

    read = TypeAdapter(Url).validate_python
    breaking = re.compile(r"[\s\x00-\x1f\x7f]")

    def check(data: bytes) -> None:
        value = text(data)
        try:
            made = read(value)
        except ValidationError:
            return
        hold(
            "a URL is the one given, on one line", made == value, not breaking.search(made), made[:4].lower() == "http"
        )

    return check


@target("zones", "reserved", "std.urllib.parse", "std.ipaddress", seeds=(*begin.URLS, *begin.ZONES))
def zones() -> Check:
    from connector.zones import check_zone, in_zone, inner_reason, malformed_reason

    configured = ("corp.example.com", "10.20.0.0/16", "2001:db8::/32")

    def check(data: bytes) -> None:
        value = text(data)
        for reason in (malformed_reason(value), inner_reason(value), inner_reason(value, configured)):
            hold(
                "a reason is one clean fragment", reason is None or (0 < len(reason) < 400 and CLEAN.fullmatch(reason))
            )
        in_zone(value, configured)
        try:
            zone = check_zone(value)
        except ValueError:
            return
        hold("a zone is in its last form", check_zone(zone) == zone)
        in_zone("http://www.example.com/", (zone,))

    return check


@target("privacy", "zones", "std.urllib.parse", seeds=begin.URLS)
def privacy() -> Check:
    from connector.privacy import cloud_refusal, secret_in_url

    def check(data: bytes) -> None:
        value = text(data)
        for reason in (secret_in_url(value), cloud_refusal(url=value)):
            hold(
                "a reason is one clean fragment", reason is None or (0 < len(reason) < 400 and CLEAN.fullmatch(reason))
            )

    return check


@target("retry", "wire", "std.email._parseaddr", "std.email.utils", seeds=begin.WAITS, longest=80)
def retry_after() -> Check:
    from connector.plan import Reply
    from connector.retry import read_retry_after

    def check(data: bytes) -> None:
        found = read_retry_after(Reply(429, retry_after=text(data), answered_at=begin.TIMES[0]))
        hold("a wait is a number of seconds", found is None or (math.isfinite(found) and found >= 0))

    return check


@target("wire", "std.email._parseaddr", "std.email.utils", seeds=begin.DATES, longest=80)
def date() -> Check:
    from connector.wire import read_date, rfc3339

    def check(data: bytes) -> None:
        found = read_date(text(data))
        hold("a date has a zone", found is None or rfc3339(found).endswith("Z"))

    return check


@target("stix_text", seeds=(*begin.URLS, *begin.TIMES, *begin.PATTERNS))
def stix_text() -> Check:
    from connector.stix_text import clean, later, literal, milliseconds, moment, uri

    escaped = re.compile(r"'(?:[^'\\]|\\['\\])*'", re.DOTALL)

    def check(data: bytes) -> None:
        value = text(data)
        quoted, proper, line, when = literal(value), uri(value), clean(value, 100), moment(value)
        hold("a literal does not end early", escaped.fullmatch(quoted))
        hold("a literal is its value", re.sub(r"\\(.)", r"\1", quoted[1:-1], flags=re.DOTALL) == value)
        hold("a URI is in its last form", proper is None or (proper.isascii() and uri(proper) == proper))
        hold("clean text is one bounded line", len(line) <= 100, line.isprintable())
        if when is not None:
            hold("a time has milliseconds, and a day after it", milliseconds(when)[-5] == ".", later(when, 30) != when)

    return check


@target("query", seeds=begin.QUERIES)
def query() -> Check:
    from connector.query import check_query

    def check(data: bytes) -> None:
        value = text(data)
        try:
            made = check_query(value)
        except ValueError:
            return
        hold("a query is the one given, and balanced", made == value, made.count('"') % 2 == 0)

    return check


@target("query", seeds=begin.CLAUSES, longest=128)
def clause() -> Check:
    from pydantic import ValidationError

    from connector.query import FIELDS, Clause, clause_text

    names, forms = sorted(FIELDS), ("is", "any_of", "like", "from", "to")
    time, word = r"[0-9-]+T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", r'[^\s"()\[\]:,]+'
    whole = re.compile(rf'(NOT )?[a-z0-9-]+:("[^"]*"|{word}|{time}|\[[^\[\]\x00-\x1f]*\])')

    def check(data: bytes) -> None:
        name, form = names[(data[:1] or b"\0")[0] % len(names)], forms[(data[1:2] or b"\0")[0] % len(forms)]
        value = text(data[2:])
        try:
            made = Clause.model_validate({"field": name, form: value.split(",") if form == "any_of" else value})
        except ValidationError:
            return
        told = clause_text(made)
        hold("a clause is one clause", whole.fullmatch(re.sub(r'"[^"]*"', '""', told) if form == "any_of" else told))

    return check


@target("reader", seeds=begin.JSONS)
def json_() -> Check:
    from connector.reader import DEEPEST, _read_strictly, read_json

    def check(data: bytes) -> None:
        value, problem = read_json(data)
        hold("both readers read it in one way", repr((value, problem)) == repr(_read_strictly(data, DEEPEST)))
        hold("what is not believed has no value", not problem or value is None)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()

    return check


@target("reader", seeds=begin.GZIPS)
def gzip_reader() -> Check:
    from connector.errors import MalformedResponse, ResponseTooLarge, Truncated
    from connector.reader import Reader

    encodings = ("", "identity", "gzip", "GZIP", "x-gzip", "gzip, gzip", "br", "gzip,", "\xff")

    def check(data: bytes) -> None:
        size = 1 + data[1] if len(data) > 1 else 1
        try:
            reader = Reader(encodings[(data[:1] or b"\0")[0] % len(encodings)])
            for start in range(2, len(data), size):
                reader.feed(data[start : start + size])
            hold("so few bytes hold no more", len(reader.body()) < 1 << 20)
        except (Truncated, MalformedResponse, ResponseTooLarge):
            return

    return check


@dataclass(frozen=True, slots=True)
class TomlText:
    """A settings file that is only in memory."""

    content: bytes

    def open(self, _: str) -> io.BytesIO:
        return io.BytesIO(self.content)


@target("settings", seeds=begin.settings)
def settings() -> Check:
    from connector.errors import ConfigError
    from connector.settings import PREFIX, Settings

    words = begin.settings_words()
    secret = f'token = "{begin.CANARY}"\n'.encode()

    def load(data: bytes) -> Settings:
        way, rest = (data[:1] or b"\0")[0] % 3, data[1:]
        if way == 0:
            return Settings.load(environ={}, file=TomlText(secret + rest))  # type: ignore[arg-type]
        values = {"token": begin.CANARY} | Growth(rest, words).object()
        if way == 1:
            return Settings.load(arguments=values, environ={})
        return Settings.load(environ={PREFIX + name.upper(): str(value) for name, value in values.items()})

    def check(data: bytes) -> None:
        try:
            told = repr(load(data))
        except ConfigError as refusal:
            told = json.dumps(refusal.as_dict())
        hold("nothing repeats the token", begin.CANARY not in told)

    return check


@target("check", "query", "vocabulary", "searching", "actions", seeds=begin.params, share=0.1)
def params() -> Check:
    from connector.actions import every
    from connector.check import checked
    from connector.errors import InputRefused

    known = [(action, begin.words_of(action.params.model_json_schema())) for action in every()]

    def check(data: bytes) -> None:
        action, words = known[(data[:1] or b"\0")[0] % len(known)]
        growth = Growth(data[1:], words)
        raw = growth.object() if growth.byte() % 8 else growth.value()
        try:
            made = checked(action, raw)
        except InputRefused as refusal:
            hold("a refusal names what is wrong", refusal.violations, refusal.outcome == "not_sent")
            return
        hold("what is accepted is the params model", isinstance(made, action.params))

    return check


@target("actions.advanced_search", seeds=begin.cursors, longest=96)
def cursor() -> Check:
    from connector.actions.advanced_search import _place, _size
    from connector.errors import InputRefused

    def check(data: bytes) -> None:
        value = text(data)
        try:
            place, size = _place(value, "0" * 16), _size(value)
        except InputRefused:
            return
        hold("a cursor names a page", place.page >= 1, 0 <= place.skip <= 100, 1 <= size <= 100)

    return check


@target("verdict", "stix_text", "stix_objects", seeds=begin.bodies)
def verdict() -> Check:
    from connector.stix import StixOptions, bundle
    from connector.verdict import read_verdict

    options = StixOptions(profile="full", pattern_hashes="all")

    def check(data: bytes) -> None:
        body = Growth(data, begin.VENDOR, "replace").value()
        made = read_verdict(body, {"sha1": begin.HASHES[0]}) if isinstance(body, dict) else None
        if made is not None:
            json.dumps(bundle([made], options, begin.TIMES[0]).objects, ensure_ascii=False, allow_nan=False).encode()

    return check


@target("endpoint", seeds=begin.bodies)
def server_words() -> Check:
    from connector.endpoint import server_words as read
    from connector.plan import Reply

    def check(data: bytes) -> None:
        told = read(Reply(400, Growth(data, begin.VENDOR, "replace").value(), hidden=(begin.CANARY,)))
        hold("its words are one bounded line", len(told) <= 300, len(told.splitlines()) <= 1, CLEAN.fullmatch(told))
        hold("nothing repeats the token", begin.CANARY not in told)

    return check


@target("wire", seeds=begin.NAMES)
def filename() -> Check:
    from connector.wire import safe_filename

    def check(data: bytes) -> None:
        made = safe_filename(text(data))
        hold(
            "a file name is one component",
            len(made.encode()) >= 1,
            len(made) <= 255,
            not set(made) & set("/\\\r\n\x00"),
        )

    return check
