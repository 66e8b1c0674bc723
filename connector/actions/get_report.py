"""Get summary reports: what the appliance holds on samples, in its own words, and the verdict on each."""

from typing import Annotated, Any, Final

from pydantic import Field, WithJsonSchema

from connector.action import DOCS, Action, Answer, Context, Example, choose, request, worst
from connector.endpoint import Endpoint
from connector.endpoints import LIST_V1, LIST_V2
from connector.errors import MalformedResponse
from connector.plan import Plan, Reply
from connector.steps import BATCH, Summary, batches, summary
from connector.verdict import read_verdict
from connector.vocabulary import HashList, Marking, Message, hash_type

_VERDICT: Final = """md5 sha1 sha256 sha512 classification riskscore classification_result classification_reason
 file_type file_subtype file_size local_first_seen local_last_seen"""
_REST: Final = """id category identification_name identification_version extracted_file_count classification_origin
 classification_source tags aliases proposed_filename av_scanners_summary"""
NEEDED: Final = tuple(_VERDICT.split())
USUAL: Final = (*NEEDED, *_REST.split())
_NAME: Final[dict[str, Any]] = {"type": "string", "minLength": 1, "maxLength": 64, "not": {"pattern": "[^a-z0-9_]"}}
Name = Annotated[str, Field(pattern="^[a-z0-9_]{1,64}$"), WithJsonSchema(_NAME)]


class Params(Message):
    hash_values: HashList = Field(description="Hashes of one type.")
    fields: Annotated[list[Name], Field(min_length=1, max_length=64)] | None = Field(
        None,
        description="Fields of the report; left out: the usual ones. What a verdict needs is always asked for. "
        "Current endpoint only.",
        examples=[["tags", "summary", "ticore"]],
    )
    tlp: Marking | None = None


class Result(Message):
    """``entries`` in the order asked; ``reports`` as the appliance gives them, to be read as data."""

    entries: tuple[Summary, ...]
    reports: tuple[dict[str, Any], ...] = Field(description="The appliance's own objects, unchanged.")
    found: int = Field(ge=0)


def plan(params: Params, context: Context) -> Plan[Answer]:
    """Ask in batches; reanalysis is always skipped, as reading a report would otherwise start it."""
    endpoint = yield from choose(context, params, LIST_V2, LIST_V1)
    reports: list[dict[str, Any]] = []
    answered_at = ""
    for batch in batches(tuple(params.hash_values), BATCH):
        reply = yield from request(endpoint, form=_form(endpoint, params, batch))
        answered_at = reply.answered_at
        reports += _results(endpoint, reply)
    found = _by_hash(reports, params.hash_values)
    verdicts = {value: read_verdict(_summary_of(report)) for value, report in found.items()}
    known = tuple(verdict for verdict in verdicts.values() if verdict)
    entries = [
        summary(verdict, value) if (verdict := verdicts.get(value)) else Summary(hash_value=value, found=value in found)
        for value in params.hash_values
    ]
    return Answer(
        result=Result(entries=tuple(entries), reports=tuple(found.values()), found=len(found)),
        endpoint=endpoint,
        answered_at=answered_at,
        status="success" if found else "not_found",
        branch="unknown" if found and not known else worst(known),
        verdicts=known,
    )


def _form(endpoint: Endpoint, params: Params, batch: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    form = tuple(("hash_values", value) for value in batch)
    if endpoint is not LIST_V2:
        return form
    fields = dict.fromkeys([*NEEDED, *(params.fields if params.fields is not None else USUAL)])
    return (*form, *(("fields", name) for name in fields), ("skip_reanalysis", "true"))


def _results(endpoint: Endpoint, reply: Reply) -> list[dict[str, Any]]:
    results = reply.json.get("results")
    if not isinstance(results, list) or not all(isinstance(item, dict) for item in results):
        raise MalformedResponse(f"{endpoint.name} answered without a list of results (/results)")
    return results


def _by_hash(reports: list[dict[str, Any]], asked: list[str]) -> dict[str, dict[str, Any]]:
    kind = hash_type(asked[0]) or ""
    found = {str(_summary_of(report).get(kind, "")).lower(): report for report in reports}
    return {value: found[value] for value in asked if value in found}


def _summary_of(report: dict[str, Any]) -> dict[str, Any]:
    nested = report.get("sample_summary")
    return nested if isinstance(nested, dict) else report


ACTION = Action(
    name="get_report",
    title="Get summary reports",
    description="Returns the appliance's summary report and verdict for each hash.",
    effect="read",
    params=Params,
    result=Result,
    endpoints=(LIST_V2, LIST_V1),
    plan=plan,
    branches=("malicious", "suspicious", "goodware", "unknown", "not_found"),
    stix=("file", "malware-analysis", "indicator", "malware", "relationship"),
    egress="none",
    idempotent=True,
    doc_url=DOCS + "samples#get-summary-analysis-report",
    examples=(
        Example("the usual fields", {"hash_values": ["d1aff4d205b59b1ae3edf152603fa2ae5a7c6cc5"]}),
        Example(
            "chosen fields", {"hash_values": ["d1aff4d205b59b1ae3edf152603fa2ae5a7c6cc5"], "fields": ["tags", "ticore"]}
        ),
    ),
)
