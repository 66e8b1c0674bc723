"""Get the classification of one hash: the appliance's own verdict, and the cloud's where it is asked for."""

from typing import Any, Final

from pydantic import ConfigDict, Field, model_validator

from connector.action import DOCS, Action, Answer, Context, Example, choose, worst
from connector.endpoints import CLASSIFICATION_V1, CLASSIFICATION_V3
from connector.plan import Plan
from connector.steps import Summary, classify, local_query, summary
from connector.vocabulary import HashValue, Marking, Message

_CONTRADICTION: Final[dict[str, Any]] = {
    "not": {
        "required": ["localonly", "av_scanners"],
        "properties": {"localonly": {"const": True}, "av_scanners": {"const": True}},
    }
}


class Params(Message):
    model_config = ConfigDict(json_schema_extra=_CONTRADICTION)

    hash_value: HashValue
    localonly: bool | None = Field(
        None,
        description="true asks the appliance alone; false asks the cloud too where the appliance has no verdict. "
        "Left out: true, or false with av_scanners.",
    )
    av_scanners: bool | None = Field(
        None, description="Adds how many scanners detect the file. Current endpoint only; excludes localonly=true."
    )
    tlp: Marking | None = None

    @model_validator(mode="after")
    def _no_contradiction(self) -> "Params":
        if self.localonly and self.av_scanners:
            raise ValueError("av_scanners needs the cloud: set localonly to false, or leave it out")
        return self


class Result(Message):
    """The hash in one line."""

    entry: Summary


def plan(params: Params, context: Context) -> Plan[Answer]:
    """One look-up; a hash that is not there is an answer."""
    endpoint = yield from choose(context, params, CLASSIFICATION_V3, CLASSIFICATION_V1)
    scanners = bool(params.av_scanners)
    localonly = params.localonly if params.localonly is not None else not scanners
    query = local_query(endpoint, localonly=localonly, av_scanners=scanners)
    looked = yield from classify(endpoint, params.hash_value, query)
    verdicts = (looked.verdict,) if looked.verdict else ()
    entry = summary(verdicts[0], params.hash_value) if verdicts else Summary(hash_value=params.hash_value, found=False)
    return Answer(
        result=Result(entry=entry),
        endpoint=endpoint,
        answered_at=looked.answered_at,
        status="success" if verdicts else "not_found",
        branch=worst(verdicts),
        verdicts=verdicts,
    )


ACTION = Action(
    name="get_classification",
    title="Get the classification of a hash",
    description="Looks up the appliance's classification of one hash.",
    effect="read",
    params=Params,
    result=Result,
    endpoints=(CLASSIFICATION_V3, CLASSIFICATION_V1),
    plan=plan,
    branches=("malicious", "suspicious", "goodware", "unknown", "not_found"),
    stix=("file", "malware-analysis", "indicator", "malware", "relationship"),
    egress="none; with localonly=false the hash, to Spectra Intelligence",
    idempotent=True,
    doc_url=DOCS + "deprecated-endpoints#v10-obtain-classification-results-for-a-local-sample",
    examples=(
        Example("the appliance's own verdict", {"hash_value": "d1aff4d205b59b1ae3edf152603fa2ae5a7c6cc5"}),
        Example("the cloud's as well", {"hash_value": "d1aff4d205b59b1ae3edf152603fa2ae5a7c6cc5", "localonly": False}),
    ),
)
