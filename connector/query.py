"""Typed clauses to the appliance's query language; what that language could read as syntax is refused, not escaped.

No source documents how a quote is escaped inside quotes, so a value never holds one. Fields come from a list, as a
mistyped field would silently search for something else. Sources: vendor cookbook notebooks and search page keywords.
"""

import re
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, WithJsonSchema, model_validator

from connector.vocabulary import Message

Kind = Literal["hash", "word", "number", "date", "text"]
_BY_KIND: Final[dict[Kind, str]] = {
    "hash": "md5 sha1 sha256 sha512 imphash similar-to pe-section-sha1 pe-resource-sha1",
    "word": "classification available type filetype tag cert-subject-country",
    "number": "threatlevel riskscore av-count size filecount",
    "date": "firstseen lastseen pe-timestamp",
    "text": """threatname sampletype filename uri uri-source pe-import pe-function pe-export pe-section-name
     pe-resource pe-resource-type pe-company-name pe-product-name pe-original-name pdb-path cert-serial
     cert-subject-name document-author document-subject document-title email-from email-subject dotnet-module-id""",
}
FIELDS: Final[dict[str, Kind]] = {name: kind for kind, names in _BY_KIND.items() for name in names.split()}
_SHAPES: Final[dict[Kind, tuple[str, str]]] = {
    "hash": (r"[0-9A-Fa-f]{32,128}", "hexadecimal digits"),
    "word": (r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}", "one word of letters, digits, dot, plus, hyphen and underscore"),
    "number": (r"[0-9]{1,15}", "a whole number"),
    "date": (
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z|[0-9]{1,4}d-",
        "a time such as 2026-01-31T00:00:00Z, or 3d- for not older than three days",
    ),
    "text": (
        r'[^\x00-\x1f\x7f-\x9f"\\*?\u2028\u2029\ud800-\udfff]{1,512}',
        "text without quotation marks, backslashes, asterisks, question marks and control characters",
    ),
}
_OPERATORS: Final = frozenset({"AND", "OR", "NOT", "TO"})
Value = str | int | bool
_VALUE: Final[dict[str, Any]] = {
    "anyOf": [{"type": "string", "minLength": 1, "maxLength": 512}, {"type": "integer"}, {"type": "boolean"}]
}
Scalar = Annotated[Annotated[str, Field(min_length=1, max_length=512)] | int | bool, WithJsonSchema(_VALUE)]
_ONE_FORM: Final[dict[str, Any]] = {
    "oneOf": [
        *({"required": [n], "properties": {n: {"not": {"type": "null"}}}} for n in ("is", "any_of", "like")),
        {
            "anyOf": [
                {"required": ["from"], "properties": {"from": {"not": {"type": "null"}}}},
                {"required": ["to"], "properties": {"to": {"not": {"type": "null"}}}},
            ]
        },
    ]
}


_KNOWN: Final[dict[str, Any]] = {"enum": sorted(FIELDS)}


class Clause(Message):
    """One condition: a field that is a value, is any of several, is like a text with *, or lies in a range."""

    model_config = ConfigDict(json_schema_extra=_ONE_FORM, populate_by_name=True)

    field: str = Field(description="A keyword of the query language.", json_schema_extra=_KNOWN)
    is_: Scalar | None = Field(None, alias="is", description="Equal to this.")
    any_of: Annotated[list[Scalar], Field(min_length=1, max_length=100)] | None = Field(
        None, description="Equal to one of these."
    )
    like: Annotated[str, Field(min_length=2, max_length=512)] | None = Field(
        None, description="Matches this text, in which * stands for anything; text fields only."
    )
    from_: Scalar | None = Field(None, alias="from", description="At least this; numbers and times only.")
    to: Scalar | None = Field(None, description="At most this; numbers and times only.")
    exclude: bool = Field(False, description="true turns the condition round.")

    @model_validator(mode="after")
    def _one_form(self) -> "Clause":
        if self.field not in FIELDS:
            raise ValueError(f"field must be one of {', '.join(sorted(FIELDS))}")
        ranged = self.from_ is not None or self.to is not None
        if sum([self.is_ is not None, self.any_of is not None, self.like is not None, ranged]) != 1:
            raise ValueError("give exactly one of is, any_of, like, or a range with from, to or both")
        clause_text(self)
        return self


def where_text(clauses: list[Clause]) -> str:
    """The query of several clauses, all of which must hold."""
    return " AND ".join(clause_text(clause) for clause in clauses)


def clause_text(clause: Clause) -> str:
    """One clause in the query language.

    Raises:
        ValueError: for a value that the field does not take, or that the language could read as syntax.
    """
    kind = FIELDS[clause.field]
    if clause.is_ is not None:
        value = _literal(kind, clause.is_)
    elif clause.any_of is not None:
        value = "[" + ", ".join(_literal(kind, item) for item in clause.any_of) + "]"
    elif clause.like is not None:
        value = _pattern(kind, clause.like)
    else:
        if kind not in {"number", "date"}:
            raise ValueError("from and to are for numbers and times; this field is neither")
        low = "*" if clause.from_ is None else _literal(kind, clause.from_)
        high = "*" if clause.to is None else _literal(kind, clause.to)
        value = f"[{low} TO {high}]"
    return ("NOT " if clause.exclude else "") + f"{clause.field}:{value}"


def _literal(kind: Kind, value: Value) -> str:
    text = str(value).upper() if isinstance(value, bool) else str(value)
    shape, words = _SHAPES[kind]
    if not re.fullmatch(shape, text):
        raise ValueError(f"a value of this field must be {words}")
    if text.upper() in _OPERATORS and kind != "text":
        raise ValueError("a value must not be one of the operators AND, OR, NOT, TO")
    return f'"{text}"' if kind == "text" else text


def _pattern(kind: Kind, value: str) -> str:
    if kind != "text":
        raise ValueError("like is for text fields; this field is none")
    if not value.replace("*", ""):
        raise ValueError("like needs some text beside the asterisks")
    _literal(kind, value.replace("*", "") or "x")
    return f'"{value}"'


def check_query(text: str) -> str:
    """A query in the vendor's language, refused where it cannot be one: quotes, brackets, control characters.

    Raises:
        ValueError: saying what is unbalanced or not allowed.
    """
    if re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", text):
        raise ValueError("must not hold control characters")
    if not text.strip():
        raise ValueError("must hold at least one condition")
    if text.count('"') % 2:
        raise ValueError("has a quotation mark that is not closed")
    bare = re.sub(r'"[^"]*"', "", text)
    for opening, closing, name in (("(", ")", "parenthesis"), ("[", "]", "bracket")):
        depth = 0
        for char in bare:
            depth += (char == opening) - (char == closing)
            if depth < 0:
                break
        if depth:
            raise ValueError(f"has a {name} that is not closed, or closed too often")
    return text
