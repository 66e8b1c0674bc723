"""An outcome as a case note in Markdown: what was asked, what the appliance said, and what to do next.

Everything that comes from outside is escaped, so that no name or reason can be a link, markup or a cell of its own:
each ASCII mark that CommonMark, its table extension or its automatic links give a meaning stands behind a backslash,
what is not printable (line breaks and marks of direction, too) is replaced, and addresses are written so that nobody
follows them by accident.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from connector.actions import find
from connector.outcome import Outcome
from connector.printable import printable
from connector.verdict import File, Url, Verdict

LONGEST: Final = 300
MOST_ROWS: Final = 100
_MARKS: Final = re.compile(r"([\\`*_{}\[\]()<>#+!|~&:@$^='\"-])")
_DOTS: Final = re.compile(r"(?i)(^[0-9]+|www)\.")  # a number and a dot begin a list, www and a dot a link
_BESIDE: Final = frozenset({"entries", "reports", "verdicts"})  # of a result: shown as a table, or too much for a note
_HASHES: Final = {"sha256": "SHA-256", "sha1": "SHA-1", "md5": "MD5", "sha512": "SHA-512"}
ADVICE: Final[Mapping[str, str]] = {
    "malicious": "Treat it as malicious: isolate where it was seen, and block its hashes or its address.",
    "suspicious": "Look at its report on the appliance before you trust or remove it.",
    "goodware": "It is known as good. No further step follows from this verdict.",
    "unknown": "There is no verdict. That does not say that it is clean: submit it, or ask again later.",
    "not_found": "The appliance does not know it, which says nothing about it. Submit it for a verdict.",
    "pending": "The analysis is under way. Ask again later.",
    "submitted": "It was submitted, and the analysis is under way. Ask for its status later.",
    "deleted": "It was deleted from the appliance.",
    "partial": "Only a part of it was done. Look at the result of each hash.",
    "planned": "Nothing was deleted yet. Have the plan approved, and confirm it with its digest.",
    "ok": "No further step follows from this.",
}


def note(outcome: Outcome, params: Mapping[str, Any]) -> str:
    """The case note of an outcome and the parameters that led to it; no secret and no content is in it."""
    parts = [
        [f"# {plain(outcome.action)}: {plain(outcome.branch)}"],
        ["## Asked", "", *_asked(outcome.action, params)],
        ["## Answer", "", *_answer(outcome)],
        _verdicts(outcome.verdicts),
        ["## Next", "", *_next(outcome)],
        _notices(outcome.notices),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def plain(value: object) -> str:
    """Text from outside as text and nothing else, on one line, of at most 300 characters."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = text if len(text) <= LONGEST else text[:LONGEST] + "\N{HORIZONTAL ELLIPSIS}"
    return _DOTS.sub(r"\1\\.", _MARKS.sub(r"\\\1", " ".join(printable(text).split())))


def defanged(url: str) -> str:
    """An address that cannot be followed by a click: hxxp, and dots in brackets up to the path."""
    scheme, mark, rest = url.partition("://")
    if not mark:
        return url
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    told = re.sub("^http", "hxxp", scheme.lower())
    return f"{told}://{authority.replace('.', '[.]')}{rest[len(authority) :]}"


def _asked(action: str, params: Mapping[str, Any]) -> Iterator[str]:
    fields = find(action).params.model_json_schema()["properties"]
    shown = {name: value for name, value in params.items() if name in fields and value is not None}
    if "filename" in shown:
        shown.pop("file", None)  # an uploaded file has no place that would tell anything
    for name, value in shown.items():
        if "writeOnly" in json.dumps(fields[name]):
            yield f"- {plain(name)}: given, and not shown"
        elif name == "content_base64":
            yield f"- {plain(name)}: {len(str(value))} characters"
        else:
            yield f"- {plain(name)}: {plain(_safe(value))}"
    if not shown:
        yield "- no parameters"


def _safe(value: object) -> object:
    return defanged(value) if isinstance(value, str) else value


def _answer(outcome: Outcome) -> Iterator[str]:
    yield f"- status: {plain(outcome.status)}"
    yield f"- branch: {plain(outcome.branch)}"
    for name, value in outcome.result.model_dump(mode="json").items():
        if name not in _BESIDE and value not in (None, "", [], {}):
            yield f"- {plain(name)}: {plain(_safe(value))}"
    if outcome.operation_id is not None:
        yield f"- operation: {plain(outcome.operation_id)}"
    if outcome.stix is not None:
        yield f"- STIX 2.1: {len(outcome.stix['objects'])} objects"
    yield f"- endpoint: {plain(outcome.endpoint.path)}"


def _verdicts(verdicts: tuple[Verdict, ...]) -> list[str]:
    if not verdicts:
        return []
    head = ("verdict", "risk", "threat", "reason", "subject", "hashes")
    rows = [_row(head), _row(("---",) * len(head)), *(_row(_cells(verdict)) for verdict in verdicts[:MOST_ROWS])]
    more = [] if len(verdicts) <= MOST_ROWS else ["", f"{len(verdicts) - MOST_ROWS} more are in the JSON outcome."]
    return ["## Verdicts", "", *rows, *more]


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(verdict: Verdict) -> tuple[str, ...]:
    subject = verdict.subject
    named, file = (
        (defanged(subject.value), subject.served) if isinstance(subject, Url) else (subject.name or "", subject)
    )
    risk = "" if verdict.riskscore is None else str(verdict.riskscore)
    texts = (verdict.classification, risk, verdict.threat_name or "", verdict.reason or "", named)
    return (*(plain(text) for text in texts), _hashes(file))


def _hashes(file: File | None) -> str:
    found = [(word, getattr(file, kind, None)) for kind, word in _HASHES.items()]
    return ", ".join(f"{word} {plain(value)}" for word, value in found if value)


def _next(outcome: Outcome) -> Iterator[str]:
    yield f"- {ADVICE[outcome.branch]}"
    if outcome.next is not None:
        step = outcome.next
        yield f"- In {step.after_seconds:g} s or later: {plain(step.action)} with"
        yield f"\n```json\n{json.dumps(step.params)}\n```"


def _notices(notices: tuple[str, ...]) -> list[str]:
    return ["## Notices", "", *(f"- {plain(text)}" for text in notices)] if notices else []
