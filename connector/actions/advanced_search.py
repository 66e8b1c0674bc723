"""Search samples: page by page up to a limit, without repeats, with a cursor that goes on where this ended."""

import base64
import binascii
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Annotated, Any, Final

from pydantic import Field

from connector.action import DOCS, Action, Answer, Context, Example, choose, request, worst
from connector.endpoint import Endpoint
from connector.endpoints import SEARCH_V2, SEARCH_V3
from connector.errors import InputRefused, MalformedResponse, SpectraError, Violation
from connector.plan import Plan, Reply
from connector.searching import SearchBase, query_text
from connector.steps import Summary, summary
from connector.verdict import File, Verdict, read_verdict
from connector.vocabulary import Marking, Message

PAGE: Final = 100  # the vendor's most for records_per_page
MOST: Final = 10_000
EMPTY_PAGES: Final = 3  # in a row, after which a search that says more_pages is not believed
SORT_FIELDS: Final = "sha1|firstseen|threatname|sampletype|filecount|size"


class Params(SearchBase):
    sort: Annotated[str, Field(max_length=20, pattern=f"^({SORT_FIELDS}) (asc|desc)$")] | None = Field(
        None, description="Order, such as firstseen desc; a fixed order keeps pages from overlapping."
    )
    limit: Annotated[int, Field(ge=1, le=MOST)] = Field(100, description="Most entries to return.")
    cursor: Annotated[str, Field(min_length=1, max_length=512)] | None = Field(
        None, description="From an earlier result of the same search: goes on where that ended."
    )
    tlp: Marking | None = None


