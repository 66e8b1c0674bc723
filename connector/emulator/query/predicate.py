"""Turns a query's tree into a function that says of any sample whether it matches."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from connector.emulator.product.hashes import kind_of
from connector.emulator.product.sample import CLASSIFICATIONS, Sample
from connector.emulator.query.fields import FIELDS, Field
from connector.emulator.query.tree import All, Between, In, Is, Node, Not, QueryError, Some, Word

Predicate = Callable[[Sample], bool]
_RELATIVE = re.compile(r"(\d{1,5})([hdwmy])-", re.IGNORECASE)
_UNITS = {"h": 1 / 24, "d": 1, "w": 7, "m": 30, "y": 365}
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_DIGITS = re.compile(r"\d{1,18}")


@dataclass(frozen=True, slots=True)
class Terms:
    """What the same words mean here and now."""

    now: datetime
    clean_is_goodware: bool = False


def compiled(node: Node, terms: Terms) -> Predicate:
    match node:
        case All(parts):
            predicates = tuple(compiled(part, terms) for part in parts)
            return lambda sample: all(p(sample) for p in predicates)
        case Some(parts):
            options = tuple(compiled(part, terms) for part in parts)
            return lambda sample: any(p(sample) for p in options)
        case Not(part):
            inner = compiled(part, terms)
            return lambda sample: not inner(sample)
        case Word(text):
            return _word(text)
        case Is(name, value):
            return _any_of(_field(name), (value,), terms)
        case In(name, values):
            return _any_of(_field(name), values, terms)
        case Between(name, low, high):
            return _between(_field(name), low, high, terms)


def is_relative(node: Node) -> bool:
    """Say whether the answer changes by the mere passing of time."""
    match node:
        case All(parts) | Some(parts):
            return any(map(is_relative, parts))
        case Not(part):
            return is_relative(part)
        case Is(_, value):
            return _RELATIVE.fullmatch(value) is not None
        case In(_, values):
            return any(_RELATIVE.fullmatch(value) for value in values)
        case _:
            return False


def _field(name: str) -> Field:
    field = FIELDS.get(name)
    if field is None:
        raise QueryError(f"Unknown search keyword '{name}'.")
    return field


def _any_of(field: Field, values: tuple[str, ...], terms: Terms) -> Predicate:
    if field.kind == "text":
        return _text(field, values)
    if field.kind == "number":
        return _numbers(field, values)
    if field.kind == "date":
        dates = tuple(_date(field, value, terms) for value in values)
        return dates[0] if len(dates) == 1 else lambda sample: any(p(sample) for p in dates)
    return _flags(field, values) if field.kind == "flag" else _classifications(values, terms)


def _text(field: Field, values: tuple[str, ...]) -> Predicate:
    read = field.read
    plain = frozenset(value.lower() for value in values if "*" not in value)
    wild = [_wildcard(value) for value in values if "*" in value]

    def matches(sample: Sample) -> bool:
        texts: tuple[str, ...] = read(sample)  # type: ignore[assignment] # every text field reads texts
        return any(text.lower() in plain or any(w.fullmatch(text) for w in wild) for text in texts)

    return matches


def _wildcard(value: str) -> re.Pattern[str]:
    pieces = (re.escape(piece) for piece in re.sub(r"\*+", "*", value).split("*"))
    return re.compile(".*".join(pieces), re.IGNORECASE | re.DOTALL)


def _numbers(field: Field, values: tuple[str, ...]) -> Predicate:
    if "*" in values:
        return lambda _: True
    wanted, read = frozenset(map(_number, values)), field.read
    return lambda sample: read(sample) in wanted


def _flags(field: Field, values: tuple[str, ...]) -> Predicate:
    words = {value.upper() for value in values}
    if not words <= {"TRUE", "FALSE"}:
        raise QueryError("Expected TRUE or FALSE.")
    wanted, read = {word == "TRUE" for word in words}, field.read
    return lambda sample: read(sample) in wanted


def _classifications(values: tuple[str, ...], terms: Terms) -> Predicate:
    words = {value.lower() for value in values}
    same = {"known": "goodware"} | ({"clean": "goodware"} if terms.clean_is_goodware else {})
    wanted = frozenset(same.get(word, word) for word in words)
    if "*" in wanted:
        return lambda _: True
    if not wanted <= set(CLASSIFICATIONS):
        raise QueryError("Unknown classification.")
    return lambda sample: sample.verdict.classification in wanted


def _date(field: Field, value: str, terms: Terms) -> Predicate:
    read = field.read
    if value == "*":
        return lambda _: True
    if relative := _RELATIVE.fullmatch(value):
        days = int(relative[1]) * _UNITS[relative[2].lower()]
        try:
            oldest = terms.now - timedelta(days=days)
        except OverflowError as error:
            raise QueryError("The date is too far away.") from error
        return lambda sample: read(sample) >= oldest  # type: ignore[operator] # every date field reads a date
    return _between(field, value, value, terms)


def _between(field: Field, low: str, high: str, terms: Terms) -> Predicate:
    read = field.read
    bottom: object
    top: object
    if field.kind == "number":
        bottom, top = None if low == "*" else _number(low), None if high == "*" else _number(high)
    elif field.kind == "date":
        bottom, top = _bound(low, terms, end=False), _bound(high, terms, end=True)
    else:
        raise QueryError("A range needs a number or a date.")

    def inside(sample: Sample) -> bool:
        value = read(sample)
        return (bottom is None or value >= bottom) and (top is None or value <= top)  # type: ignore[operator] # one kind

    return inside


def _bound(text: str, terms: Terms, *, end: bool) -> datetime | None:
    """Read one end of a range; a day without a time reaches to its own end."""
    if text == "*":
        return None
    if text.upper() == "NOW":
        return terms.now
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        if end and _DAY.fullmatch(text):
            moment += timedelta(days=1) - timedelta(microseconds=1)
    except (ValueError, OverflowError) as error:
        raise QueryError("Expected a date such as 2025-02-20T00:00:00Z.") from error
    return moment


def _number(text: str) -> int:
    if not text.isascii() or not _DIGITS.fullmatch(text):
        raise QueryError("Expected a number.")
    return int(text)


def _word(text: str) -> Predicate:
    if kind_of(text):
        wanted = text.lower()
        return lambda sample: wanted in sample.hashes.all()
    pattern = _wildcard(f"*{text}*")

    def mentioned(sample: Sample) -> bool:
        texts = (*sample.names, sample.verdict.threat_name or "", *sample.user_tags, *sample.ticore_tags)
        return any(pattern.fullmatch(item) for item in texts)

    return mentioned
