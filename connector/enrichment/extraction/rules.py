"""What takes subjects out of one member of an event: a rule, which is a function made once and called for each event.

A rule is given the member's value, whatever that is, and what was found so far, by subject. It adds to that, and
returns how many values were no hash though the field is one for hashes.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from connector.enrichment.extraction.subjects import LENGTHS, is_address, is_hash, labelled, texts
from connector.enrichment.values import Found, is_url

Hits = dict[str, Found]
Rule = Callable[[Any, Hits], int]

REMEMBERED: Final = 8192  # texts of one field whose meaning is remembered, since streams repeat themselves
LONGEST_REMEMBERED: Final = 512
_new: Final = tuple.__new__  # a named tuple without the way through its own __new__


def file_rule(at: str, members: Sequence[str]) -> Rule:
    """One file, whose hashes stand side by side in an object under these names, the strongest first."""
    named = [(name, f"{at}.{name}" if at else name, LENGTHS[_kind(name)], _nothing()) for name in members]

    def rule(node: Any, hits: Hits) -> int:
        if type(node) is not dict:
            return sum([rule(each, hits) for each in node if type(each) is dict]) if type(node) is list else 0
        bad = 0
        for name, field, length, remembered in named:
            value = node.get(name)
            if value is None:
                continue
            if type(value) is str:
                known = remembered.get(value)
                if known is None and is_hash(value, length):
                    known = remember(remembered, value, field, value.lower())
                if known is not None:
                    hits.setdefault(known[1], known)
                    return bad
            wrong, taken = take(value, field, length, hits)
            bad += wrong
            if taken:
                return bad
        return bad

    return rule


def _nothing() -> dict[str, Found]:
    return {}


def _kind(name: str) -> str:
    """The kind of hash that a member's name ends with: ``sha256`` of ``TargetFileSHA256``."""
    low = "".join(each for each in name.lower() if each.isalnum()).removesuffix("hash")
    return next(kind for kind in LENGTHS if low.endswith(kind))


def take(value: Any, field: str, length: int, hits: Hits) -> tuple[int, bool]:
    """Take the hashes of this length; how many values were none, and whether there was one."""
    bad, taken = 0, False
    for text in texts(value):
        if type(text) is str and is_hash(text, length):
            taken = True
            put(hits, field, text.lower())
        else:
            bad += 1
    return bad, taken


def put(hits: Hits, field: str, subject: str) -> None:
    """Add a subject, unless it is there already."""
    hits.setdefault(subject, _new(Found, (field, subject)))


def remember(remembered: dict[str, Found], text: str, field: str, subject: str) -> Found:
    """Remember what a text of this field means, in bounded memory; what it means."""
    found: Found = _new(Found, (field, subject))
    if len(text) <= LONGEST_REMEMBERED:
        if len(remembered) >= REMEMBERED:
            remembered.clear()
        remembered[text] = found
    return found


def hash_rule(at: str) -> Rule:
    """A text, or a list of them, each with a hash of any kind, or with several of one file (``MD5=..,SHA1=..``)."""
    remembered: dict[str, Found] = {}

    def rule(value: Any, hits: Hits) -> int:
        if type(value) is str and (known := remembered.get(value)) is not None:
            hits.setdefault(known[1], known)
            return 0
        bad = 0
        for text in texts(value):
            subject, wrong = _hash_in(text)
            bad += wrong
            if subject is not None:
                hits.setdefault(subject, remember(remembered, text, at, subject))
        return bad

    return rule


def _hash_in(text: Any) -> tuple[str | None, int]:
    if type(text) is not str:
        return None, 1
    if "=" in text:
        subject, wrong = labelled(text)
        return subject and subject.lower(), wrong
    return (text.lower(), 0) if is_hash(text) else (None, 1)


def url_rule(at: str) -> Rule:
    """A text, or a list of them, each with a URL; what is none is nothing, as such fields hold paths and hosts too."""
    remembered: dict[str, Found] = {}

    def rule(value: Any, hits: Hits) -> int:
        if type(value) is str:
            known = remembered.get(value)
            if known is None and is_address(value):
                known = remember(remembered, value, at, value)
            if known is not None:
                hits.setdefault(value, known)
        elif type(value) is list:
            for each in value:
                if type(each) is str and is_address(each):
                    put(hits, at, each)
        return 0

    return rule


