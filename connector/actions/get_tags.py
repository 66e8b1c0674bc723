"""Get the user tags of a sample."""

from connector.action import DOCS, Action, Answer, Context, Example
from connector.endpoints import TAGS
from connector.plan import Plan
from connector.tagging import DOCUMENTED, SampleHash, tags_of
from connector.vocabulary import Message


class Params(Message):
    hash_value: SampleHash


class Result(Message):
    """The tags that users gave the sample; those of the analysis are not among them."""

    hash_value: str
    tags: tuple[str, ...]


def plan(params: Params, context: Context) -> Plan[Answer]:  # every plan has this shape
    """Ask once; a sample without tags is found, one that the appliance does not have is not."""
    found = yield from tags_of(params.hash_value)
    return Answer(
        result=Result(hash_value=params.hash_value, tags=found.tags or ()),
        endpoint=TAGS,
        answered_at=found.answered_at,
        status="not_found" if found.tags is None else "success",
        branch="not_found" if found.tags is None else "ok",
    )


ACTION = Action(
    name="get_tags",
    title="Get the user tags of a sample",
    description="Lists the tags that users gave a sample on the appliance.",
    effect="read",
    params=Params,
    result=Result,
    endpoints=(TAGS,),
    plan=plan,
    branches=("ok", "not_found"),
    stix=(),
    egress="none",
    idempotent=True,
    doc_url=DOCS + DOCUMENTED,
    examples=(Example("one sample", {"hash_value": "d1aff4d205b59b1ae3edf152603fa2ae5a7c6cc5"}),),
)
