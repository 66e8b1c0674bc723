"""Settings: arguments over the environment over the file; secrets that nothing shows."""

import copy
import json
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from connector import ConfigError, Settings
from tests.laboratory import schema_says

URL = "https://appliance.example.com"
TOKEN = "canary-token-0123456789"
PASSWORD = "canary-password"


def load(arguments=None, environ=None, file=None):
    return Settings.load(arguments, environ=environ or {}, file=file)


@pytest.fixture
def toml(tmp_path):
    def written(text):
        path = tmp_path / "settings.toml"
        path.write_text(text)
        return path

    return written


class TestWhereTheyComeFrom:
    def test_from_the_file_named_in_the_environment(self, toml):
        path = toml(f'url = "{URL}"\ntoken = "{TOKEN}"\nfile_roots = ["/a", "/b"]\nallow_delete = true\n')

        found = load(environ={"SPECTRA_CONFIG": str(path)})

        assert (found.url, found.allow_delete, found.file_roots) == (URL, True, (Path("/a"), Path("/b")))
        assert found.credential().get_secret_value() == TOKEN

    def test_the_environment_wins_over_the_file_and_arguments_over_both(self, toml):
        path = toml(f'url = "{URL}"\ntlp = "red"\ndeadline_seconds = 1\nstix_profile = "full"\n')
        environ = {"SPECTRA_TLP": "green", "SPECTRA_DEADLINE_SECONDS": "2.5"}

        found = load({"deadline_seconds": 3}, environ, path)

        assert (found.tlp, found.deadline_seconds, found.stix_profile) == ("green", 3.0, "full")

    def test_an_argument_that_is_none_and_a_variable_that_is_empty_say_nothing(self, toml):
        found = load({"url": None}, {"SPECTRA_TLP": "", "SPECTRA_URL": URL})

        assert (found.url, found.tlp) == (URL, "amber")

    @pytest.mark.parametrize(
        ("arguments", "environ", "sent"),
        [
            ({"token": "from-arguments"}, {"SPECTRA_TOKEN": "from-environment"}, "from-arguments"),
            ({"token": "from-arguments"}, {"SPECTRA_USERNAME": "u", "SPECTRA_PASSWORD": "p"}, "from-arguments"),
            ({}, {"SPECTRA_TOKEN": "from-environment"}, "from-environment"),
            ({"username": "u", "password": "p"}, {"SPECTRA_TOKEN": "from-environment"}, None),
        ],
    )
    def test_credentials_are_replaced_as_a_whole(self, toml, arguments, environ, sent):
        path = toml(f'url = "{URL}"\ntoken = "from-the-file"\n')

        found = load(arguments, environ, path).credential()

        assert (found and found.get_secret_value()) == sent

    def test_words_of_the_environment_become_values(self):
        environ = {
            "SPECTRA_URL": URL,
            "SPECTRA_VERIFY_TLS": "false",
            "SPECTRA_ALLOW_CLOUD": "1",
            "SPECTRA_FILE_ROOTS": "/a:/b",
            "SPECTRA_CA_FILE": "/ca.pem",
        }

        found = load(environ=environ)

        assert (found.verify_tls, found.allow_cloud, found.ca_file) == (False, True, Path("/ca.pem"))
        assert found.file_roots == (Path("/a"), Path("/b"))

    def test_every_setting_can_come_from_the_environment(self):
        values = {
            "url": URL,
            "token": TOKEN,
            "ca_file": "/a",
            "certificate_sha256": "a" * 64,
            "verify_tls": "true",
            "proxy": "http://proxy:3128",
            "client_cert": "/c",
            "deadline_seconds": "5",
            "api_generation": "legacy",
            "allow_cloud": "false",
            "allow_internal_urls": "true",
            "private_zones": "corp.example.com,198.51.100.0/24",
            "allow_delete": "true",
            "max_delete": "7",
            "file_roots": "/r",
            "tlp": "red",
            "stix_profile": "full",
            "stix_target": "misp",
            "state": "/s",
        }
        others = {"token_file", "username", "password", "ca_pem"}

        found = load(environ={f"SPECTRA_{name.upper()}": value for name, value in values.items()})

        assert found.model_fields_set == values.keys()
        assert values.keys() | others == Settings.model_fields.keys()

    @pytest.mark.parametrize("text", ["url = ", 'url = "x', "\x00", "[a]\nurl=1\n[a]"])
    def test_a_file_that_is_no_toml_is_refused(self, toml, text):
        with pytest.raises(ConfigError, match="not valid TOML"):
            load(file=toml(text))

    def test_a_file_that_is_not_there_is_refused(self, tmp_path):
        with pytest.raises(ConfigError, match="SPECTRA_CONFIG"):
            load(environ={"SPECTRA_CONFIG": str(tmp_path / "gone.toml")})

    def test_a_file_with_an_unknown_setting_names_the_known_ones(self, toml):
        with pytest.raises(ConfigError, match="unknown setting tokn; known: url, token"):
            load(file=toml(f'url = "{URL}"\ntokn = "{TOKEN}"\n'))

    def test_without_an_address_the_next_step_is_told(self):
        with pytest.raises(ConfigError) as refused:
            load()

        assert "url" in refused.value.message
        assert "SPECTRA_URL" in refused.value.hint


