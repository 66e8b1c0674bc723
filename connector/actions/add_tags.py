"""Add user tags to a sample: those that are not there yet; twice is as once."""

from connector.action import DOCS, Action, Answer, Context, Example
from connector.endpoints import ADD_TAGS
from connector.plan import Plan
from connector.tagging import DOCUMENTED, Changed, TagChange, change_tags, subject


class Params(TagChange):
    """The sample, and the tags to give it."""


class Result(Changed):
    """The tags of the sample after it, and which of those given were really added."""


def plan(params: Params, context: Context) -> Plan[Answer]:
    """Look, add what is missing, and see it there."""
    return change_tags(ADD_TAGS, Result, params, context)


ACTION = Action(
    name="add_tags",
    title="Add user tags to a sample",
    description="Adds user tags to a sample on the appliance, and tells which tags it has then.",
    effect="submit",
    params=Params,
    result=Result,
    endpoints=(ADD_TAGS,),
    plan=plan,
    subject=subject,
    branches=("ok", "partial", "not_found"),
    stix=(),
    egress="none",
    idempotent=True,
    doc_url=DOCS + DOCUMENTED,
    examples=(
        Example(
            "two tags", {"hash_value": "d1aff4d205b59b1ae3edf152603fa2ae5a7c6cc5", "tags": ["phishing", "case 4711"]}
        ),
    ),
)
