"""What the linter finds: a code, how bad it is, where in the file, one sentence, and what to do about it.

Codes are relied on by others and do not change. An error keeps a playbook from being run; a warning does not.
"""

from dataclasses import asdict, dataclass
from typing import Final, Literal, NamedTuple

from connector.vocabulary import pointer

Severity = Literal["error", "warning"]
Path = tuple[str | int, ...]


class Rule(NamedTuple):
    """What a code means in general, and what to do about it."""

    severity: Severity
    meaning: str
    mend: str


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing found; ``pointer`` is a JSON pointer (RFC 6901) into the file, of a missing field to where it would be.

    No text of a finding repeats what looks like a secret.
    """

    pointer: str
    code: str
    severity: Severity
    message: str
    mend: str

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


def found(code: str, path: Path, message: str, mend: str = "") -> Finding:
    """A finding of a known code at a place given as keys; ``mend`` where more is known than the rule says."""
    rule = RULES[code]
    return Finding(pointer(list(path)), code, rule.severity, message, mend or rule.mend)


def _error(meaning: str, mend: str) -> Rule:
    return Rule("error", meaning, mend)


def _warning(meaning: str, mend: str) -> Rule:
    return Rule("warning", meaning, mend)


RULES: Final[dict[str, Rule]] = {
    # --- shape
    "not-json": _error(
        "The file is no JSON object, or JSON that two readers could read in two ways: a name twice, NaN, too deep.",
        "write one JSON object in UTF-8, each name once",
    ),
    "too-large": _error("The file is larger than any playbook needs to be.", "split the playbook, and call its parts"),
    "shape": _error(
        "A field is missing, unknown, or not of the form that CACAO 2.0 gives it.",
        "write the field as the CACAO 2.0 specification has it",
    ),
    "null-value": _error(
        "A field is null; CACAO 2.0 leaves out what is not known, except for the value of a variable.",
        "leave the field out",
    ),
    "key-mismatch": _error(
        "The key of a step or of a definition does not begin with the type of what it holds.",
        "begin the key with the type, as in action--UUID, and use the new key where the old one is used",
    ),
    "times-reversed": _error(
        "modified lies before created, or valid_until does not lie after valid_from.", "put the times in order"
    ),
    "bad-extension": _error(
        "An extension of ours (answer or needs) does not hold what it should, or stands where it means nothing.",
        "write it as docs/playbooks/extensions.md says",
    ),
    # --- commands
    "bad-command": _error(
        "A command is not what can be done: no HTTP start line, bad headers, content that is not what it is called.",
        "write the command as CACAO 2.0 has it for its type",
    ),
    "foreign-command": _error(
        "A command is of a type that is not run here; another engine may run it.",
        "use http-api or manual, or run the playbook with an engine that knows this type",
    ),
    "bad-target": _error(
        "An HTTP command has no target, or one that cannot be called over HTTP.",
        "give the step a target of type http-api with an address",
    ),
    # --- steps
    "dangling-step": _error("A step leads to a step that is not in the workflow.", "use the key of a step that exists"),
    "dangling-agent": _error("A step's agent is not defined.", "define it in agent_definitions"),
    "dangling-target": _error("A target is used that is not defined.", "define it in target_definitions"),
    "dangling-authentication": _error(
        "An agent or a target uses authentication that is not defined.", "define it in authentication_info_definitions"
    ),
    "dangling-extension": _error("An extension is used that is not defined.", "define it in extension_definitions"),
    "dangling-marking": _error("A data marking is used that is not defined.", "define it in data_marking_definitions"),
    "bad-start": _error(
        "workflow_start is not a start step, or there is another start step.",
        "have exactly one step of type start, and name it in workflow_start",
    ),
    "no-end": _error("No step of the workflow is an end step.", "add a step of type end, and lead there"),
    "unreachable-step": _error(
        "No path from the start or the exception handler leads to a step.", "lead there, or take it out"
    ),
    "into-branch": _error(
        "A step leads into a branch that is not its own, so that its steps would be done twice or come back wrongly.",
        "end each branch at an end step of its own; what follows all branches comes after the step that opened them",
    ),
    "shared-end": _warning(
        "Two branches share steps; CACAO 2.0 wants an end step of its own for each branch.",
        "give each branch steps of its own",
    ),
    "skipped-elsewhere": _warning(
        "A step is of a type that other engines skip without a word (parallel, switch-condition).",
        "use if-condition steps, one after the other, where the playbook is to be portable",
    ),
    # --- loops
    "endless-cycle": _error(
        "Steps lead round in a circle by on_completion, on_success or on_failure; only a while-condition may loop.",
        "loop with a while-condition whose condition the loop changes",
    ),
    "endless-loop": _error(
        "No step within a while-condition assigns a variable that its condition looks at, so it never ends.",
        "assign one of its variables within the loop, by the answer extension",
    ),
    "no-timeout": _warning("A while-condition has no timeout.", "give it a timeout in milliseconds"),
    # --- variables
    "undeclared-variable": _error(
        "A variable is used, or given something, that is declared nowhere it is seen from.",
        "declare it in playbook_variables, or in step_variables of the step",
    ),
    "unset-variable": _error(
        "A variable is used that has no value on any path that leads there.",
        "give it a value, make it external, or assign it in a step before",
    ),
    "perhaps-unset-variable": _warning(
        "A variable is used that has no value on some of the paths that lead there.",
        "give it a value, or assign it on every path that leads there",
    ),
    "unused-variable": _warning("A variable is declared, and nothing looks at it.", "take it out, or use it"),
    "constant-assigned": _error("A constant is given a new value.", "make it no constant, or assign another variable"),
    "bad-value": _error(
        "A value does not fit the type of its variable, or the type is not known here.",
        "write the value as its type wants it, or declare the type that it is of",
    ),
    "unlisted-output": _error(
        "A step takes a variable from an answer that its out_args do not name.", "name it in out_args"
    ),
    "unfilled-output": _warning(
        "An action names a variable in out_args that it takes from no answer, so it stays as it is.",
        "take it from the answer by the answer extension, or leave it out of out_args",
    ),
    "bad-path": _error(
        "A path into an answer is no JSONPath.", "write a JSONPath of RFC 9535, such as $.result.verdict"
    ),
    "bad-condition": _error(
        "A condition is no STIX comparison expression over variables.",
        "write comparisons such as __name__:value = 'text', joined with AND and OR",
    ),
    "unlike-types": _error(
        "A condition compares a variable with what is not of its type, so that it is decided before it is asked.",
        "quote texts, and do not quote numbers, true and false; or declare the variable with the type that it has",
    ),
    "shadowed-variable": _warning(
        "A step declares a variable that the playbook declares as well, and hides it.", "give it another name"
    ),
    "credential-used": _error(
        "A variable that holds a credential is used outside of authentication, where it would be kept and shown.",
        "let the call in by authentication_info of its target, and use the variable nowhere else",
    ),
    # --- actions
    "unknown-action": _error(
        "A command calls an action or a route that the action server does not have.", "call one that it has"
    ),
    "wrong-method": _error(
        "A route of the action server is called with another method than its own.", "use its method"
    ),
    "bad-params": _error(
        "The content of a call does not fit the parameters of its action.",
        "write what schemas/ACTION.params.json of the action says",
    ),
    "missing-scope": _error("A call needs a scope that the playbook does not say it needs.", "add the scope to needs"),
    "needless-scope": _warning(
        "The playbook asks for a scope that no call of it needs.", "take the scope out of needs"
    ),
    "unapproved-destroy": _error(
        "A call that deletes can be reached without a person having approved.",
        "put an action with a manual command before it on every path that leads there",
    ),
    # --- what a reader sees
    "secret": _error(
        "Something that looks like a secret stands in the file.",
        "revoke it, take it out, and use a variable that authentication_info names",
    ),
    "summary-mismatch": _warning(
        "playbook_processing_summary does not say what the playbook uses.",
        "say true for what is used, and only for that",
    ),
    "undescribed": _warning("A name, a description or labels are missing.", "say what it is for, for who reads it"),
}
