"""Who may do what: API keys, their scopes, and where they come from."""

import hashlib
import re

import pytest
from click.testing import CliRunner

from connector.actions import every, find
from connector.cli.serve import serve
from connector.errors import ConfigError
from connector.server.keys import SCOPES, Key, Keys, digest_of, from_environment, from_file, generated, toml_entry
from connector.server.run import serving
from tests.laboratory import Lab
from tests.server.served import Served, client, problem, settings_of

PLAIN = {scope: f"key-with-the-scope-{scope}" for scope in SCOPES}


@pytest.fixture(scope="module")
def scoped(appliances):
    """A server with a key for each scope alone."""
    keys = Keys(tuple(Key(scope, digest_of(plain), frozenset({scope})) for scope, plain in PLAIN.items()))
    with serving(settings_of(appliances("9.6")), keys=keys) as running:
        assert running.api_key is None
        with client(running.url) as http:
            yield http


def asked(http, path, key, **more):
    return http.post(path, json={}, headers={"authorization": f"Bearer {key}"} if key else {}, **more)


class TestEveryAction:
    @pytest.mark.parametrize("scope", SCOPES)
    @pytest.mark.parametrize("name", [action.name for action in every()])
    def test_needs_the_scope_of_its_effect_and_no_other(self, lab: Lab, scoped, name, scope):
        answer = asked(scoped, f"/actions/{name}", PLAIN[scope])

        if scope == find(name).effect:
            assert answer.status_code in {200, 422}
            return
        body = problem(answer, 403, "missing_scope")
        assert find(name).effect in body["detail"]
        assert find(name).effect in answer.headers["www-authenticate"]
        assert lab.requests == []

    @pytest.mark.parametrize("name", [action.name for action in every()])
    def test_needs_a_key(self, lab: Lab, scoped, name):
        answer = asked(scoped, f"/actions/{name}", None)

        problem(answer, 401, "no_key")
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert lab.requests == []


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer",
        f"Bearer {PLAIN['read'][:-1]}",
        f"Bearer {PLAIN['read']}x",
        f"Basic {PLAIN['read']}",
        f"Token {PLAIN['read']}",
        PLAIN["read"],
        f"Bearer {PLAIN['read']} {PLAIN['read']}",
        "Bearer \u00e9\u00e9",
    ],
)
def test_what_is_not_a_key_is_not_taken_for_one(scoped, value):
    answer = scoped.post("/actions/test_connection", json={}, headers={"authorization": value.encode("latin-1")})

    problem(answer, 401, "no_key")


def test_two_keys_are_none(scoped):
    headers = [("authorization", f"Bearer {PLAIN['read']}"), ("authorization", f"Bearer {PLAIN['submit']}")]

    problem(scoped.post("/actions/test_connection", json={}, headers=headers), 401, "no_key")


def test_the_scheme_is_bearer_in_any_letter_case(scoped, lab):
    headers = {"authorization": f"bEARER {PLAIN['read']}"}

    assert scoped.post("/actions/test_connection", json={}, headers=headers).status_code == 200


def test_without_a_key_it_is_not_told_which_actions_there_are(scoped):
    problem(asked(scoped, "/actions/nothing", None), 401, "no_key")


def test_hashes_need_the_scope_read(scoped):
    problem(asked(scoped, "/hashes", None), 401, "no_key")
    problem(asked(scoped, "/hashes", PLAIN["submit"]), 403, "missing_scope")
    problem(asked(scoped, "/hashes", PLAIN["read"]), 422, "input_refused")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/openapi.json", "/metrics"])
def test_the_state_of_the_server_needs_no_key(scoped, lab, path):
    assert scoped.get(path).status_code == 200


def test_a_server_without_keys_makes_one_that_may_read_and_submit(lab: Lab):
    with serving(settings_of(lab)) as running, client(running.url, running.api_key) as http:
        assert http.post("/actions/test_connection").status_code == 200
        assert http.post("/actions/submit_file", json={"content_base64": "aGVsbG8="}).status_code == 200
        problem(http.post("/actions/bulk_delete", json={}), 403, "missing_scope")


