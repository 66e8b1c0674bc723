"""Get the reputation of a URL: what Spectra Intelligence, and the third parties that it asks, know of it.

The URL itself leaves for the vendor's cloud, and the vendor's page on its network reputation service (TCA-0407) says
that what is looked up may be shared with third parties. That reveals more than a hash does, so the setting allow_cloud
is needed, and a URL that is marked, internal, or seems to hold a secret is refused as for a public submission.

Sources: the vendor's page "Network Threat Intelligence API" (9.1.0 and 9.3.0) and its SDK 2.15 (``network_url_report``)
for request and answer; a capture of 2023 (vendor-authored integration) for times without a zone and for an answer
without ``analysis``. What a URL that nobody knows is answered with is documented nowhere.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import Field

from connector.action import DOCS, Action, Answer, Context, Example, request, worst
from connector.endpoints import URL_REPUTATION
from connector.errors import InputRefused, MalformedResponse, ResponseMismatch, Violation
from connector.plan import Plan, Reply
from connector.privacy import cloud_refusal
from connector.steps import text_of
from connector.verdict import Url, Verdict, read_classification, read_time
from connector.vocabulary import Classification, Marking, Message
from connector.vocabulary import Url as UrlText
from connector.zones import host_of, malformed_reason

MOST_THREATS: Final = 10
_LONGEST_NAME: Final = 256
_THREATS: Final = frozenset({"malicious", "suspicious"})
Count = int | None


class Params(Message):
    url: UrlText
    tlp: Marking | None = None


class ThirdParties(Message):
    """How many third parties know the URL, and as what; null where the answer does not say."""

    total: Count = Field(None, ge=0, description="Third parties that were asked.")
    malicious: Count = Field(None, ge=0, description="Those that call it malicious.")
    suspicious: Count = Field(None, ge=0, description="Those that call it suspicious.")
    clean: Count = Field(None, ge=0, description="Those that call it clean.")
    undetected: Count = Field(None, ge=0, description="Those that know nothing of it.")


class FilesFound(Message):
    """How many files the analyses found at the URL, by classification; null where the answer does not say."""

    total: Count = Field(None, ge=0, description="All files.")
    malicious: Count = Field(None, ge=0, description="Malicious ones.")
    suspicious: Count = Field(None, ge=0, description="Suspicious ones.")
    goodware: Count = Field(None, ge=0, description="Goodware.")
    unknown: Count = Field(None, ge=0, description="Unknown ones.")


class Analysis(Message):
    """The vendor's own analyses of the URL."""

    count: Count = Field(None, ge=0, description="How many there were.")
    first: str | None = Field(None, description="When the first one was, RFC 3339 in UTC.")
    last: str | None = Field(None, description="When the last one was, RFC 3339 in UTC.")
    files: FilesFound | None = Field(None, description="The files that they found there.")


class Threat(Message):
    """One threat that was found in files from the URL."""

    threat_name: str
    riskscore: int | None = Field(None, ge=0, le=10)
    files: Count = Field(None, ge=0, description="Files it was found in.")


class Result(Message):
    """What is known of the URL; without a classification it is not found."""

    url: str
    found: bool = Field(description="Whether the URL has a classification.")
    classification: Classification | None = None
    threat_name: str | None = Field(None, description="The URL's own threat name, or else the first of top_threats.")
    third_parties: ThirdParties | None = Field(None, description="What third parties say of it.")
    analysis: Analysis | None = Field(None, description="The vendor's analyses of it; null where there were none.")
    top_threats: tuple[Threat, ...] = Field((), max_length=MOST_THREATS, description="At most 10, as answered.")


def plan(params: Params, context: Context) -> Plan[Answer]:
    """One look-up; a URL that nobody knows is an answer. What the appliance words never repeats the URL's query."""
    refuse(params, context)
    hidden = urlsplit(params.url).query
    reply = yield from request(
        URL_REPUTATION, query=(("url", params.url),), cloud=True, secrets=(hidden,) if hidden else ()
    )
    body = {} if reply.status == 404 else _body(reply)
    _refuse_another(body, params.url)
    result = _result(body, params.url)
    verdicts = (_verdict(body, result, result.classification),) if result.classification else ()
    return Answer(
        result=result,
        endpoint=URL_REPUTATION,
        answered_at=reply.answered_at,
        status="success" if verdicts else "not_found",
        branch=worst(verdicts),
        verdicts=verdicts,
    )


def refuse(params: Params, context: Context) -> None:
    """Refuse a URL that must not leave for the vendor's cloud, before anything is sent.

    Raises:
        InputRefused: at /url, where its host is in doubt, allow_cloud is not set, or the URL is marked, internal or
            seems to hold a secret; the last three whatever the settings allow.
    """
    wrong = malformed_reason(params.url)
    private = cloud_refusal(tlp=params.tlp, url=params.url, private_zones=context.private_zones)
    if wrong is None and not context.allow_cloud:
        wrong = (
            "would be sent to Spectra Intelligence, which may share it with third parties, and the settings do not "
            "allow that: set allow_cloud"
        )
    elif wrong is None and private:
        wrong = f"must not be sent to Spectra Intelligence, which may share it with third parties: {private}"
    if wrong:
        raise InputRefused.of([Violation("/url", wrong)])


