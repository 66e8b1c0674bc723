"""Advanced Search v2 and v3, and v3's total count."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from connector.emulator.pages.bodies import read_object
from connector.emulator.pages.entries import cloud_entry, local_entry
from connector.emulator.pages.exchange import Answer, Request, as_json
from connector.emulator.product.clock import stamp
from connector.emulator.product.refusals import Invalid, NotHere
from connector.emulator.product.sample import Sample
from connector.emulator.product.searching import Search, sort_order
from connector.emulator.product.state import Product

_MAX_PER_PAGE = 100
_MAX_BODY = 1 << 20


async def search_v2(product: Product, request: Request) -> Answer:
    """Deprecated: knows nothing of v3's dates, and so passes over them."""
    return _search(product, await read_object(request, _MAX_BODY), dated=False)


async def search_v3(product: Product, request: Request) -> Answer:
    return _search(product, await read_object(request, _MAX_BODY), dated=True)


async def total_count(product: Product, request: Request) -> Answer:
    """Count what a query matches in the cloud, where the one known client asks."""
    body = await read_object(request, _MAX_BODY)
    count = len(_found(product, body, in_cloud=True, dated=True))
    if product.switches.total_count_body == "flat":
        return as_json({"total_count": count})
    return as_json({"rl": {"web_search_api": {"total_count": count}}})


@dataclass(frozen=True, slots=True)
class _Window:
    """One page of a result."""

    entries: Sequence[Sample]
    total: int
    page: int
    more: bool


def _search(product: Product, body: Mapping[str, object], *, dated: bool) -> Answer:
    in_cloud = _boolean(body, "ticloud")
    page = _whole(body, "page", 1, 1_000_000)
    size = _whole(body, "records_per_page", product.switches.records_per_page_default, _MAX_PER_PAGE)
    found = _found(product, body, in_cloud=in_cloud, dated=dated)
    if in_cloud and page > 1 and (page - 1) * size >= product.switches.cloud_results_limit:
        raise Invalid("Max limit reached")
    page = _within_end(product, page, size, len(found))
    more = page * size < len(found)
    emptied = more and page == product.switches.empty_page
    entries = [] if emptied else found[(page - 1) * size : page * size]
    window = _Window(entries, len(found), page, more)
    return as_json({"rl": {"web_search_api": _envelope(product, window, in_cloud=in_cloud)}})


def _envelope(product: Product, window: _Window, *, in_cloud: bool) -> dict[str, object]:
    switches = product.switches
    shape = cloud_entry if in_cloud else local_entry
    entries = [shape(product, sample) for sample in window.entries]
    body: dict[str, object] = {"entries": entries, "more_pages": window.more}
    if window.more or switches.next_page_on_last == "present":
        body["next_page"] = window.page + 1
    elif switches.next_page_on_last == "null":
        body["next_page"] = None
    body["sample_count"] = len(entries)
    if not in_cloud or switches.total_count_in_cloud:
        body["total_count"] = window.total
    if in_cloud and switches.cloud_cursor_keys:
        body |= {"end_of_dataset": not window.more, "last_search_date": stamp(product.clock.now())[:10]}
    return body


def _found(product: Product, body: Mapping[str, object], *, in_cloud: bool, dated: bool) -> Sequence[Sample]:
    query = body.get("query")
    if not isinstance(query, str) or not query.strip():
        raise Invalid("This field is required.", field="query")
    if len(query) > product.switches.query_max_length:
        raise Invalid("Search query too long, please shorten and/or simplify your query.", field="query")
    sort = body.get("sort") or product.switches.sort_default
    if not isinstance(sort, str):
        raise Invalid("Must be a string.", field="sort")
    sort_order(sort)
    later, earlier = (_day(body, "start_search_date"), _day(body, "end_search_date")) if dated else (None, None)
    if later and earlier and later < earlier:
        raise Invalid("Must not be before end_search_date: the search walks back in time.", field="start_search_date")
    needed = dated and in_cloud and product.switches.dates_with_ticloud == "required"
    if needed and not (later and earlier):
        raise Invalid("Both dates are required with ticloud.", field="start_search_date")
    finder = product.cloud_finder if in_cloud else product.local_finder
    return finder.find(Search(query, sort, later, earlier), product.clock.now(), product.switches)


def _within_end(product: Product, page: int, size: int, total: int) -> int:
    """Treat a page beyond the end as the switch says; nothing public tells."""
    last = max(1, -(-total // size))
    beyond = product.switches.page_beyond_end
    if page <= last or beyond == "empty":
        return page
    if beyond == "last":
        return last
    raise Invalid("Invalid page.", field="page") if beyond == "400" else NotHere("Invalid page.")


def _whole(body: Mapping[str, object], name: str, default: int, most: int) -> int:
    value = body.get(name, default)
    if type(value) is not int or not 1 <= value <= most:
        raise Invalid(f"Must be a whole number from 1 to {most}.", field=name)
    return value


def _boolean(body: Mapping[str, object], name: str) -> bool:
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise Invalid("Must be a valid boolean.", field=name)
    return value


def _day(body: Mapping[str, object], name: str) -> date | None:
    value = body.get(name)
    if value is None:
        return None
    try:
        if isinstance(value, str) and len(value) == len("YYYY-MM-DD"):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise Invalid("Expected a date as YYYY-MM-DD.", field=name)