class TestSources:
    def test_the_environment_holds_one_key_with_read_and_submit(self):
        keys = from_environment({"SPECTRA_API_KEY": "x" * 16})

        assert keys.find("x" * 16).scopes == {"read", "submit"}
        assert keys.find("x" * 17) is None

    def test_its_scopes_can_be_named(self):
        keys = from_environment({"SPECTRA_API_KEY": "x" * 16, "SPECTRA_API_SCOPES": "read, destroy"})

        assert keys.find("x" * 16).scopes == {"read", "destroy"}

    @pytest.mark.parametrize("environ", [{}, {"SPECTRA_API_KEY": ""}])
    def test_an_environment_without_a_key_has_none(self, environ):
        assert from_environment(environ) is None

    @pytest.mark.parametrize("value", ["short", "with a space in it", "\u00e9" * 20, "x" * 257])
    def test_a_key_that_is_easily_guessed_or_no_header_is_refused_and_not_repeated(self, value):
        with pytest.raises(ConfigError) as refused:
            from_environment({"SPECTRA_API_KEY": value})

        assert value not in refused.value.message

    @pytest.mark.parametrize("scopes", ["admin", "read,,submit", "read;submit"])
    def test_unknown_scopes_are_refused(self, scopes):
        with pytest.raises(ConfigError, match="read, submit, destroy, approve"):
            from_environment({"SPECTRA_API_KEY": "x" * 16, "SPECTRA_API_SCOPES": scopes})

    def test_a_file_holds_digests_only(self, tmp_path):
        plain, key = generated(["read", "approve"], "playbooks")
        (tmp_path / "keys.toml").write_text(toml_entry(key))

        found = from_file(tmp_path / "keys.toml").find(plain)

        assert (found.name, found.scopes) == ("playbooks", {"read", "approve"})
        assert plain not in toml_entry(key)
        assert hashlib.sha256(plain.encode()).hexdigest() in toml_entry(key)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "nonsense",
            "key = 1",
            "[[key]]\nname = 'a'",
            f"[[key]]\nname = 'a'\nsha256 = '{'0' * 63}'\nscopes = ['read']",
            f"[[key]]\nname = 'a b'\nsha256 = '{'0' * 64}'\nscopes = ['read']",
            f"[[key]]\nname = 'a'\nsha256 = '{'0' * 64}'\nscopes = []",
            f"[[key]]\nname = 'a'\nsha256 = '{'0' * 64}'\nscopes = ['root']",
            f"[[key]]\nname = 'a'\nsha256 = '{'0' * 64}'\nscopes = 'read'",
            f"[[key]]\nname = 'a'\nsha256 = '{'0' * 64}'\nscopes = ['read']\nkey = 'plain'",
            2 * f"[[key]]\nname = 'a'\nsha256 = '{'0' * 64}'\nscopes = ['read']\n",
        ],
    )
    def test_a_file_that_is_not_understood_is_refused(self, tmp_path, text):
        (tmp_path / "keys.toml").write_text(text)

        with pytest.raises(ConfigError, match="--keys"):
            from_file(tmp_path / "keys.toml")

    def test_a_file_that_is_not_there_is_refused(self, tmp_path):
        with pytest.raises(ConfigError, match="readable"):
            from_file(tmp_path / "nothing.toml")


class TestKeygen:
    def test_the_entry_goes_to_a_file_and_the_key_to_its_owner(self, tmp_path):
        made = CliRunner().invoke(serve, ["keygen", "--scopes", "read,destroy", "--name", "hunt"])

        (tmp_path / "keys.toml").write_text(made.stdout)
        plain = re.search(r"spectra_[A-Za-z0-9_-]{43}", made.stderr)[0]
        found = from_file(tmp_path / "keys.toml").find(plain)
        assert (found.name, found.scopes) == ("hunt", {"read", "destroy"})
        assert plain not in made.stdout

    def test_two_keys_are_never_the_same(self):
        assert generated(SCOPES)[0] != generated(SCOPES)[0]

    @pytest.mark.parametrize("words", [["--scopes", "root"], ["--name", "a b"]])
    def test_what_the_server_would_not_read_is_refused(self, words):
        assert isinstance(CliRunner().invoke(serve, ["keygen", *words]).exception, ConfigError)


def test_a_shared_server_has_every_scope(server: Served):
    assert server.run("bulk_delete", {"hash_values": ["0" * 40], "plan": True}).status_code == 200
