"""What may leave for the vendor's cloud and become public: no marked input, no internal host, no secret in a URL.

Links to reset a password, to share a document or with a key in them have leaked by the thousand through automatic
submissions to public scanners; a link that anybody can open is a secret. What is said of one names the part of the URL
and never its value. Recognition is best effort and by text alone: names of parameters, published shapes of tokens, and
long random text after a telling word. Sources: TLP 2.0 (FIRST, 2022); the vendors' pages on the shapes of their tokens.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log2
from typing import Final, Literal, get_args
from urllib.parse import unquote

from connector.vocabulary import Tlp
from connector.zones import LONGEST_URL, host_of, inner_reason

_ORDER: Final[tuple[Tlp, ...]] = get_args(Tlp)  # from the least to the most restrictive
_KEEP: Final = "keep it private: crawler local, no cloud analysis and no cloud sandbox"

# Parameters whose value lets its holder in, without the separators in their names.
_NAMES: Final = """token auth authkey key accesskey secretkey privatekey sharekey resourcekey apikey appkey sig
 signature xamzsignature xamzcredential xgoogsignature xgoogcredential googleaccessid awsaccesskeyid keypairid hmac
 code authcode oobcode otp totp mfa pin password passwd passwort passphrase pwd pass secret credential credentials
 session sessionid sid jsessionid phpsessid aspsessionid jwt bearer assertion samlresponse samlrequest ticket nonce
 reset resetkey invite invitation invitecode magic verification confirmation activation activationkey
 authorization oauthverifier tk tkn"""
_SECRET_NAMES: Final = frozenset(_NAMES.split())
_SECRET_ENDS: Final = ("token", "secret", "password", "passwd", "apikey", "signature", "sessionid", "credential", "jwt")
_PAGING: Final = frozenset({"pagetoken", "nextpagetoken", "nexttoken", "continuationtoken", "synctoken"})
_SAYS_NOTHING: Final = frozenset({"", "0", "1", "true", "false", "yes", "no", "on", "off", "null", "none", "undefined"})

_TOKENS: Final = tuple(
    (re.compile(rf"(?<![A-Za-z0-9_-])(?:{pattern})"), words)
    for pattern, words in (
        (r"eyJ[A-Za-z0-9_-]{6,4000}\.[A-Za-z0-9_-]{4,4000}\.", "a JSON Web Token"),  # RFC 7519
        (r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}(?![A-Za-z0-9])", "an AWS key id"),
        (r"(?:gh[opsur]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{22})", "a GitHub token"),
        (r"gl(?:pat|dt|rt|cbt|ptt|ft|soat|oas)-[A-Za-z0-9_-]{20}", "a GitLab token"),
        (r"(?:xox[abeoprs]|xapp)-[A-Za-z0-9-]{10}", "a Slack token"),
        (r"(?:AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20}|GOCSPX-[A-Za-z0-9_-]{20})", "a Google key"),
        (r"[rs]k_(?:live|test)_[A-Za-z0-9]{16}", "a Stripe key"),
        (r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}", "a SendGrid key"),
        (r"(?:npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{50}|dop_v1_[a-f0-9]{64}|hvs\.[A-Za-z0-9_-]{24})", "a token"),
        (r"bot[0-9]{8,10}:[A-Za-z0-9_-]{35}", "a Telegram token"),
    )
)
_EMAIL: Final = re.compile(r"[^\s@/?#&=:;,<>]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,8}\.[A-Za-z]{2,63}")
_SCHEME: Final = re.compile(r"\A[A-Za-z]{1,20}://")
_USER: Final = re.compile(r"://[^/?#\s@]{1,1000}@")

_BEGINS_TELLING: Final = (
    *("reset", "verif", "invit", "confirm", "unsub", "activat", "magic", "recover", "passwor", "optout", "onetime"),
    *("validat", "webhook"),
)
_TELLING: Final = frozenset(
    {"share", "shared", "sharing", "login", "signin", "signup", "sso", "auth", "token", "accept"}
)
_SHARING: Final = tuple(
    (tuple(hosts.split()), re.compile(pattern, re.ASCII))
    for hosts, pattern in (
        ("sharepoint.com sharepoint.us sharepoint.cn", r"/:[a-z]:/|[?&](?:guestaccesstoken|share|e)="),
        (
            "docs.google.com drive.google.com drive.usercontent.google.com",
            r"/(?:d|folders)/(?:e/)?[\w-]{15}|[?&]id=[\w-]{15}",
        ),
        ("dropbox.com", r"/(?:s|sh|scl|t|request|transfer)/[\w-]"),
        ("1drv.ms we.tl", r"/[\w-]"),
        ("onedrive.live.com", r"[?&](?:resid|authkey|redeem|cid|id)="),
        ("box.com", r"/(?:s|f|shared/static)/\w"),
        ("icloud.com", r"/(?:iclouddrive|photos|pages|numbers|keynote|sharedalbum)/?#?[\w-]"),
        ("wetransfer.com", r"/downloads/\w"),
        ("mega.nz mega.co.nz", r"/(?:file|folder|#)"),
        ("hooks.slack.com", r"/(?:services|workflows|triggers)/\w"),
        ("discord.com discordapp.com", r"/api/(?:v\d{1,2}/)?webhooks/\d"),
        ("webhook.office.com outlook.office.com", r"/webhook"),
    )
)


@dataclass(frozen=True, slots=True)
class _Piece:
    """One piece of a URL: where it stands, its name ("" outside parameters) and its text."""

    place: Literal["path", "query", "fragment"]
    name: str
    text: str

    @property
    def part(self) -> str:
        if not self.name:
            return f"its {self.place}"
        plain = re.fullmatch(r"[A-Za-z0-9_.$\[\]-]{1,40}", self.name) and not (
            _random(self.name) or token_in(self.name)
        )
        if self.place == "path":
            return f"its path parameter {self.name}" if plain else "a path parameter"
        return f"its {self.place} parameter {self.name}" if plain else f"a {self.place} parameter"


def stricter(*marks: Tlp | None) -> Tlp | None:
    """The most restrictive of some markings, or None where there is none at all.

    Raises:
        ValueError: for a marking that TLP 2.0 does not know.
    """
    known = [_rank(mark) for mark in marks if mark is not None]
    return _ORDER[max(known)] if known else None


def _rank(mark: Tlp) -> int:
    if mark not in _ORDER:
        raise ValueError(f"a marking must be one of {', '.join(_ORDER)}")
    return _ORDER.index(mark)


def cloud_refusal(*, tlp: Tlp | None = None, url: str | None = None, private_zones: Sequence[str] = ()) -> str | None:
    """Why an input must not become public, whatever the settings allow, and what to do; None where nothing is found.

    ``tlp`` is the marking of the input itself, where it has one.

    Raises:
        ValueError: for a marking that TLP 2.0 does not know, or an entry of ``private_zones`` that is none.
    """
    if tlp is not None and _rank(tlp) >= _rank("amber"):
        return f"it is marked TLP:{tlp.upper()}, which forbids to make it public; {_KEEP}"
    if url is None:
        return None
    inner = inner_reason(url, private_zones)
    if inner is not None:
        return f"{inner}, and the name of an internal host must not become public; {_KEEP}"
    part = secret_in_url(url)
    return None if part is None else f"it holds what looks like a secret: {part}; take that out, or {_KEEP}"


def secret_in_url(url: str) -> str | None:
    """The part of a URL that looks like a secret, named and never repeated; None where nothing does.

    Looked at as it is written and with percent-encoding undone once and twice, so that a URL within a parameter
    counts too. A URL longer than 8192 characters is not looked through and named as a whole.
    """
    if len(url) > LONGEST_URL:
        return f"a URL of more than {LONGEST_URL} characters, which is not looked through"
    shares = _shares(url)
    once = unquote(url)
    for text in dict.fromkeys((url, once, unquote(once))):
        if _USER.search(text):
            return "the user name or password before its host"
        pieces = list(_pieces(text))
        part = next((found for found in map(_secret, pieces) if found), None) or _told(text, pieces)
        if part:
            return part
    return "its path, by which a document or a channel is shared" if shares else None


def _pieces(text: str) -> Iterator[_Piece]:
    """The segments of the path and the parameters of path, query and fragment, in order, without the authority."""
    place: Literal["path", "query", "fragment"] = "path"
    for mark, piece in re.findall(r"([/?#&;]?)([^/?#&;]*)", _SCHEME.sub("", text))[1:]:
        if mark == "#" or (mark == "?" and place == "path"):
            place = "fragment" if mark == "#" else "query"
        name, equals, value = piece.partition("=")
        if equals:
            yield _Piece(place, name, value)
        elif piece:
            yield _Piece(place, "", piece)


def _secret(piece: _Piece) -> str | None:
    """The part that a piece is, where its name or its value alone tells that it is secret."""
    if piece.name and _secret_name(piece.name) and piece.text.strip().lower() not in _SAYS_NOTHING:
        return piece.part
    kind = token_in(piece.text) or token_in(piece.name)
    if kind:
        return f"{piece.part}, which holds {kind}"
    if piece.place != "path" and _EMAIL.search(piece.text):
        return f"{piece.part}, which holds an e-mail address"
    return None


def _secret_name(name: str) -> bool:
    """Whether a parameter of this name holds a secret; of ``user[password]`` the last word counts too."""
    whole = re.sub(r"[^a-z0-9]", "", name.lower())
    last = re.split(r"[^a-z0-9]+", name.lower().rstrip("]"))[-1]
    if whole in _PAGING:
        return False
    return whole in _SECRET_NAMES or last in {"password", "pwd", "sid"} or whole.endswith(_SECRET_ENDS)


def token_in(text: str) -> str | None:
    """What a text holds that has the published shape of a token; None where there is none."""
    return next((words for pattern, words in _TOKENS if pattern.search(text)), None)


def _told(text: str, pieces: list[_Piece]) -> str | None:
    """The part that is long and random, or an e-mail address, after a word that tells what it opens."""
    host = re.split("[/?#]", _SCHEME.sub("", text), maxsplit=1)[0]
    told = any(_telling(label, frozenset()) for label in host.split(".")[:-2])
    for piece in pieces:
        told = told or _telling(piece.name)
        if told and (_random(piece.text) or _EMAIL.fullmatch(piece.text)):
            return f"{piece.part}, which completes a personal link (to reset, confirm, join, unsubscribe or the like)"
        told = told or _telling(piece.text)
    return None


def _telling(text: str, whole: frozenset[str] = _TELLING) -> bool:
    """Whether one of the words of a short text is a telling one, or begins with one."""
    words = re.findall(r"[a-z]+", text.lower()) if len(text) <= 80 else []
    return any(word in whole or word.startswith(_BEGINS_TELLING) for word in words)


def _random(text: str) -> bool:
    """Whether a text looks drawn at random: 20 characters or more, 16 of them in pieces that are no words or numbers.

    Three bits of entropy a character is what 20 random hexadecimal digits exceed all but always.
    """
    if not 20 <= len(text) <= 4096 or not re.fullmatch(r"[A-Za-z0-9_.~+-]+={0,2}", text):
        return False
    mixed = sum(len(piece) for piece in re.split(r"[_.~+=-]", text) if _mixed(piece))
    return mixed >= 16 and entropy(text) >= 3


def entropy(text: str) -> float:
    """Bits a character (Shannon)."""
    return -sum(n / len(text) * log2(n / len(text)) for n in Counter(text).values())


def _mixed(piece: str) -> bool:
    """Letters among digits, or capitals that change too often for words written together."""
    if re.search("[0-9]", piece):
        return not piece.isdigit()
    return len(re.findall("[a-z][A-Z]", piece)) * 6 > len(piece)


def _shares(url: str) -> bool:
    """Whether a URL is a link that opens a shared document, or a channel to write to, for whoever holds it."""
    host = host_of(url)
    rest = re.sub(r"\A[^:]*://[^/?#]*", "", unquote(url)).lower()
    return any(
        pattern.search(rest)
        for hosts, pattern in _SHARING
        if any(host == known or host.endswith(f".{known}") for known in hosts)
    )
