"""Nothing but SPECTRA_* is taken from the environment: proxies, netrc, key logs, CA files and OpenSSL's own switches."""

import json
import ssl
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from connector import Settings, tls
from connector.errors import TlsError
from tests.faults.tls import ByteCounter
from tests.laboratory import ROOT, http_answer, run
from tests.secrecy.canaries import TOKEN

ANSWER = http_answer(b'{"results": []}')
# Reads of both kinds and a submission, on each lane, to an appliance that is to be trusted, and to one that is not.
SCRIPT = """
import asyncio, json, sys
from connector import AsyncConnector, Connector, Settings, SpectraError

good, bad, ca, token = sys.argv[1:]
found = []
def told(make):
    try:
        outcome = make()
        found.append([outcome.branch, list(outcome.notices)])
    except SpectraError as error:
        found.append([error.code, error.message])
def sync(settings, action, params):
    with Connector(settings) as connector:
        return connector.run(action, params)
async def parallel(settings, action, params):
    async with AsyncConnector(settings) as connector:
        return await connector.run(action, params)
for url, trust in ((good, {"ca_file": ca}), (bad, {}), (bad, {"ca_file": ca})):
    settings = Settings(url=url, token=token, state="memory", deadline_seconds=20, **trust)
    for action, params in (("test_connection", {}), ("submit_url", {"url": "http://www.example.com/"})):
        told(lambda: sync(settings, action, params))
        told(lambda: asyncio.run(parallel(settings, action, params)))
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory, certificates):
    """What an environment can hold; each alone would change what a client does that heeds it."""
    folder = tmp_path_factory.mktemp("hostile")
    netrc, ca, conf = folder / "netrc", folder / "hostile.pem", folder / "openssl.cnf"
    netrc.write_text("default login someone password else\n")
    netrc.chmod(0o600)
    ca.write_text(certificates._unknown.cert_pem.bytes().decode())
    conf.write_text(
        "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = weak\n"
        "[weak]\nMinProtocol = TLSv1\nCipherString = ALL:@SECLEVEL=0\nVerifyCAFile = " + str(ca) + "\n"
    )
    proxy = "http://127.0.0.1:1"
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
    return dict.fromkeys(names, proxy) | {
        "NO_PROXY": "localhost",
        "no_proxy": "",
        "NETRC": str(netrc),
        "SSLKEYLOGFILE": str(folder / "keys"),
        "SSL_CERT_FILE": str(ca),
        "SSL_CERT_DIR": str(folder),
        "REQUESTS_CA_BUNDLE": str(ca),
        "CURL_CA_BUNDLE": str(ca),
        "PYTHONHTTPSVERIFY": "0",
        "OPENSSL_CONF": str(conf),
        "AIOHTTP_NO_EXTENSIONS": "1",
        "PYTHONASYNCIODEBUG": "1",
        "HTTPX_LOG_LEVEL": "trace",
    }


@pytest.fixture(scope="module")
def appliances(certificates):
    with ExitStack() as stack:
        yield [stack.enter_context(ByteCounter(certificates.context(form), ANSWER)) for form in ("good", "unknown_ca")]


def behaviour(appliances, certificates, folder: Path, **environ: str):
    """What a process under these variables gets: its outcomes and errors, one after the other."""
    good, bad = appliances
    (folder / "ca.pem").write_text(certificates.ca_pem)
    words = [sys.executable, "-c", SCRIPT, good.url, bad.url, str(folder / "ca.pem"), TOKEN]
    plain = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": str(folder)}
    ended = subprocess.run(words, env=plain | environ, cwd=folder, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.replace(good.url, "GOOD").replace(bad.url, "BAD"))


@pytest.fixture(scope="module")
def as_it_is(appliances, certificates, tmp_path_factory):
    return behaviour(appliances, certificates, tmp_path_factory.mktemp("plain"))


def test_the_script_tells_good_from_bad(as_it_is):
    assert [one[0] for one in as_it_is] == ["ok", "ok", "malformed_response", "malformed_response", *["tls"] * 8]


def test_all_of_them_at_once_change_nothing(appliances, certificates, hostile, as_it_is, tmp_path):
    assert len(hostile) >= 12
    assert behaviour(appliances, certificates, tmp_path, **hostile) == as_it_is
    assert keys_in(hostile["SSLKEYLOGFILE"]) == []
    assert not appliances[1].saw(TOKEN), "a CA that the environment names is not trusted"


ALONE = [
    *("HTTPS_PROXY", "all_proxy", "NETRC", "SSLKEYLOGFILE", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    *("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PYTHONHTTPSVERIFY", "OPENSSL_CONF"),
]


@pytest.mark.parametrize("name", ALONE)
def test_none_of_them_alone_changes_anything(appliances, certificates, hostile, as_it_is, tmp_path, name):
    assert behaviour(appliances, certificates, tmp_path, **{name: hostile[name]}) == as_it_is
    assert keys_in(hostile["SSLKEYLOGFILE"]) == []
    assert not appliances[1].saw(TOKEN)


def keys_in(path: str | Path) -> list[str]:
    """The secrets in a key log. aiohttp has a file made when it is imported, which holds one line of comment."""
    lines = Path(path).read_text().splitlines() if Path(path).exists() else []
    return [line for line in lines if not line.startswith("#")]


def test_the_blocking_client_has_no_key_log_made(appliances, certificates, tmp_path):
    (tmp_path / "ca.pem").write_text(certificates.ca_pem)
    script = SCRIPT.replace("        told(lambda: asyncio.run(parallel(settings, action, params)))\n", "")
    words = [sys.executable, "-c", script, *(one.url for one in appliances), str(tmp_path / "ca.pem"), TOKEN]
    environ = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "SSLKEYLOGFILE": str(tmp_path / "keys")}
    ended = subprocess.run(words, env=environ, cwd=tmp_path, capture_output=True, text=True, check=True)

    assert ended.stdout.count('"ok"') == 1
    assert not (tmp_path / "keys").exists()


def test_a_client_that_heeds_them_is_seen(appliances, hostile, tmp_path):
    """The variables are of the kind that Python's own context follows: it would trust the hostile CA, and log its keys."""
    script = (
        "import ssl, sys, urllib.request as r\nr.urlopen(sys.argv[1], data=b'', context=ssl.create_default_context())"
    )
    names = ("SSL_CERT_FILE", "SSLKEYLOGFILE")
    environ = {name: hostile[name] for name in names} | {"SSLKEYLOGFILE": str(tmp_path / "keys"), "PATH": "/usr/bin"}
    subprocess.run([sys.executable, "-c", script, appliances[1].url + "/x"], env=environ, check=True)

    assert len(keys_in(tmp_path / "keys")) > 1
    assert b"POST /x" in appliances[1].received


