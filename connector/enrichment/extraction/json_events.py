"""Reads events that are JSON objects, one a line; when the shape is to be told, also lines of a list among them."""

from collections.abc import Sequence
from typing import Any, Final, get_args

from connector.enrichment.codec import TooDeep, loads, plain_loads
from connector.enrichment.extraction.fields import rows
from connector.enrichment.extraction.lists import ListReader
from connector.enrichment.extraction.paths import REMEMBERED, Row, joined, members_of
from connector.enrichment.extraction.reading import BOM, Read, not_utf8, untouched
from connector.enrichment.extraction.rules import Hits, Rule, own_rule
from connector.enrichment.extraction.shapes import JsonShape, shape_of
from connector.enrichment.values import Failure

_new: Final = tuple.__new__
_Plan = tuple[tuple[str | None, Rule], ...]  # the members to look at; None is the event itself


class JsonReader:
    """Reads with one rule for whole events; with ``lines``, a line that is no JSON object may be one of a list."""

    __slots__ = ("_lines", "_rule", "header")

    def __init__(self, rule: Rule, lines: ListReader | None = None) -> None:
        self._rule, self._lines = rule, lines
        self.header: bytes | None = None

    def read(self, raw: bytes) -> Read | Failure | None:
        try:
            event = loads(raw)
        except ValueError:
            return self._odd(raw)
        if type(event) is not dict:
            return self._odd(raw)
        hits: Hits = {}
        malformed = self._rule(event, hits)
        return _new(Read, (raw, event, tuple(hits.values()), malformed))

    def _odd(self, raw: bytes) -> Read | Failure:
        """What is no JSON object at first sight: with a byte order mark, of a list, or nothing at all."""
        text = raw.removeprefix(BOM)
        if not text.strip():
            return untouched(raw)
        if self._lines is not None and (listed := self._lines.listed(text)) is not None:
            return listed
        try:
            event = plain_loads(text)
        except UnicodeDecodeError as error:
            return not_utf8(error)
        except TooDeep:
            return Failure("too_deep", "the event nests more lists and objects than are followed; make it flatter")
        except ValueError as error:
            at = getattr(error, "pos", None)
            where = "" if at is None else f" at character {at + 1}"
            return Failure("not_json", f"the line must be one JSON object, and is no JSON{where}")
        if type(event) is not dict:
            return Failure("not_an_object", "the line must be one JSON object, and is JSON of another type")
        hits: Hits = {}
        malformed = self._rule(event, hits)
        return Read(text, event, tuple(hits.values()), malformed)


def for_shape(shape: JsonShape, *, urls: bool) -> JsonReader:
    return JsonReader(joined(rows(shape, urls=urls)))


def for_any(*, urls: bool) -> JsonReader:
    """A reader that tells the shape of every event by itself.

    Streams repeat themselves: what is looked at in an event is remembered by the names of its members.
    """
    tables: dict[JsonShape, list[Row]] = {shape: list(rows(shape, urls=urls)) for shape in get_args(JsonShape)}
    rules = {shape: joined(table) for shape, table in tables.items()}
    trees = {shape: members_of(table) for shape, table in tables.items()}
    plans: dict[tuple[str, ...], _Plan] = {}

    def planned(event: dict[str, Any]) -> _Plan:
        shape = shape_of(event)
        tree = trees[shape]
        if tree is None or not tree[1].isdisjoint(event):
            plan: _Plan = ((None, rules[shape]),)
        else:
            plan = tuple([(name, below) for name, below in tree[0].items() if name in event])
        if len(plans) >= REMEMBERED:
            plans.clear()
        if "category" not in event:  # whose value tells the shape, not its name
            plans[tuple(event)] = plan
        return plan

    def rule(event: dict[str, Any], hits: Hits) -> int:
        plan = plans.get(tuple(event))
        bad = 0
        for name, below in planned(event) if plan is None else plan:
            bad += below(event if name is None else event[name], hits)
        return bad

    return JsonReader(rule, ListReader(urls=urls))


def for_fields(fields: Sequence[str], *, urls: bool, lines: bool) -> JsonReader:
    """A reader that looks at these fields alone, whatever the shape."""
    rule = joined(Row(name, own_rule(name, urls=urls)) for name in fields)
    return JsonReader(rule, ListReader(urls=urls) if lines else None)
