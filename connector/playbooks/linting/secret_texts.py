"""What in a text looks like a secret: published shapes of tokens, values named like one, URLs that let in, random text.

Recognition is best effort and by text alone. What is found is named, and never repeated.
"""

import re
from typing import Final

from connector.playbooks.filling import REFERENCE
from connector.privacy import entropy, secret_in_url, token_in

_SHAPES: Final = (
    (re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY"), "a private key"),
    (re.compile(r"(?<![A-Za-z0-9])spectra_[A-Za-z0-9_-]{20}"), "an API key of the action server"),
    (
        re.compile(r"(?<![A-Za-z0-9_-])(?:(?:AKIA|ASIA)[A-Z2-7]{16}|sk-[A-Za-z0-9_-]{20})"),
        "a token of a published shape",
    ),
)
_WORDS: Final = r"password|passwd|passphrase|pwd|token|secret|(?:api|access|private|secret)[_-]?key|credentials?"
_SECRET_NAME: Final = re.compile(rf"(?i)(?:.*[^a-z])?(?:{_WORDS}|authorization)")
_NAMED: Final = re.compile(
    rf"(?i)(?<![a-z0-9])((?:[a-z0-9.-]{{1,30}}[_.-])?(?:{_WORDS}))[\"']?\s{{0,4}}[:=]\s{{0,4}}"
    r"(?:\"((?:[^\"\\]|\\.){1,4000})\"|'([^']{1,4000})'|([^\s\"'&,;{}\[\]]{1,4000}))"
)
_SCHEME: Final = r"(?:bearer|basic|token|apikey|digest|negotiate)"
_GIVEN: Final = re.compile(rf"(?i)\b{_SCHEME}[ :]{{1,3}}([A-Za-z0-9._~+/=-]{{8,4000}})")
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s\"'<>\\^`{|}]{1,8000}")
_USER: Final = re.compile(r"(://)([^/?#\s@]{1,1000})@")
_RUN: Final = re.compile(r"[A-Za-z0-9+/_=.~-]{24,4096}")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_REFERRED: Final = "\x00"  # stands for a reference, so that what is beside it keeps its distance
_SAYS_NOTHING: Final = frozenset(
    {"", "null", "none", "true", "false", "infected"}
)  # the last opens every sample archive


def is_secret_name(name: str) -> bool:
    """Whether a field or a variable of this name is meant for a secret."""
    return _SECRET_NAME.fullmatch(name.strip("_")) is not None


def says_something(text: str) -> bool:
    """Whether anything is left of a text without its references to variables and the name of a scheme."""
    rest = re.sub(rf"(?i)\b{_SCHEME}\b", "", REFERENCE.sub("", text)).strip(" ,:;=\"'")
    return rest.lower() not in _SAYS_NOTHING


def looks(text: str, *, structured: bool) -> str:
    """What a text looks like; empty where it is no secret.

    structured: whether it is JSON or a form, where a value after a telling name is meant; in prose it must look it.
    """
    plain = REFERENCE.sub(_REFERRED, text)
    shape = next((words for pattern, words in _SHAPES if pattern.search(plain)), "")
    return shape or token_in(plain) or _in_url(text) or _named(plain, structured=structured) or _random(plain)


def _in_url(text: str) -> str:
    if "://" not in text:
        return ""
    for url in _URL.findall(text):
        bare = REFERENCE.sub("", _USER.sub(lambda found: _without_references(found[1], found[2]), url))
        part = secret_in_url(bare)
        if part:
            return f"a URL with what looks like a secret ({part})"
    return ""


def _without_references(mark: str, user: str) -> str:
    """The user of a URL, or nothing where all of it comes from variables."""
    return f"{mark}{user}@" if REFERENCE.sub("", user).strip(":") else mark


def _named(plain: str, *, structured: bool) -> str:
    for _name, *values in _NAMED.findall(plain):
        value = "".join(values).replace(_REFERRED, "").strip()
        if value.lower() not in _SAYS_NOTHING and (structured or _mixed(value)):
            return "a value that is named like a secret"
    return "a credential" if any(_mixed(given) for given in _GIVEN.findall(plain)) else ""


def _mixed(text: str) -> bool:
    return len(text) >= 8 and re.search("[0-9]", text) is not None and re.search("[A-Za-z]", text) is not None


def _random(plain: str) -> str:
    """Long text drawn at random, but for UUIDs and hexadecimal text, which is what hashes are."""
    for run in _RUN.findall(_UUID.sub("", plain)):
        pieces = [piece for piece in re.split(r"[/_.~+=-]", run) if not re.fullmatch(r"[0-9a-f]*|[0-9A-F]*", piece)]
        mixed = "".join(piece for piece in pieces if _drawn(piece))
        if len(mixed) >= 20 and entropy(mixed) >= 3.2:
            return "long text that looks drawn at random"
    return ""


def _drawn(piece: str) -> bool:
    """Letters among digits, or capitals that change too often for words written together."""
    if re.search("[0-9]", piece):
        return len(piece) >= 8
    return len(re.findall("[a-z][A-Z]", piece)) * 5 > len(piece)