class TestSecrets:
    SETTINGS = (
        {"token": TOKEN},
        {"username": "u", "password": PASSWORD},
    )

    @pytest.mark.parametrize("secret", SETTINGS)
    def test_nothing_that_shows_settings_shows_a_secret(self, secret):
        found = Settings(url=URL, **secret)
        shown = f"{found!r} {found} {found.model_dump()} {found.model_dump_json()} {copy.deepcopy(found)!r}"

        assert TOKEN not in shown
        assert PASSWORD not in shown

    @pytest.mark.parametrize(
        "bad",
        [
            {"token": TOKEN + "\n"},
            {"token": [TOKEN]},
            {"token": TOKEN, "token_file": "/t"},
            {"username": "u"},
            {"password": PASSWORD},
            {"username": "u", "password": PASSWORD, "token": TOKEN},
            {"token": TOKEN, "tlp": PASSWORD},
            {"token": TOKEN, "unheard": PASSWORD},
        ],
    )
    def test_a_refusal_never_repeats_a_value(self, bad):
        with pytest.raises(ConfigError) as refused:
            Settings(url=URL, **bad)

        told = f"{refused.value!r} {json.dumps(refused.value.as_dict())}"
        assert TOKEN not in told
        assert PASSWORD not in told
        assert refused.value.__cause__ is None
        assert refused.value.__context__ is None

    def test_settings_cannot_be_changed(self):
        with pytest.raises(ValidationError):
            Settings(url=URL, token=TOKEN).url = "https://other.example.com"

    def test_they_are_never_pickled_as_a_pickle_shows_the_token(self):
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(Settings(url=URL, token=TOKEN))

    def test_a_copy_is_equal(self):
        found = Settings(url=URL, token=TOKEN)

        assert copy.deepcopy(found) == copy.copy(found) == found


class TestTokenFile:
    def settings(self, tmp_path, content):
        (tmp_path / "token").write_bytes(content)
        return Settings(url=URL, token_file=tmp_path / "token")

    @pytest.mark.parametrize("content", [b"0123456789abcdef", b"0123456789abcdef\n", b"  0123456789abcdef\r\n\r\n"])
    def test_spaces_around_the_token_are_ignored(self, tmp_path, content):
        assert self.settings(tmp_path, content).credential().get_secret_value() == "0123456789abcdef"

    @pytest.mark.parametrize("content", [b"", b"\n", b"canary-01234567 89", b"canary-0\n1234567", b"\xff\xfe" * 8])
    def test_a_file_that_holds_no_token_is_refused_without_its_content(self, tmp_path, content):
        with pytest.raises(ConfigError, match="token_file") as refused:
            self.settings(tmp_path, content).credential()

        assert "canary" not in refused.value.message

    def test_a_file_that_is_not_there_is_refused(self, tmp_path):
        with pytest.raises(ConfigError, match="cannot be read"):
            Settings(url=URL, token_file=tmp_path / "gone").credential()

    def test_it_is_read_when_a_connector_is_made(self, lab, tmp_path):
        (tmp_path / "token").write_text(lab.token + "\n")

        assert lab.run("test_connection", token=None, token_file=tmp_path / "token").branch == "ok"


class TestAddress:
    @pytest.mark.parametrize(
        ("given_url", "kept"),
        [
            ("https://appliance.example.com/", URL),
            ("HTTPS://Appliance.Example.COM", URL),
            ("https://appliance.example.com:8443", URL + ":8443"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("https://[::1]:8443/", "https://[::1]:8443"),
        ],
    )
    def test_it_is_kept_bare(self, given_url, kept):
        assert Settings(url=given_url, token=TOKEN).url == kept

    @given(st.text(max_size=60))
    def test_whatever_is_given_is_an_address_or_refused(self, text):
        try:
            kept = Settings(url=text, token=TOKEN).url
        except ConfigError:
            return
        assert kept.startswith(("http://", "https://"))
        assert Settings(url=kept, token=TOKEN).url == kept

    @pytest.mark.parametrize("pin", ["A" * 64, ":".join(["ab"] * 32), "a" * 64])
    def test_a_fingerprint_may_have_colons_and_capitals(self, pin):
        assert Settings(url=URL, token=TOKEN, certificate_sha256=pin).certificate_sha256 in {"a" * 64, "ab" * 32}


@pytest.mark.parametrize(
    "values",
    [
        {"url": URL, "token": TOKEN},
        {"url": URL, "token": TOKEN, "file_roots": [], "tlp": "amber+strict", "deadline_seconds": 3600},
        {"url": URL, "username": "u", "password": PASSWORD, "verify_tls": False},
    ],
)
def test_the_published_schema_takes_what_is_taken(values):
    assert schema_says("settings", values) == []
    Settings(**values)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"token": TOKEN},
        {"url": URL, "tlp": "white"},
        {"url": URL, "unheard": 1},
        {"url": URL, "deadline_seconds": 0},
    ],
)
def test_the_published_schema_refuses_what_is_refused(values):
    assert schema_says("settings", values)
    with pytest.raises(ConfigError):
        Settings(**values)