def _body(reply: Reply) -> Mapping[str, Any]:
    """The object of the answer: flat as in the capture, or inside ``rl`` as the cloud's own answers are."""
    body: dict[str, Any] = reply.json
    return _part(body, "rl") or body


def _refuse_another(body: Mapping[str, Any], url: str) -> None:
    """Refuse an answer about another host; the cloud may spell the rest of a URL in its own way."""
    answered = text_of(body, "requested_url")
    if answered and host_of(answered) not in {"", host_of(url)}:
        raise ResponseMismatch("url_reputation answered for another URL than was asked; its verdict was discarded")


def _result(body: Mapping[str, Any], url: str) -> Result:
    classification = _classification(body)
    threats = _threats(_part(body, "analysis").get("top_threats"))
    name = _name(body)
    if name is None and threats and classification in _THREATS:
        name = threats[0].threat_name
    return Result(
        url=url,
        found=classification is not None,
        classification=classification,
        threat_name=name,
        third_parties=_third_parties(_part(_part(body, "third_party_reputations"), "statistics")),
        analysis=_analysis(_part(body, "analysis")),
        top_threats=threats,
    )


def _classification(body: Mapping[str, Any]) -> Classification | None:
    """None where nothing is known; a classification that cannot be read is no answer and not the same as none."""
    word = body.get("classification")
    if word is not None and not isinstance(word, str):
        raise MalformedResponse("url_reputation answered with a classification that is no word (/classification)")
    return read_classification({"classification": word})


def _verdict(body: Mapping[str, Any], result: Result, classification: Classification) -> Verdict:
    """The verdict on the URL; its dates are those of the URL, or else of the vendor's analyses of it."""
    analysis = result.analysis or Analysis()
    first = read_time(body.get("first_seen")) or analysis.first
    last = read_time(body.get("last_seen")) or analysis.last
    return Verdict(
        subject=Url(value=result.url),
        classification=classification,
        riskscore=_count(body.get("riskscore"), most=10),
        threat_name=result.threat_name,
        reason=(text_of(body, "reason") or "").lower() or None,
        first_seen=first,
        last_seen=max(first, last) if first and last else last,
        source="cloud",
    )


def _third_parties(counts: Mapping[str, Any]) -> ThirdParties | None:
    if not counts:
        return None
    return ThirdParties(**{name: _count(counts.get(name)) for name in ThirdParties.model_fields})


def _analysis(body: Mapping[str, Any]) -> Analysis | None:
    if not body:
        return None
    counts = _part(body, "statistics")
    files = FilesFound(**{name: _count(counts.get(name)) for name in FilesFound.model_fields})
    return Analysis(
        count=_count(body.get("analysis_count")),
        first=read_time(body.get("first_analysis")),
        last=read_time(_part(body, "last_analysis").get("analysis_time")),
        files=files if counts else None,
    )


def _threats(listed: object) -> tuple[Threat, ...]:
    """The threats that have a name, up to the most that is shown."""
    items = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    named = [(name, item) for item in items if (name := _name(item))]
    return tuple(
        Threat(
            threat_name=name,
            riskscore=_count(item.get("risk_score"), most=10),
            files=_count(item.get("files_count")),
        )
        for name, item in named[:MOST_THREATS]
    )


def _name(body: Mapping[str, Any]) -> str | None:
    name = text_of(body, "threat_name")
    return name if name and len(name) <= _LONGEST_NAME else None


def _part(body: object, key: str) -> Mapping[str, Any]:
    """The object under a key; empty where there is none."""
    inner = body.get(key) if isinstance(body, Mapping) else None
    return inner if isinstance(inner, Mapping) else {}


def _count(value: object, most: int | None = None) -> int | None:
    """A whole number from 0 to ``most``; what is none, or lies outside, is not a value."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        return None
    return value if most is None or value <= most else None


ACTION = Action(
    name="get_url_reputation",
    title="Get the reputation of a URL",
    description="Looks up what Spectra Intelligence, and the third parties that it asks, know of one URL.",
    effect="read",
    params=Params,
    result=Result,
    endpoints=(URL_REPUTATION,),
    plan=plan,
    branches=("malicious", "suspicious", "goodware", "unknown", "not_found"),
    stix=("url", "malware-analysis", "indicator", "malware", "relationship"),
    egress="the URL, to Spectra Intelligence, which may share it with third parties; it needs the setting allow_cloud, "
    "and a URL that is marked, internal or seems to hold a secret is refused",
    idempotent=True,
    doc_url=DOCS + "network-threat-intelligence",
    examples=(Example("one URL", {"url": "https://www.example.com/download"}),),
)