class Result(Message):
    """``complete`` is false where the search ended early for a reason that ``notices`` tell."""

    query: str
    entries: tuple[Summary, ...]
    returned: int = Field(ge=0)
    total: int | None = Field(None, description="Matches in all, where the appliance says it.")
    cursor: str | None = Field(None, description="Goes on from here; null at the end.")
    complete: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Where a search is: the page to ask for, and how many of its entries were returned before."""

    page: int = 1
    skip: int = 0


@dataclass(slots=True)
class Found:
    """What a search has gathered so far."""

    verdicts: dict[str, Verdict] = field(default_factory=dict)
    total: int | None = None
    place: Place | None = field(default_factory=Place)
    previous: tuple[str, ...] = ()
    empty: int = 0
    answered_at: str = ""
    notices: list[str] = field(default_factory=list)


def plan(params: Params, context: Context) -> Plan[Answer]:
    """Ask for pages until the limit, the end, or something that cannot be believed."""
    text = query_text(params)
    seal = _seal(params, text)
    found = Found(place=_place(params.cursor, seal))
    endpoint = yield from choose(context, params, SEARCH_V3, SEARCH_V2)
    size = min(PAGE, params.limit) if params.cursor is None else _size(params.cursor)
    while found.place is not None and len(found.verdicts) < params.limit and not found.notices:
        try:
            reply = yield from request(endpoint, json=_body(params, text, found.place.page, size), cloud=params.ticloud)
        except SpectraError as error:
            if not found.verdicts:
                raise
            found.notices.append(
                f"the search ended early ({error.code}): {error.message}; the cursor goes on from here"
            )
            break
        _take(found, params, reply, endpoint)
    return _answer(params, text, found, endpoint, _cursor(found.place, seal, size))


def _body(params: Params, text: str, page: int, size: int) -> dict[str, Any]:
    body: dict[str, Any] = {"query": text, "ticloud": params.ticloud, "page": page, "records_per_page": size}
    for name in ("sort", "start_search_date", "end_search_date"):
        if getattr(params, name) is not None:
            body[name] = getattr(params, name)
    return body


def _take(found: Found, params: Params, reply: Reply, endpoint: Endpoint) -> None:
    """Add one page; decide where the next one is."""
    page = _page(reply, endpoint)
    found.answered_at = reply.answered_at
    found.total = page.total if page.total is not None else found.total
    place = found.place or Place()
    ids = tuple(_key(verdict) for verdict in page.verdicts)
    if ids and ids == found.previous:
        found.notices.append("the appliance answered the same page twice; the search ended there")
        found.place = None
        return
    found.previous = ids
    found.empty = 0 if ids else found.empty + 1
    for position, (key, verdict) in enumerate(zip(ids, page.verdicts, strict=True)):
        if position < place.skip:
            continue
        if len(found.verdicts) >= params.limit:
            found.place = Place(place.page, position)
            return
        found.verdicts.setdefault(key, verdict)
    found.place = Place(place.page + 1) if page.more else None
    if found.empty >= EMPTY_PAGES and page.more:
        found.notices.append(f"{EMPTY_PAGES} empty pages in a row; the search ended there, the cursor goes on")


@dataclass(frozen=True, slots=True)
class Page:
    verdicts: tuple[Verdict, ...]
    more: bool
    total: int | None


def _page(reply: Reply, endpoint: Endpoint) -> Page:
    """One page of the envelope ``rl.web_search_api``; entries without a verdict or a hash are left out."""
    envelope = reply.json.get("rl")
    body = envelope.get("web_search_api") if isinstance(envelope, dict) else None
    if not isinstance(body, dict):
        raise MalformedResponse(f"{endpoint.name} answered without its envelope (/rl/web_search_api)")
    entries = body.get("entries")
    if entries is not None and not isinstance(entries, list):
        raise MalformedResponse(f"{endpoint.name} answered entries that are no list (/rl/web_search_api/entries)")
    total = body.get("total_count")
    verdicts = tuple(_verdicts(entries or []))
    return Page(verdicts, body.get("more_pages") is True, total if type(total) is int and total >= 0 else None)


def _verdicts(entries: list[Any]) -> Iterator[Verdict]:
    for entry in entries:
        verdict = read_verdict(entry) if isinstance(entry, dict) else None
        if verdict is not None:
            yield verdict


def _key(verdict: Verdict) -> str:
    subject = verdict.subject
    return (subject.sha1 or subject.strongest[1]) if isinstance(subject, File) else subject.value


def _answer(params: Params, text: str, found: Found, endpoint: Endpoint, cursor: str | None) -> Answer:
    verdicts = tuple(found.verdicts.values())
    result = Result(
        query=text,
        entries=tuple(summary(verdict) for verdict in verdicts),
        returned=len(verdicts),
        total=found.total,
        cursor=cursor,
        complete=not found.notices,
    )
    return Answer(
        result=result,
        endpoint=endpoint,
        answered_at=found.answered_at,
        status="success" if verdicts else "not_found",
        branch=worst(verdicts),
        verdicts=verdicts,
        notices=tuple(found.notices),
    )


def _seal(params: Params, text: str) -> str:
    """What a cursor belongs to: the same search means the same query, scope, dates and order."""
    parts = [text, params.ticloud, params.start_search_date, params.end_search_date, params.sort]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _cursor(place: Place | None, seal: str, size: int) -> str | None:
    if place is None:
        return None
    return base64.urlsafe_b64encode(json.dumps([seal, place.page, place.skip, size]).encode()).decode().rstrip("=")


def page_cursors(params: Params) -> Iterator[str]:
    """The cursor of each page of a search, from the first on, for a caller that asks for several pages at once."""
    seal = _seal(params, query_text(params))
    return (str(_cursor(Place(page), seal, PAGE)) for page in count(1))


def _opened(cursor: str) -> tuple[str, int, int, int]:
    """The parts of a cursor; refuses what this action did not write."""
    try:
        seal, page, skip, size = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error, TypeError, RecursionError):
        seal = page = skip = size = None
    whole = all(type(n) is int for n in (page, skip, size))
    if not (isinstance(seal, str) and whole and page >= 1 and 0 <= skip <= PAGE and 1 <= size <= PAGE):
        raise InputRefused.of([Violation("/cursor", "must be the cursor of an earlier result, unchanged")])
    return seal, page, skip, size


def _place(cursor: str | None, seal: str) -> Place:
    if cursor is None:
        return Place()
    sealed, page, skip, _ = _opened(cursor)
    if sealed != seal:
        raise InputRefused.of([Violation("/cursor", "belongs to another search; leave it out to start this one")])
    return Place(page, skip)


def _size(cursor: str) -> int:
    return _opened(cursor)[3]


ACTION = Action(
    name="advanced_search",
    title="Search samples",
    description="Searches samples on the appliance, or in the cloud, by query or typed clauses.",
    effect="read",
    params=Params,
    result=Result,
    endpoints=(SEARCH_V3, SEARCH_V2),
    plan=plan,
    branches=("malicious", "suspicious", "goodware", "unknown", "not_found"),
    stix=("file", "malware-analysis", "indicator", "malware", "relationship"),
    egress="none; with ticloud=true the query, to Spectra Intelligence",
    idempotent=True,
    doc_url=DOCS + "deprecated-endpoints#advanced-search-api-v2",
    examples=(
        Example(
            "malicious samples, newest first",
            {"query": "classification:malicious", "sort": "firstseen desc", "limit": 50},
        ),
        Example(
            "typed clauses",
            {
                "where": [
                    {"field": "classification", "any_of": ["malicious", "suspicious"]},
                    {"field": "firstseen", "is": "3d-"},
                    {"field": "size", "from": 0, "to": 1000000},
                ]
            },
        ),
    ),
)
