"""Get the Spectra Intelligence reputation of hashes: what the vendor's cloud knows, had by the appliance or not."""

from pydantic import ConfigDict, Field, model_validator

from connector.action import DOCS, Action, Answer, Context, Example, choose, exactly_one, require_one, worst
from connector.endpoints import CLASSIFICATION_V3, TICLOUD
from connector.plan import Plan
from connector.steps import Summary, classify, local_query, summary
from connector.vocabulary import HashList, HashValue, Marking, Message


class Params(Message):
    model_config = ConfigDict(json_schema_extra=exactly_one("hash_value", "hash_values"))

    hash_value: HashValue | None = None
    hash_values: HashList | None = Field(None, description="Several hashes of one type; one request is made for each.")
    tlp: Marking | None = None

    @model_validator(mode="after")
    def _one(self) -> "Params":
        require_one(self, "hash_value", "hash_values")
        return self


class Result(Message):
    """One line for each hash, in the order asked."""

    entries: tuple[Summary, ...]
    found: int = Field(ge=0, description="How many of the hashes are known.")


def plan(params: Params, context: Context) -> Plan[Answer]:
    """One look-up for each hash; a hash that nobody knows is an answer."""
    endpoint = yield from choose(context, params, CLASSIFICATION_V3, TICLOUD)
    query = () if endpoint is TICLOUD else local_query(endpoint, localonly=False)
    verdicts, entries, answered_at = [], [], ""
    for value in params.hash_values or [str(params.hash_value)]:
        looked = yield from classify(endpoint, value, query, "cloud" if endpoint is TICLOUD else None)
        answered_at = looked.answered_at
        if looked.verdict is None:
            entries.append(Summary(hash_value=value, found=False))
            continue
        verdicts.append(looked.verdict)
        entries.append(summary(looked.verdict, value))
    return Answer(
        result=Result(entries=tuple(entries), found=len(verdicts)),
        endpoint=endpoint,
        answered_at=answered_at,
        status="success" if verdicts else "not_found",
        branch=worst(tuple(verdicts)),
        verdicts=tuple(verdicts),
    )


ACTION = Action(
    name="get_ticloud_reputation",
    title="Get Spectra Intelligence reputation",
    description="Looks up what Spectra Intelligence knows of one or more hashes.",
    effect="read",
    params=Params,
    result=Result,
    endpoints=(CLASSIFICATION_V3, TICLOUD),
    plan=plan,
    branches=("malicious", "suspicious", "goodware", "unknown", "not_found"),
    stix=("file", "malware-analysis", "indicator", "malware", "relationship"),
    egress="the hash, to Spectra Intelligence; it counts to the daily number of cloud look-ups",
    idempotent=True,
    doc_url=DOCS + "deprecated-endpoints#obtain-spectra-intelligence-file-reputation-classification-results",
    examples=(
        Example("one hash", {"hash_value": "d1aff4d205b59b1ae3edf152603fa2ae5a7c6cc5"}),
        Example(
            "several hashes",
            {
                "hash_values": [
                    "d1aff4d205b59b1ae3edf152603fa2ae5a7c6cc5",
                    "3395856ce81f2b7382dee72602f798b642f14140",
                ]
            },
        ),
    ),
)