class TestTheSystemsAuthorities:
    """What is trusted without ca_file, ca_pem or pin: where OpenSSL was built to look, and nothing else."""

    @pytest.fixture(autouse=True)
    def anew(self):
        tls.context.cache_clear()
        yield
        tls.context.cache_clear()

    def built_to_look(self, monkeypatch, cafile, capath):
        paths = ssl.DefaultVerifyPaths(None, None, "SSL_CERT_FILE", str(cafile), "SSL_CERT_DIR", str(capath))
        monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths)

    @pytest.mark.parametrize("lane", ["sync", "async"])
    @pytest.mark.parametrize("place", ["a file", "a folder", "a usual file", "a folder without hashes"])
    def test_they_are_found(self, monkeypatch, certificates, tmp_path, place, lane):
        folder, file = tmp_path / "certs", tmp_path / "cert.pem"
        folder.mkdir()
        if place == "a folder":
            (folder / f"{subject_hash(certificates.ca_pem, tmp_path)}.0").write_text(certificates.ca_pem)
        else:
            file.write_text(certificates.ca_pem)
        missing = tmp_path / "missing"
        self.built_to_look(monkeypatch, file if place == "a file" else missing, missing if "usual" in place else folder)
        monkeypatch.setattr(tls, "_USUAL", (str(missing), str(file)))

        with ByteCounter(certificates.context("good"), ANSWER) as appliance:
            assert run(Settings(url=appliance.url, token=TOKEN), "test_connection", lane=lane).branch == "ok"

    def test_where_there_are_none_nobody_is_trusted(self, monkeypatch, certificates, tmp_path):
        self.built_to_look(monkeypatch, tmp_path / "missing", tmp_path / "missing")
        monkeypatch.setattr(tls, "_USUAL", ())

        with ByteCounter(certificates.context("good"), ANSWER) as appliance, pytest.raises(TlsError, match="ca_file"):
            run(Settings(url=appliance.url, token=TOKEN), "test_connection", lane="sync")

    def test_those_of_windows_come_from_its_stores(self, monkeypatch, certificates):
        der = ssl.PEM_cert_to_DER_cert(certificates.ca_pem)
        stores = {
            "ROOT": [(der, "x509_asn", {ssl.Purpose.SERVER_AUTH.oid}), (b"nothing", "x509_asn", True)],
            "CA": [(b"x", "pkcs_7_asn", True), (b"x", "x509_asn", {"1.3.6.1.5.5.7.3.4"})],
        }
        monkeypatch.setattr(ssl, "enum_certificates", stores.__getitem__, raising=False)

        assert len(tls.context(None, None, None, True, None).get_ca_certs()) == 1

    def test_this_system_has_some(self):
        context = tls.context(None, None, None, True, None)

        assert context.cert_store_stats()["x509_ca"] or list(
            Path(ssl.get_default_verify_paths().openssl_capath).glob("*.0")
        )
        assert (context.check_hostname, context.verify_mode) == (True, ssl.CERT_REQUIRED)
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2
        assert context.keylog_filename is None


def subject_hash(pem: str, folder: Path) -> str:
    """The name under which OpenSSL looks a CA up in a folder."""
    (folder / "one.pem").write_text(pem)
    words = ["openssl", "x509", "-noout", "-subject_hash", "-in", str(folder / "one.pem")]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
