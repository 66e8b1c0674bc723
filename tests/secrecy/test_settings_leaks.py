"""Settings that are refused never show what was given, wherever it came from; those that are made show no secret."""

import copy
import json

import pytest

from connector import Connector, Settings
from connector.errors import ConfigError
from connector.settings import ProxyUrl
from tests.secrecy.canaries import PASSWORD, PROXY_PASSWORD, TOKEN, USERNAME, Search
from tests.secrecy.scenes import LOGIN, with_password
from tests.secrecy.sinks import feed_error, feed_value

URL = "https://appliance.example.com"
PROXY = with_password("http://proxy.example.com:3128")
BAD: dict[str, dict] = {
    "a token with a line break": {"token": TOKEN + "\n"},
    "a token with a letter that no header takes": {"token": TOKEN + "\u20ac"},
    "a token that is no string": {"token": [TOKEN]},
    "a token that is too long": {"token": TOKEN * 20},
    "a good token beside a bad setting": {"token": TOKEN, "deadline_seconds": "never"},
    "a good token beside an unknown setting": {"token": TOKEN, "tokn": TOKEN},
    "a token beside a user name": {"token": TOKEN, "username": USERNAME, "password": PASSWORD},
    "a user name without a password": {"username": USERNAME},
    "a password without a user name": {"password": PASSWORD},
    "a password that is no string": {"username": USERNAME, "password": {"value": PASSWORD}},
    "a token in the address": {"token": TOKEN, "url": f"https://{PROXY_PASSWORD}:x@appliance.example.com"},
    "a token in the query of the address": {
        "token": TOKEN,
        "url": f"https://appliance.example.com/?t={PROXY_PASSWORD}",
    },
    "a proxy of no kind": {"token": TOKEN, "proxy": f"gopher://u:{PROXY_PASSWORD}@proxy.example.com"},
    "a proxy without a scheme": {"token": TOKEN, "proxy": f"u:{PROXY_PASSWORD}@proxy.example.com"},
    "a proxy with a port that is none": {"token": TOKEN, "proxy": f"http://u:{PROXY_PASSWORD}@proxy.example.com:x"},
    "a proxy with a space": {"token": TOKEN, "proxy": f"http://u:{PROXY_PASSWORD} @proxy.example.com"},
    "a certificate where a pin is wanted": {"token": TOKEN, "certificate_sha256": PROXY_PASSWORD},
}


def refused_by(make, *given, **more) -> Search:
    search = Search()
    with pytest.raises(ConfigError) as refused:
        make(*given, **more)
    feed_error(search, refused.value)
    return search


@pytest.mark.parametrize("bad", BAD)
def test_what_is_refused_is_not_shown(bad):
    values = {"url": URL} | BAD[bad]

    assert refused_by(Settings, **values).hits == []
    assert refused_by(Settings.load, values, {}).hits == []


@pytest.mark.parametrize(
    "bad", [name for name, values in BAD.items() if all(isinstance(v, str) for v in values.values())]
)
def test_nor_where_it_comes_from_the_environment(bad):
    values = {"url": URL} | BAD[bad]
    values.pop("tokn", None)
    environ = {f"SPECTRA_{name.upper()}": text for name, text in values.items()} | {"SPECTRA_TLP": "purple"}

    assert refused_by(Settings.load, {}, environ).hits == []


FILES = {
    "a setting that is not accepted": f'url = "{URL}"\ntoken = "{TOKEN}"\ntlp = "purple"\n',
    "an unknown setting": f'url = "{URL}"\ntoken = "{TOKEN}"\ntokn = "{TOKEN}"\n',
    "a string without its end": f'url = "{URL}"\ntoken = "{TOKEN}\n',
    "a token without quotes": f'url = "{URL}"\ntoken = {TOKEN}\n',
    "a password twice": f'url = "{URL}"\npassword = "{PASSWORD}"\npassword = "{PASSWORD}"\n',
    "bytes that are no text": f'token = "{TOKEN}"\n'.encode() + b"\xff\xfe",
    "a table": f'[appliance]\nurl = "{URL}"\ntoken = "{TOKEN}"\n',
    "a proxy": f'url = "{URL}"\ntoken = "{TOKEN}"\nproxy = "{PROXY} "\n',
}


@pytest.mark.parametrize("bad", FILES)
def test_nor_where_it_comes_from_a_file(bad, tmp_path):
    content = FILES[bad]
    (tmp_path / "spectra.toml").write_bytes(content if isinstance(content, bytes) else content.encode())

    assert refused_by(Settings.load, {}, {}, tmp_path / "spectra.toml").hits == []


@pytest.mark.parametrize(
    "content", [f"{TOKEN}\n{TOKEN}", f"{TOKEN} {TOKEN}", TOKEN + "\u20ac", TOKEN.encode() + b"\xff", TOKEN * 20]
)
def test_nor_where_it_is_in_a_token_file(content, tmp_path):
    file = tmp_path / "token"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())

    def connect():
        with Connector(Settings(url=URL, token_file=file)):
            pass

    assert refused_by(connect).hits == []


MADE = {
    "a token": {"token": TOKEN},
    "a login": {name: value for name, value in LOGIN.items() if value},
    "a proxy": {"token": TOKEN, "proxy": PROXY},
}


@pytest.mark.parametrize("made", MADE)
def test_settings_show_no_secret(made):
    settings, search = Settings(url=URL, **MADE[made]), Search()
    for sink, value in (
        ("settings", settings),
        ("a copy", copy.deepcopy(settings)),
        ("another", settings.model_copy()),
    ):
        feed_value(search, value, sink, but=("user name",))
    dumped = settings.model_dump()
    search.feed("dump", repr(dumped), but=("user name",))
    search.feed(
        "dump as JSON", settings.model_dump_json() + json.dumps(settings.model_dump(mode="json")), but=("user name",)
    )

    assert search.hits == []


def test_the_proxy_is_still_told_without_its_password():
    settings = Settings(url=URL, token=TOKEN, proxy=PROXY)

    assert repr(settings.proxy) == "'http://***@proxy.example.com:3128'"
    assert settings.model_dump(mode="json")["proxy"] == "http://***@proxy.example.com:3128"
    assert settings.proxy == PROXY, "and is used with it"
    assert repr(ProxyUrl("http://proxy.example.com")) == "'http://proxy.example.com'"
