"""Count what a search would find, without fetching it."""

from typing import Any

from pydantic import Field

from connector.action import DOCS, Action, Answer, Context, Example, choose, request
from connector.endpoint import Endpoint
from connector.endpoints import COUNT_V3, COUNT_V3_OTHER
from connector.errors import EndpointMissing, MalformedResponse
from connector.plan import Plan, Reply
from connector.searching import SearchBase, query_text
from connector.vocabulary import Message


class Params(SearchBase):
    """As a search, without its paging."""


class Result(Message):
    """How many samples match."""

    query: str
    total: int = Field(ge=0)


def plan(params: Params, context: Context) -> Plan[Answer]:
    """Ask the total-count endpoint; its two spellings in use are tried in turn."""
    text = query_text(params)
    endpoint = yield from choose(context, params, COUNT_V3, None)
    body: dict[str, Any] = {"query": text, "ticloud": params.ticloud}
    for name in ("start_search_date", "end_search_date"):
        if getattr(params, name) is not None:
            body[name] = getattr(params, name)
    reply = yield from _ask(endpoint, body, cloud=params.ticloud)
    if reply is None:
        endpoint = COUNT_V3_OTHER
        reply = yield from request(endpoint, json=body, cloud=params.ticloud)
    total = _total(reply.json)
    if total is None:
        raise MalformedResponse(f"{endpoint.name} answered without a count (/total_count)")
    return Answer(result=Result(query=text, total=total), endpoint=endpoint, answered_at=reply.answered_at)


def _ask(endpoint: Endpoint, body: dict[str, Any], *, cloud: bool) -> Plan[Reply | None]:
    """The answer of the first spelling, or None where it is not there."""
    try:
        reply = yield from request(endpoint, json=body, cloud=cloud)
    except EndpointMissing:
        return None
    return reply if reply.status != 404 else None


def _total(body: Any) -> int | None:
    """The count, flat or in the search envelope; no source documents the body."""
    if not isinstance(body, dict):
        return None
    for key in ("total_count", "count", "total"):
        value = body.get(key)
        if type(value) is int and value >= 0:
            return value
    return next((total for key in ("rl", "web_search_api") if (total := _total(body.get(key))) is not None), None)


ACTION = Action(
    name="count_search_results",
    title="Count search results",
    description="Tells how many samples a search would find.",
    effect="read",
    params=Params,
    result=Result,
    endpoints=(COUNT_V3,),
    plan=plan,
    branches=("ok",),
    stix=(),
    egress="the query, to Spectra Intelligence: the endpoint counts in the cloud",
    idempotent=True,
    doc_url=DOCS + "search#total-count",
    examples=(Example("malicious samples", {"query": "classification:malicious"}),),
)
