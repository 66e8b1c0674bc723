"""spectra trust: shows a certificate without trusting it, and writes what a Connector then trusts."""

import hashlib
import json
import socket
import ssl
import sys
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import click
import httpx
import pytest
import trustme

from connector import Connector, Settings
from connector.certificate import Address, days_left, look
from connector.cli import main, trust
from connector.cli.failure import INPUT, OK, UNREACHABLE
from connector.emulator import serve
from connector.errors import ConnectFailed, TlsError


@pytest.fixture(scope="session")
def authority():
    return trustme.CA()


@pytest.fixture
def secured(authority, tmp_path):
    """Serve an appliance with a certificate for these names."""

    @contextmanager
    def serving(*names, **more):
        path = tmp_path / "served.pem"
        made = authority.issue_cert(*(names or ("127.0.0.1", "localhost")), **more)
        made.private_key_and_cert_chain_pem.write_to_path(str(path))
        with serve(tls=(str(path), str(path))) as lab:
            yield lab
            httpx.get(f"{lab.url}/_lab/state", verify=False, trust_env=False)  # it has seen earlier connections end

    return serving


@pytest.fixture
def spectra(monkeypatch, capsys, tmp_path):
    """Run spectra trust in a folder of its own: exit code and JSON, or text as on a terminal."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments, terminal=False, answer=None):
        monkeypatch.setattr(sys, "argv", ["spectra", "trust", *map(str, arguments)])
        monkeypatch.setattr(trust, "wants_json", lambda forced: forced or not terminal)
        monkeypatch.setattr(sys.stdin, "isatty", lambda: answer is not None, raising=False)
        monkeypatch.setattr(click, "confirm", lambda text, default: answer)
        with pytest.raises(SystemExit) as end:
            main()
        found = capsys.readouterr()
        return end.value.code, found.out if terminal else json.loads(found.out)

    return run


def pem_of(lab):
    address = lab.url.removeprefix("https://").split(":")
    return ssl.get_server_certificate((address[0], int(address[1])))


def test_a_certificate_is_shown_and_nothing_is_written_unasked(secured, spectra, tmp_path):
    with secured() as lab:
        pem = pem_of(lab)
        code, told = spectra(lab.url)
        requests = list(lab.product.ledger.requests)

    assert code == OK
    assert told["sha256"] == hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
    assert told["names"] == ["IP Address:127.0.0.1", "DNS:localhost"]
    assert "trustme" in told["subject"]
    assert "Testing CA" in told["issuer"]
    assert told["valid_from"] < told["valid_until"]
    assert told["self_signed"] is False
    assert told["for_this_host"] is True
    assert told["problem"] is None
    assert told["written"] is None
    assert "--yes" in told["next"]
    assert told["settings"] == {"certificate_sha256": told["sha256"]}
    assert requests == [], "a handshake, and no request"
    assert list(tmp_path.glob("127*")) == []


def test_what_is_written_makes_a_connector_work(secured, spectra, tmp_path):
    with secured() as lab:
        with pytest.raises(TlsError), Connector(Settings(url=lab.url, token=lab.token)) as connector:
            connector.run("test_connection")

        code, told = spectra(lab.url, "--yes")

        assert code == OK
        assert told["written"] == "127.0.0.1.pem"
        assert told["settings"]["ca_file"] == str(tmp_path / "127.0.0.1.pem")
        assert (tmp_path / "127.0.0.1.pem").read_text() == pem_of(lab)
        for name, value in told["settings"].items():
            with Connector(Settings(url=lab.url, token=lab.token, **{name: value})) as connector:
                assert connector.run("test_connection").status == "success"
        with Connector(Settings(url=lab.url, token=lab.token, **told["settings"])) as connector:
            assert connector.run("test_connection").status == "success"


def test_a_certificate_for_another_host_is_to_be_pinned(secured, spectra):
    with secured("other.example.com") as lab:
        code, told = spectra(lab.url, "--yes")

        assert code == OK
        assert told["for_this_host"] is False
        assert told["names"] == ["DNS:other.example.com"]
        assert told["warning"].startswith("the certificate is not for 127.0.0.1")
        assert set(told["settings"]) == {"certificate_sha256"}
        with Connector(Settings(url=lab.url, token=lab.token, **told["settings"])) as connector:
            assert connector.run("test_connection").status == "success"


def test_an_expired_certificate_says_what_cannot_be_shown(secured, spectra):
    yesterday = datetime.now(UTC) - timedelta(days=1)
    with secured("127.0.0.1", not_after=yesterday) as lab:
        code, told = spectra(lab.url, "--yes")

    assert code == OK
    assert told["problem"] == "certificate has expired"
    assert told["subject"] is None
    assert len(told["sha256"]) == 64
    assert "renew it, or pin its fingerprint" in told["warning"]


def test_a_file_that_exists_is_kept_unless_forced(secured, spectra, tmp_path):
    precious = tmp_path / "mine.pem"
    precious.write_text("precious")
    with secured() as lab:
        code, told = spectra(lab.url, "--yes", "--out", precious)
        assert code == INPUT
        assert "exists and was not changed" in told["error"]["message"]
        assert precious.read_text() == "precious"
        assert spectra(lab.url)[0] == OK, "showing needs no file"

        assert spectra(lab.url, "--yes", "--out", precious, "--force")[0] == OK
        assert precious.read_text() == pem_of(lab)


def test_a_folder_that_is_not_there_is_an_error(secured, spectra, tmp_path):
    with secured() as lab:
        code, told = spectra(lab.url, "--yes", "--out", tmp_path / "missing" / "x.pem")

    assert code == INPUT
    assert "cannot be written" in told["error"]["message"]


@pytest.mark.parametrize("answer", [True, False])
def test_on_a_terminal_the_person_decides(secured, spectra, tmp_path, answer):
    with secured() as lab:
        code, text = spectra(lab.url, terminal=True, answer=answer)

    assert code == OK
    assert (tmp_path / "127.0.0.1.pem").exists() is answer
    assert ("SPECTRA_CA_FILE=" in text) is answer
    assert "SPECTRA_CERTIFICATE_SHA256=" in text
    assert "Nothing was verified: compare the fingerprint" in text
    assert text.count(":") > 31, "the fingerprint has colons, to be compared by eye"


def test_a_pipe_is_not_asked(secured, spectra, tmp_path):
    with secured() as lab:
        code, text = spectra(lab.url, terminal=True)

    assert code == OK
    assert "Nothing was written." in text


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:1", "/url: must start with https://"),
        ("127.0.0.1", "url: must start with http:// or https:// and name a host"),
        ("ftp://127.0.0.1", "url: must start with http:// or https:// and name a host"),
        ("https://127.0.0.1/path", "url: must be the bare address"),
        ("https://user:secret-word@127.0.0.1", "url: must not hold a user name or password"),
    ],
)
def test_an_address_that_is_none_is_refused(spectra, url, reason):
    code, told = spectra(url)

    assert code == INPUT
    assert reason in told["error"]["message"]
    assert "secret-word" not in json.dumps(told)


def test_a_refused_connection_is_exit_4(spectra):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        code, told = spectra(f"https://127.0.0.1:{unused.getsockname()[1]}")

    assert code == UNREACHABLE
    assert "takes no connection (connection refused); nothing was sent" in told["error"]["message"]


def test_a_name_that_does_not_exist_is_exit_4(spectra):
    code, told = spectra("https://appliance.invalid")

    assert code == UNREACHABLE
    assert "the host name appliance.invalid cannot be resolved" in told["error"]["message"]


def test_a_server_without_tls_is_told(lab, spectra):
    code, told = spectra(lab.url.replace("http", "https"))

    assert code == UNREACHABLE
    assert "it does not speak TLS on this port" in told["error"]["message"]


def test_a_server_that_says_nothing_is_given_up(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        held = []
        thread = threading.Thread(target=lambda: held.append(silent.accept()))
        thread.start()
        with pytest.raises(TlsError):
            look(Address("127.0.0.1", silent.getsockname()[1]), timeout=0.1)
        thread.join()
        held[0][0].close()


def test_an_address_that_does_not_answer_is_told(monkeypatch):
    def late(*arguments):
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", late)

    with pytest.raises(ConnectFailed, match=r"\[::1\]:443 does not answer; nothing was sent"):
        look(Address("::1", 443))


def test_the_days_that_are_left_are_counted_down(secured):
    now = datetime.now(UTC)
    with secured("127.0.0.1", not_after=now + timedelta(days=10, hours=1)) as lab:
        host, port = lab.url.removeprefix("https://").split(":")
        shown = look(Address(host, int(port)))

    assert days_left(shown.details, now.timestamp()) == 10
    assert days_left(shown.details, (now + timedelta(days=11)).timestamp()) == -1
