"""Remove user tags from a sample: those that are there; twice is as once."""

from connector.action import DOCS, Action, Answer, Context, Example
from connector.endpoints import REMOVE_TAGS
from connector.plan import Plan
from connector.tagging import DOCUMENTED, Changed, TagChange, change_tags, subject


class Params(TagChange):
    """The sample, and the tags to take off it."""


class Result(Changed):
    """The tags of the sample after it, and which of those given were really removed."""


def plan(params: Params, context: Context) -> Plan[Answer]:
    """Look, remove what is there, and see it gone."""
    return change_tags(REMOVE_TAGS, Result, params, context)


ACTION = Action(
    name="remove_tags",
    title="Remove user tags from a sample",
    description="Removes user tags from a sample on the appliance, and tells which tags it has then.",
    effect="submit",
    params=Params,
    result=Result,
    endpoints=(REMOVE_TAGS,),
    plan=plan,
    subject=subject,
    branches=("ok", "partial", "not_found"),
    stix=(),
    egress="none",
    idempotent=True,
    doc_url=DOCS + DOCUMENTED,
    examples=(Example("one tag", {"hash_value": "d1aff4d205b59b1ae3edf152603fa2ae5a7c6cc5", "tags": ["phishing"]}),),
)
