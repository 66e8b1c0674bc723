"""Advanced search over a library: matching, sorting, and pages out of a result that is kept while nothing changes."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from connector.emulator.product.library import Library
from connector.emulator.product.refusals import Invalid
from connector.emulator.product.sample import Sample
from connector.emulator.query.grammar import parse
from connector.emulator.query.predicate import Predicate, Terms, compiled, is_relative
from connector.emulator.query.tree import Node, QueryError
from connector.emulator.switches import Switches

_KEPT = 16
_SORTS: dict[str, Callable[[Sample], tuple[object, ...]]] = {
    "sha1": lambda s: (s.hashes.sha1,),
    "firstseen": lambda s: (s.first_seen, s.hashes.sha1),
    "threatname": lambda s: (s.verdict.threat_name or "", s.hashes.sha1),
    "sampletype": lambda s: (s.identity.sample_type(), s.hashes.sha1),
    "filecount": lambda s: (s.extracted_count, s.hashes.sha1),
    "size": lambda s: (s.size, s.hashes.sha1),
}


@dataclass(frozen=True, slots=True)
class Search:
    """What to look for; `later` and `earlier` are v3's dates, in the order in which the search walks."""

    query: str
    sort: str
    later: date | None = None
    earlier: date | None = None


class Finder:
    """Answers searches over one library; the full sorted result is kept per query until the library changes."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._kept: OrderedDict[tuple[object, ...], Sequence[Sample]] = OrderedDict()

    def find(self, search: Search, now: datetime, switches: Switches) -> Sequence[Sample]:
        node = _parsed(search.query)
        minute = int(now.timestamp() // 60) if is_relative(node) else 0
        options = (switches.clean_in_queries, switches.search_date_field)
        key = (search, self._library.version, minute, options)
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = self._matching(node, search, now, switches)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return found

    def _matching(self, node: Node, search: Search, now: datetime, switches: Switches) -> list[Sample]:
        try:
            predicate = compiled(node, Terms(now, switches.clean_in_queries))
        except QueryError as error:
            raise Invalid(str(error), field="query") from error
        within = _within(search, switches)
        found = [s for s in self._library if predicate(s) and (within is None or within(s))]
        name, order = sort_order(search.sort)
        found.sort(key=_SORTS[name], reverse=order == "desc")
        return found


def sort_order(text: str) -> tuple[str, str]:
    """Read `"<field> asc|desc"`."""
    name, _, order = text.partition(" ")
    if name not in _SORTS or order not in {"asc", "desc"}:
        raise Invalid(f"Expected one of {', '.join(_SORTS)}, then asc or desc.", field="sort")
    return name, order


def _parsed(query: str) -> Node:
    try:
        return parse(query)
    except QueryError as error:
        raise Invalid(str(error), field="query") from error


def _within(search: Search, switches: Switches) -> Predicate | None:
    later, earlier = search.later, search.earlier
    if later is None and earlier is None:
        return None
    last_seen = switches.search_date_field == "lastseen"

    def within(sample: Sample) -> bool:
        day = (sample.last_seen if last_seen else sample.first_seen).date()
        return (later is None or day <= later) and (earlier is None or day >= earlier)

    return within
