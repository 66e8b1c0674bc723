"""The command line prints no secret: every way to go wrong, as JSON and as text, on both of its streams."""

import io
import json
import sys

import pytest

from connector.cli import cli
from connector.cli.failure import guarded
from tests.secrecy.canaries import ARCHIVE_PASSWORD, PASSWORD, PROXY_PASSWORD, TOKEN, USERNAME, Search
from tests.secrecy.peers import echoing
from tests.secrecy.running import PARAMS
from tests.secrecy.scenes import with_password
from tests.secrecy.sinks import feed_files, watched


class Screen(io.StringIO):
    def __init__(self, terminal):
        super().__init__()
        self.terminal = terminal

    def isatty(self):
        return self.terminal


@pytest.fixture
def spectra(monkeypatch, tmp_path):
    """Run the program in this process, on a terminal or not; gives its exit code, and searches all that it printed."""
    monkeypatch.chdir(tmp_path)

    def called(search, *words, terminal=False, stdin="", **environ):
        for name, value in environ.items():
            monkeypatch.setenv(f"SPECTRA_{name.upper()}", value)
        out, err = Screen(terminal), Screen(terminal)
        monkeypatch.setattr(sys, "argv", ["spectra", *words])
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        with watched(search):
            code = guarded(cli)
        search.feed("stdout", out.getvalue())
        search.feed("stderr", err.getvalue())
        feed_files(search, tmp_path, "files")
        return code, out.getvalue() + err.getvalue()

    return called


def settings_of(world, trouble):
    """The environment of one way to go wrong."""
    own = {
        "nothing": {"url": world.lab.url},
        "an echo": {"url": world.echo(echoing(400)).url},
        "an echo as a page": {"url": world.echo(echoing(500, body="html")).url},
        "refused": {"url": world.refused},
        "an unknown CA": {"url": world.peer("unknown_ca").url},
        "no TLS": {"url": world.peer(None).url},
        "a proxy that refuses": {"url": "https://a.example", "proxy": with_password(world.echo(echoing(407)).url)},
        "a bad proxy": {"url": world.lab.url, "proxy": f"gopher://u:{PROXY_PASSWORD}@x"},
        "a bad setting": {"url": world.lab.url, "tlp": "purple"},
        "a bad token": {"url": world.lab.url, "token": TOKEN + "\n" + TOKEN},
    }
    return {"token": TOKEN, "state": "memory", "allow_internal_urls": "true", "api_generation": "legacy"} | own[trouble]


TROUBLES = [
    *("nothing", "an echo", "an echo as a page", "refused", "an unknown CA", "no TLS", "a proxy that refuses"),
    *("a bad proxy", "a bad setting", "a bad token"),
]


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("trouble", TROUBLES)
def test_run_and_doctor_print_no_secret(world, spectra, trouble, terminal):
    world.as_new()
    search = Search()
    environ = settings_of(world, trouble)
    codes = []
    for action in ("submit_file", "submit_url", "get_classification"):
        code, told = spectra(search, "run", action, json.dumps(PARAMS[action]), terminal=terminal, **environ)
        codes.append(code)
        assert told
    codes.append(spectra(search, "doctor", terminal=terminal)[0])

    assert search.hits == []
    assert (set(codes) <= {0}) is (trouble == "nothing")


@pytest.mark.parametrize("terminal", [False, True])
def test_a_login_prints_no_secret(world, spectra, terminal):
    world.as_new()
    search = Search()
    login = {"username": USERNAME, "password": PASSWORD, "state": "memory"}
    for url, expected in ((world.lab.url, 0), (world.echo(echoing(400)).url, 3)):
        code, _ = spectra(search, "run", "test_connection", terminal=terminal, url=url, **login)
        spectra(search, "doctor", terminal=terminal, url=url, **login)
        assert code == expected

    assert search.hits == []


WORDS = {
    "a token that is refused": ("run", "test_connection", "--token", TOKEN + " "),
    "a password by --set": ("run", "test_connection", "--set", f"password={PASSWORD}"),
    "a setting that is none": ("run", "test_connection", "--set", f"tokn={TOKEN}"),
    "parameters that are no JSON": ("run", "submit_file", '{"archive_password": "' + ARCHIVE_PASSWORD + '"'),
    "a parameter of the wrong kind": ("run", "submit_file", json.dumps({"archive_password": [ARCHIVE_PASSWORD]})),
    "a parameter too many": ("run", "submit_file", json.dumps({"archive_passwort": ARCHIVE_PASSWORD})),
    "a parameter too long": (
        "run",
        "submit_file",
        json.dumps({"file": "x", "archive_password": ARCHIVE_PASSWORD * 99}),
    ),
    "parameters twice": (
        "run",
        "submit_url",
        json.dumps({"archive_password": ARCHIVE_PASSWORD})[:-1] + ', "url": 1, "url": 2}',
    ),
}


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("words", WORDS)
def test_words_that_are_refused_are_not_repeated(world, spectra, words, terminal):
    search = Search()
    code, told = spectra(search, *WORDS[words], terminal=terminal, url=world.lab.url, state="memory")

    assert code == 2
    assert told
    assert search.hits == []


def test_a_file_of_settings_is_not_repeated(world, spectra, tmp_path):
    search = Search()
    file = tmp_path.parent / f"{tmp_path.name}.toml"
    for content in (f'token = "{TOKEN}"\nurl = 3\n', f'token = "{TOKEN}\n', f"token = {TOKEN}\n"):
        file.write_text(content)
        for command in (("run", "test_connection"), ("doctor",)):
            code, _ = spectra(search, *command, "--config", str(file))
            assert code == 2

    assert search.hits == []


def test_the_stix_file_and_the_journal_hold_no_secret(world, spectra, tmp_path):
    world.as_new()
    search = Search()
    environ = {"url": world.lab.url, "token": TOKEN, "state": str(tmp_path / "state")}
    code, _ = spectra(search, "run", "submit_file", json.dumps(PARAMS["submit_file"]), "--stix", "made.json", **environ)
    spectra(search, "journal", "list")

    assert code == 0
    assert {"files .json"} < {sink for sink in search.sinks if sink.startswith("files")}, "the bundle and the journal"
    assert search.hits == []
