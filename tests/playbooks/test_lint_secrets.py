"""A secret in a playbook is found wherever it stands, and no finding repeats it."""

import base64
import json
import random
import string

import pytest

from connector.playbooks.linting.lint import lint, lint_value
from tests.playbooks.making import (
    LOGIN,
    SERVER,
    SHA1,
    changed,
    cleaning,
    doing,
    held,
    http,
    line,
    manual,
    simple,
    step_key,
)

DRAW = random.Random(7)
FIRST = step_key(0)
COMMAND = ("workflow", FIRST, "commands", 0)
VARIABLE = ("playbook_variables", "__x__")


def drawn(length, letters=string.ascii_letters + string.digits):
    """Random text that no scanner of this repository takes for a real secret."""
    return "".join(DRAW.choices(letters, k=length))


JWT = ".".join(
    base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in ('{"alg": "none"}', '{"a": 1}', "x")
)
PEM = f"-----BEGIN {'PRIVATE'} KEY-----\n{drawn(64)}"
RANDOM = drawn(40)
ADMIN = "Hunter2" + drawn(4)
HEX = drawn(40, "0123456789abcdef")  # as the appliance's own tokens are


def commanded(command):
    return line(doing(command), scopes=())


def in_content(text, media="application/json"):
    return commanded({**http("POST /hashes"), "content": text, "headers": {"Content-Type": [media]}})


# what: a playbook with a secret, the secret, and where
SECRETS = {
    "an authorization header": (commanded(http("GET /healthz", headers={"Authorization": [f"Token {HEX}"]})), HEX, (*COMMAND, "headers", "Authorization", 0)),
    "half of a header": (commanded(http("GET /healthz", headers={"authorization": [f"Bearer {HEX}__x__:value"]})), HEX, (*COMMAND, "headers", "authorization", 0)),
    "an API key header": (commanded(http("GET /healthz", headers={"X-API-Key": ["a", HEX]})), HEX, (*COMMAND, "headers", "X-API-Key", 1)),
    "a cookie": (commanded(http("GET /healthz", headers={"Cookie": [f"session={HEX}"]})), HEX, (*COMMAND, "headers", "Cookie", 0)),
    "a header of another name": (commanded(http("GET /healthz", headers={"X-Our-Token": [HEX]})), HEX, (*COMMAND, "headers", "X-Our-Token", 0)),
    "a token of authentication": (changed(simple(), "authentication_info_definitions", LOGIN, "token", to=HEX), HEX, ("authentication_info_definitions", LOGIN, "token")),
    "a password of authentication": (changed(simple(), "authentication_info_definitions", LOGIN, "password", to="letmein"), "letmein", ("authentication_info_definitions", LOGIN, "password")),
    "a variable named like one": (changed(simple(), "playbook_variables", "__api_token__", to=held(HEX)), HEX, ("playbook_variables", "__api_token__", "value")),
    "a default of the credential": (changed(simple(), "playbook_variables", "__api_key__", "value", to=HEX), HEX, ("playbook_variables", "__api_key__", "value")),
    "a password in JSON": (in_content(f'{{"user": "a", "password": "{ADMIN}"}}'), ADMIN, (*COMMAND, "content")),
    "a short password in JSON": (in_content('{"archive_password": "abc"}'), '"abc"', (*COMMAND, "content")),
    "a token in a form": (in_content(f"a=b&api_key={HEX}", "application/x-www-form-urlencoded"), HEX, (*COMMAND, "content")),
    "a token in a start line": (commanded(http(f"GET /healthz?token={HEX}")), HEX, (*COMMAND, "command")),
    "a password in prose": (commanded(manual(f"Log in as admin, password: {ADMIN}")), ADMIN, (*COMMAND, "command")),
    "a password in prose, in base64": (commanded({"type": "manual", "command_b64": base64.b64encode(f"password: {ADMIN}".encode()).decode()}), ADMIN, (*COMMAND, "command_b64")),
    "a content in base64": (commanded({**http("POST /hashes"), "content_b64": base64.b64encode(f'{{"token": "{HEX}"}}'.encode()).decode()}), HEX, (*COMMAND, "content_b64")),
    "a bearer in a description": (simple(description=f"Use Bearer {HEX}"), HEX, ("description",)),
    "userinfo in an address": (changed(simple(), "target_definitions", SERVER, "address", "url", to=[f"https://admin:{ADMIN}@a.example.com/"]), ADMIN, ("target_definitions", SERVER, "address", "url", 0)),
    "half of a userinfo": (changed(simple(), "target_definitions", SERVER, "address", "url", to=[f"https://{ADMIN}:__x__:value@a.example.com/"]), ADMIN, ("target_definitions", SERVER, "address", "url", 0)),
    "a key in a reference": (simple(external_references=[{"name": "x", "url": f"https://example.com/?sig={RANDOM}"}]), RANDOM, ("external_references", 0, "url")),
    "a private key": (changed(simple(), *VARIABLE, to=held(PEM)), PEM[-20:], (*VARIABLE, "value")),
    "a JSON Web Token": (changed(simple(), *VARIABLE, to=held(JWT)), JWT, (*VARIABLE, "value")),
    "a key of the action server": (changed(simple(), *VARIABLE, to=held("spectra_" + drawn(43))), "spectra_", (*VARIABLE, "value")),
    "an AWS key": (simple(description=f"see AKIA{drawn(16, 'ABCDEFGH234567')}"), "AKIA", ("description",)),
    "random text": (changed(simple(), *VARIABLE, to=held(RANDOM)), RANDOM, (*VARIABLE, "value")),
    "random text in base64 letters": (changed(simple(), *VARIABLE, to=held(base64.b64encode(DRAW.randbytes(40)).decode())), None, (*VARIABLE, "value")),
    "in a field that there is not": (changed(simple(), "playbook_extensions", "password", to=RANDOM), RANDOM, ("playbook_extensions", "password")),
    "in a file that is no playbook": ({"notes": [f"Bearer {HEX}"]}, HEX, ("notes", 0)),
}  # fmt: skip