def own_rule(at: str, *, urls: bool) -> Rule:
    """A field that the user named: hashes and URLs by their form, each its own subject."""
    hashes, addresses = hash_rule(at), url_rule(at)

    def rule(value: Any, hits: Hits) -> int:
        if type(value) is list:
            return sum([rule(each, hits) for each in value if type(each) is not list])
        if type(value) is str and value[:4].lower() == "http" and is_address(value):
            return addresses(value, hits) if urls else 0
        return hashes(value, hits)

    return rule


# OCSF 1.5, object fingerprint, algorithm_id: 1 MD5, 2 SHA-1, 3 SHA-256, 4 SHA-512; CTPH, TLSH and others name no file.
_ALGORITHMS: Final = {3: "sha256", 2: "sha1", 1: "md5", 4: "sha512"}


def prints_rule(at: str) -> Rule:
    """One file, whose hashes are a list of OCSF fingerprints."""
    field = f"{at}.value"

    def rule(prints: Any, hits: Hits) -> int:
        if type(prints) is not list:
            return 0
        told = [(each.get("algorithm_id"), each.get("value")) for each in prints if type(each) is dict]
        values = {kind: value for kind, value in told if type(kind) is int}
        bad = 0
        for kind, name in _ALGORITHMS.items():
            wrong, taken = take(values.get(kind), field, LENGTHS[name], hits)
            bad += wrong
            if taken:
                break
        return bad

    return rule


# OCSF 1.5, object observable, type_id.
_URL_STRING: Final = 6
_HASH: Final = 8


def observables_rule(at: str, *, urls: bool) -> Rule:
    """What an OCSF event says of itself once more: URLs, and hashes where no file gave one.

    Observables of one name are hashes of the same files, so that only those of the strongest kind are taken.
    """
    field = f"{at}.value"

    def rule(told: Any, hits: Hits) -> int:
        bad = 0
        wanted = all(is_url(subject) for subject in hits)
        by_name: dict[Any, list[str]] = {}
        for each in told if type(told) is list else ():
            kind, value = (each.get("type_id"), each.get("value")) if type(each) is dict else (None, None)
            if kind == _URL_STRING and urls and type(value) is str and is_address(value):
                put(hits, field, value)
            elif kind == _HASH and wanted:
                for text in texts(value):
                    if type(text) is str and is_hash(text):
                        by_name.setdefault(str(each.get("name")), []).append(text.lower())
                    else:
                        bad += 1
        for values in by_name.values():
            _put_strongest(values, field, hits)
        return bad

    return rule


def _put_strongest(values: list[str], field: str, hits: Hits) -> None:
    there = {len(value) for value in values}
    best = next(length for length in LENGTHS.values() if length in there)
    for value in values:
        if len(value) == best:
            put(hits, field, value)


def spare_rule(at: str) -> Rule:
    """As ``hash_rule``, where nothing before it found a hash: for a field that repeats one of another."""
    rule = hash_rule(at)
    return lambda value, hits: rule(value, hits) if all(is_url(subject) for subject in hits) else 0


def windows_rule(at: str, names: Sequence[str]) -> Rule:
    """The data of a Windows event: an object by name, or a list of ``{"@Name": .., "#text": ..}``, also in ``Data``."""
    rules = {name: hash_rule(f"{at}.{name}") for name in names}

    def rule(data: Any, hits: Hits) -> int:
        bad = 0
        if type(data) is dict:
            for name, take in rules.items():
                if name in data:
                    bad += take(data[name], hits)
            data = data.get("Data")
        for each in data if type(data) is list else (data,):
            if type(each) is dict:
                named = each.get("@Name", each.get("Name"))
                if isinstance(named, str) and named in rules:
                    bad += rules[named](each.get("#text", each.get("Data")), hits)
        return bad

    return rule
