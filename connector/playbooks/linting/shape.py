"""Whether a file has the shape of a playbook: the fields of each object, null, and keys that match their types."""

from collections.abc import Iterator, Mapping
from functools import reduce
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError

from connector.check import told
from connector.playbooks.cacao import Action, ExtensionId, Identifier, Playbook, Timestamp, VariableName, read_command
from connector.playbooks.extension import ANSWER, NEEDS, Answer, JsonPath, Needs
from connector.playbooks.linting.finding import Finding, Path, found
from connector.playbooks.linting.models import AGENTS, MARKINGS, Signature, Web

# Forms that a pattern tells worse than an example.
_FORMS: Final = {
    f"must match {pattern}": f"must be {words}"
    for kind, words in (
        (Identifier, "an id such as action--2f1c6a0e-5f0b-4c53-9d35-0a8a3a1f6a11, its type before a UUID"),
        (ExtensionId, "the id of an extension definition"),
        (VariableName, "the name of a variable, such as __name__"),
        (Timestamp, "a time in UTC, such as 2026-01-31T12:00:00.000Z"),
        (Web, "a URL with a dotted host name; other addresses go into dname, ipv4 or ipv6"),
        (JsonPath, "a JSONPath, which begins with $"),
    )
    for pattern in (item.pattern for item in get_args(kind)[1].metadata if hasattr(item, "pattern"))
}
_DEFINITIONS: Final = ("agent_definitions", "target_definitions", "authentication_info_definitions")
_KEYED: Final = (
    *("workflow", *_DEFINITIONS),
    *("extension_definitions", "data_marking_definitions"),
)


def read_shape(value: Any) -> tuple[Playbook | None, list[Finding]]:
    """The playbook that a JSON value is, if its shape lets it be one, and everything wrong with its shape."""
    if not isinstance(value, dict):
        return None, [found("not-json", (), "the file must hold one JSON object")]
    findings = [*_nulls(value), *_keys(value), *_empty(value), *_definitions(value)]
    try:
        playbook = Playbook.model_validate(value)
    except ValidationError as error:
        return None, [*_refused((), value, error), *findings]
    findings += [*_times(playbook), *_extensions(playbook), *_commands(playbook)]
    return playbook, findings


def _refused(path: Path, raw: object, error: ValidationError, code: str = "shape") -> Iterator[Finding]:
    """What a model says of a part of the file, with the place of that part before it."""
    for place, sentence in told(raw, error).items():
        plain = reduce(lambda text, known: text.replace(*known), _FORMS.items(), sentence)
        yield _at(found(code, path, f"{_named(path, place)} {plain}"), place)


def _at(finding: Finding, place: str) -> Finding:
    return Finding(finding.pointer + place, finding.code, finding.severity, finding.message, finding.mend)


def _named(path: Path, place: str) -> str:
    """The last name of a place, as a sentence begins with it; of long keys nothing, as the pointer has them."""
    last = place.rpartition("/")[2] if place else (str(path[-1]) if path else "the playbook")
    if last.isdecimal():
        return f"item {last}"
    return last if len(last) <= 60 and (last.isidentifier() or last == "the playbook") else "this"


def _nulls(value: Mapping[str, Any]) -> Iterator[Finding]:
    left: list[tuple[Path, Any]] = [((), value)]
    while left:
        path, here = left.pop()
        items = here.items() if isinstance(here, Mapping) else enumerate(here)
        for key, item in items:
            place: Path = (*path, key)
            if item is None and not _may_be_null(place):
                yield found("null-value", place, "null stands here, where CACAO 2.0 has a value or nothing")
            elif isinstance(item, dict | list) and not str(key).endswith("_extensions"):
                left.append((place, item))


def _may_be_null(path: Path) -> bool:
    of_variable = len(path) >= 3 and path[-1] == "value" and path[-3] in {"playbook_variables", "step_variables"}
    return of_variable or (path[0] == "data_marking_definitions" and path[-1] == "end_date")


def _keys(value: Mapping[str, Any]) -> Iterator[Finding]:
    for group in _KEYED:
        definitions = value.get(group)
        for key, item in definitions.items() if isinstance(definitions, Mapping) else ():
            kind = item.get("type") if isinstance(item, Mapping) else None
            prefix = str(key).partition("--")[0]
            if isinstance(kind, str) and prefix != kind and "--" in str(key):
                yield found("key-mismatch", (group, key), "the key does not begin with the type of what it holds")


def _empty(value: Mapping[str, Any]) -> Iterator[Finding]:
    for group in _DEFINITIONS:
        if value.get(group) == {}:
            yield found("shape", (group,), f"{group} must have at least 1 item, or be left out")


def _definitions(value: Mapping[str, Any]) -> Iterator[Finding]:
    """Agents, targets, markings and signatures, each by the model of its type."""
    for group, models in (
        ("agent_definitions", AGENTS),
        ("target_definitions", AGENTS),
        ("data_marking_definitions", MARKINGS),
    ):
        definitions = value.get(group)
        for key, item in definitions.items() if isinstance(definitions, Mapping) else ():
            model = models.get(str(key).partition("--")[0])
            if model is not None:
                yield from _by((group, key), model, item)
            elif group == "data_marking_definitions":
                yield found("shape", (group, key), f"the key must begin with one of {', '.join(MARKINGS)}")
    signatures = value.get("signatures")
    for number, item in enumerate(signatures if isinstance(signatures, list) else ()):
        yield from _by(("signatures", number), Signature, item)


def _by(path: Path, model: type[BaseModel], item: Any, code: str = "shape") -> Iterator[Finding]:
    try:
        model.model_validate(item)
    except ValidationError as error:
        yield from _refused(path, item, error, code)


def _times(playbook: Playbook) -> Iterator[Finding]:
    if _instant(playbook.modified) < _instant(playbook.created):
        yield found("times-reversed", ("modified",), "modified lies before created")
    since, until = playbook.valid_from, playbook.valid_until
    if since is not None and until is not None and _instant(until) <= _instant(since):
        yield found("times-reversed", ("valid_until",), "valid_until does not lie after valid_from")


def _instant(text: str) -> tuple[str, str]:
    """A timestamp as it sorts: its seconds, and its fraction without closing zeros."""
    seconds, _, fraction = text.removesuffix("Z").partition(".")
    return seconds, fraction.rstrip("0")


def _extensions(playbook: Playbook) -> Iterator[Finding]:
    """The two extensions of ours, by their models, and where they may stand."""
    given = (playbook.playbook_extensions or {}).get(NEEDS)
    if given is not None:
        yield from _by(("playbook_extensions", NEEDS), Needs, given, "bad-extension")
    for name, step in playbook.workflow.items():
        answer = (step.step_extensions or {}).get(ANSWER)
        if answer is None:
            continue
        path: Path = ("workflow", name, "step_extensions", ANSWER)
        yield from _by(path, Answer, answer, "bad-extension")
        if not isinstance(step, Action):
            yield found("bad-extension", path, f"a step of type {step.type} gets no answer to take from")


def _commands(playbook: Playbook) -> Iterator[Finding]:
    for name, step in playbook.workflow.items():
        for number, command in enumerate(step.commands if isinstance(step, Action) else ()):
            path: Path = ("workflow", name, "commands", number)
            try:
                ready = read_command(command)
            except ValidationError as error:
                yield from _refused(path, command.model_dump(exclude_unset=True), error, "bad-command")
                continue
            if ready is None:
                yield found("foreign-command", path, "only commands of type http-api and manual are done here")