PLAIN = {
    "references in a header": commanded(http("GET /healthz", headers={"Authorization": ["Bearer __x__:value"], "Cookie": ["__y__:value"]})),
    "references in authentication": simple(),
    "a password by reference": in_content('{"password": "__x__:value", "token": __y__:value}'),
    "a form by reference": in_content("api_key=__x__:value&a=b", "application/x-www-form-urlencoded"),
    "a query by reference": commanded(http("GET /healthz?token=__x__:value")),
    "userinfo by reference": changed(simple(), "target_definitions", SERVER, "address", "url", to=["https://__u__:value:__p__:value@a.example.com/"]),
    "the password of every sample archive": in_content('{"archive_password": "infected"}'),
    "hashes": changed(changed(simple(), *VARIABLE, to=held(SHA1)), "description", to=f"{SHA1[:32]} {SHA1}{SHA1[:24]}"),
    "a list of hashes": changed(simple(), *VARIABLE, to=held(json.dumps([SHA1, SHA1]), "list")),
    "ids": simple(description=f"As {SERVER} and 2f1c6a0e-5f0b-4c53-9d35-0a8a3a1f6a11."),
    "a path": simple(external_references=[{"name": "CACAO", "url": "https://docs.oasis-open.org/cacao/security-playbooks/v2.0/cs01/security-playbooks-v2.0-cs01.html"}]),
    "prose about passwords": commanded(manual("Reset the password: ask the owner, then rotate the token; secrets: none.")),
    "a threat name": simple(description="Win32.Ransomware.WannaCry, seen by SecurityInformationAndEventManagement"),
    "signatures": simple(signatures=[{"type": "jss", "value": RANDOM, "public_key": PEM}]),
    "an empty token": changed(simple(), "playbook_variables", "__token__", to=held("")),
    "a variable that is no secret": changed(simple(), "playbook_variables", "__tokens_seen__", to=held("12 of 13")),
}  # fmt: skip


def pointer(path):
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


@pytest.mark.parametrize("what", SECRETS)
def test_a_secret_is_found_where_it_stands_and_never_repeated(what):
    made, secret, path = SECRETS[what]
    linted = lint_value(made)
    told = json.dumps([finding.as_dict() for finding in linted.findings])

    assert ("secret", pointer(path)) in {(finding.code, finding.pointer) for finding in linted.findings}, told
    assert not linted.ok
    assert secret is None or secret not in told


@pytest.mark.parametrize("what", PLAIN)
def test_what_is_no_secret_is_not_called_one(what):
    assert "secret" not in {finding.code for finding in lint_value(PLAIN[what]).findings}


@pytest.mark.parametrize("made", [simple(), cleaning()], ids=["simple", "cleaning"])
def test_a_canary_put_anywhere_is_told_nowhere(made):
    canary = "Authorization: Bearer " + RANDOM
    for path in places(made):
        linted = lint(json.dumps(changed(made, *path, to=canary)))

        assert RANDOM not in json.dumps([finding.as_dict() for finding in linted.findings]), path


def places(value, path=()):
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for part, item in items:
        yield (*path, part)
        yield from places(item, (*path, part))


def test_a_secret_in_a_condition_is_not_repeated_by_what_is_wrong_with_the_condition():
    made = cleaning()
    name = next(name for name, step in made["workflow"].items() if step["type"] == "while-condition")
    linted = lint_value(changed(made, "workflow", name, "condition", to=f"__state__:value = {RANDOM}"))

    assert {finding.code for finding in linted.errors} == {"secret"}
    assert RANDOM not in str(linted.findings)


def test_random_text_is_told_from_words_nearly_always():
    missed = [text for text in (drawn(32) for _ in range(500)) if not _found(text)]
    words = ["on", "Success", "Analyze", "hash", "Value", "Threat", "Intel", "Cloud", "Sample", "Report", "v2", "x64"]
    taken = [text for text in (sep.join(DRAW.choices(words, k=8)) for sep in "_-/" for _ in range(200)) if _found(text)]

    assert len(missed) < 25
    assert taken == []


def _found(text):
    return any(finding.code == "secret" for finding in lint_value({"description": text}).findings)
