"""spectra doctor: everything that can be wrong between here and the appliance is found, with a next step."""

import json
import socket
import sys
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import trustme

from connector import Settings
from connector.certificate import Address
from connector.cli import doctor, main
from connector.cli.failure import INPUT, OK, REFUSED, UNREACHABLE
from connector.diagnosis import Clocks, diagnose, where_from
from connector.emulator import serve

TOKEN_NAMES = ("SPECTRA_TOKEN", "SPECTRA_URL", "SPECTRA_CONFIG")


@pytest.fixture(scope="session")
def authority():
    return trustme.CA()


@pytest.fixture
def secured(authority, tmp_path):
    """Serve an appliance with a certificate for these names; ``settings`` trust its CA."""

    @contextmanager
    def serving(*names, **more):
        path, ca = tmp_path / "served.pem", tmp_path / "ca.pem"
        made = authority.issue_cert(*(names or ("127.0.0.1",)), **more)
        made.private_key_and_cert_chain_pem.write_to_path(str(path))
        authority.cert_pem.write_to_path(str(ca))
        with serve(tls=(str(path), str(path))) as lab:
            yield lab, {"url": lab.url, "token": lab.token, "ca_file": ca}
            httpx.get(f"{lab.url}/_lab/state", verify=False, trust_env=False)  # it has seen earlier connections end

    return serving


def examined(clocks=None, **settings):
    """Every check by name."""
    return {check.name: check for check in diagnose(Settings(**settings), "the test", clocks)}


def reached(lab, **settings):
    return examined(**{"url": lab.url, "token": lab.token} | settings)


def states(checks):
    return {name: check.state for name, check in checks.items()}


@pytest.fixture
def spectra(monkeypatch, capsys):
    """Run spectra doctor with this environment: exit code, JSON, and all that was printed."""
    for name in TOKEN_NAMES:
        monkeypatch.delenv(name, raising=False)

    def run(*arguments, terminal=False, **environment):
        for name, value in environment.items():
            monkeypatch.setenv(f"SPECTRA_{name.upper()}", str(value))
        monkeypatch.setattr(sys, "argv", ["spectra", "doctor", *map(str, arguments)])
        monkeypatch.setattr(doctor, "wants_json", lambda forced: forced or not terminal)
        with pytest.raises(SystemExit) as end:
            main()
        found = capsys.readouterr()
        return end.value.code, found.out if terminal else json.loads(found.out)

    return run


# --- an appliance that works


RELEASES = {
    "9.1": "release 9.1 to 9.3, with deprecated uploads only",
    "9.6": "release 9.5 or later, with both generations",
    "next": "a later release, without deprecated uploads",
}


@pytest.mark.parametrize("release", RELEASES)
def test_the_release_is_told_from_its_endpoints(appliances, release):
    lab = appliances(release).as_new()
    lab.product.clock.run()

    checks = reached(lab)

    assert set(states(checks).values()) == {"ok"}
    assert checks["endpoints"].found.startswith(RELEASES[release])
    assert ("/api/submit/file/" in checks["endpoints"].found) is (release == "9.1")
    assert ("/api/uploads/" in checks["endpoints"].found) is (release == "next")


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("missing", ["html404", "json404", "login_redirect"])
def test_the_release_is_told_however_a_missing_route_answers(appliances, release, missing):
    lab = appliances(release).as_new()
    lab.switch(missing_route=missing, hash_not_found_v3="404", malformed_hash_status=400)

    assert reached(lab)["endpoints"].found.startswith(RELEASES[release])


def test_nothing_is_changed_on_the_appliance(lab):
    reached(lab)

    ledger = lab.ledger
    assert ledger["submissions"] == ledger["deletes"] == ledger["reanalyses"] == ledger["cloud_queries"] == []
    assert {request["method"] for request in ledger["requests"]} == {"GET", "POST", "OPTIONS"}
    assert {r["path"] for r in ledger["requests"] if r["method"] == "POST"} == {"/api/samples/status/"}


def test_the_order_is_that_of_a_request(lab):
    assert list(reached(lab)) == [
        *("settings", "address", "tls", "credentials", "endpoints", "clock", "latency"),
        *("permissions", "file_roots"),
    ]


def test_a_login_with_a_password_works(lab):
    lab.tell("users", username="soar", password="a-password-for-it")

    checks = examined(url=lab.url, username="soar", password="a-password-for-it")

    assert checks["credentials"].state == "ok"


# --- settings


def test_no_address_is_exit_2(spectra):
    code, told = spectra()

    assert code == INPUT
    assert told["ok"] is False
    assert [check["name"] for check in told["checks"]] == ["settings"]
    assert "SPECTRA_URL" in told["checks"][0]["next"]


def test_no_credentials_are_told_before_the_network(spectra, lab):
    code, told = spectra(url=lab.url)

    assert code == INPUT
    assert told["checks"][0]["state"] == "fail"
    assert "no credentials are set" in told["checks"][0]["found"]
    assert "SPECTRA_TOKEN" in told["checks"][0]["next"]


def test_a_token_file_that_cannot_be_read_is_told(lab, tmp_path):
    check = examined(url=lab.url, token_file=tmp_path / "missing")["settings"]

    assert check.state == "fail"
    assert "token_file cannot be read" in check.found


def test_each_setting_is_told_with_where_it_comes_from_and_no_value(tmp_path):
    file = tmp_path / "settings.toml"
    file.write_text('tlp = "red"\npassword = "secret-in-file"\nurl = "https://file.example.com"\n')

    told = where_from(
        {"token": "secret-argument", "url": None},
        {"SPECTRA_URL": "https://environment.example.com", "SPECTRA_USERNAME": "secret-user"},
        file,
    )

    assert told == (
        "url (environment, SPECTRA_URL), token (command line), username (environment, SPECTRA_USERNAME), "
        f"password (file {file}), tlp (file {file})"
    )
    assert where_from({}, {"SPECTRA_CONFIG": str(file)}).startswith(f"url (file {file})")
    assert where_from({}, {}) == "none"


def test_guards_and_roots_are_told(lab, tmp_path):
    checks = reached(lab, allow_cloud=True, file_roots=(tmp_path, tmp_path / "missing"))

    assert checks["permissions"].found == "allow_cloud is on, allow_delete is off"
    assert checks["file_roots"].state == "warn"
    assert checks["file_roots"].next == f"{tmp_path / 'missing'} is not a folder; correct file_roots"
    assert "no file may be read" in reached(lab, file_roots=())["file_roots"].found


# --- the way there


def test_a_refused_port_is_exit_4_and_ends_there(spectra):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        code, told = spectra(url=f"http://127.0.0.1:{unused.getsockname()[1]}", token="x" * 40)

    assert code == UNREACHABLE
    found = {check["name"]: check for check in told["checks"]}
    assert found["address"]["state"] == "fail"
    assert "connection refused" in found["address"]["found"]
    assert "check the port" in found["address"]["next"]
    assert "credentials" not in found


def test_a_host_that_does_not_exist_is_told():
    check = examined(url="https://appliance.invalid", token="x" * 40)["address"]

    assert check.state == "fail"
    assert "cannot be resolved" in check.found


def test_a_proxy_is_what_is_connected_to(lab):
    checks = reached(lab, url="https://appliance.example.com", proxy=lab.url)

    assert checks["address"].found.startswith("the proxy 127.0.0.1:")
    assert checks["tls"].state == "ok"
    assert checks["answers"].state == "fail"


def test_http_to_another_machine_is_warned_of(lab, monkeypatch):
    monkeypatch.setattr("connector.diagnosis.LOOPBACK", frozenset())

    check = reached(lab)["tls"]

    assert check.state == "warn"
    assert "in the clear" in check.found


# --- TLS


def test_a_known_certificate_is_told_with_its_issuer_and_expiry(secured):
    with secured(not_after=datetime.now(UTC) + timedelta(days=90, hours=1)) as (_, settings):
        check = examined(**settings)["tls"]

    assert check.state == "ok"
    assert check.found.startswith("TLSv1.3, verified; issued by O=trustme")
    assert check.found.endswith("for IP Address:127.0.0.1; expires in 90 days")


def test_a_certificate_that_expires_soon_is_warned_of(secured):
    with secured(not_after=datetime.now(UTC) + timedelta(days=10, hours=1)) as (_, settings):
        checks = examined(**settings)

    assert checks["tls"].state == "warn"
    assert checks["tls"].found.endswith("expires in 10 days")
    assert checks["credentials"].state == "ok", "a warning ends nothing"


TLS_TROUBLES = {
    "unknown CA": ((), {}, {"ca_file": None}, "unknown CA"),
    "wrong host": (("other.example.com",), {}, {}, "for another address"),
    "expired": ((), {"not_after": datetime(2001, 1, 1, tzinfo=UTC)}, {}, "has expired"),
    "pin": ((), {}, {"ca_file": None, "certificate_sha256": "0" * 64}, "not the pinned one"),
}


@pytest.mark.parametrize("trouble", TLS_TROUBLES)
def test_a_certificate_that_is_not_accepted_leads_to_trust(secured, trouble):
    names, issued, changed, reason = TLS_TROUBLES[trouble]
    with secured(*names, **issued) as (lab, settings):
        checks = examined(**settings | changed)
        requests = list(lab.product.ledger.requests)

    assert checks["tls"].state == "fail"
    assert reason in checks["tls"].found
    assert f"spectra trust {settings['url']}" in checks["tls"].next
    assert "credentials" not in checks
    assert requests == [], "no token was sent"


def test_tls_trouble_is_exit_4(secured, spectra):
    with secured() as (lab, _):
        code, told = spectra(url=lab.url, token=lab.token)

    assert code == UNREACHABLE
    assert told["ok"] is False


def test_a_pinned_certificate_for_another_host_is_accepted(secured):
    from connector.certificate import look

    with secured("other.example.com") as (lab, settings):
        pin = look(Address("127.0.0.1", int(lab.url.rsplit(":", 1)[1]))).sha256
        check = examined(url=settings["url"], token=settings["token"], certificate_sha256=pin)["tls"]

    assert check.state == "ok"
    assert check.found.startswith("TLSv1.3, pinned")


def test_verification_that_is_off_is_warned_of(secured):
    with secured() as (lab, _):
        checks = examined(url=lab.url, token=lab.token, verify_tls=False)

    assert checks["tls"].state == "warn"
    assert "not verified" in checks["tls"].found
    assert "leave verify_tls out" in checks["tls"].next
    assert checks["credentials"].state == "ok"


def test_a_ca_file_that_is_none_is_exit_2(secured, spectra, tmp_path):
    (tmp_path / "rubbish.pem").write_text("rubbish")
    with secured() as (lab, _):
        code, told = spectra(url=lab.url, token=lab.token, ca_file=tmp_path / "rubbish.pem")

    assert code == INPUT
    assert "is not a readable PEM certificate" in told["checks"][2]["found"]


# --- what the appliance says


def test_a_wrong_token_is_exit_3(lab, spectra):
    code, told = spectra(url=lab.url, token="not-the-right-one")

    assert code == REFUSED
    found = {check["name"]: check for check in told["checks"]}
    assert found["credentials"]["state"] == "fail"
    assert "make a new token" in found["credentials"]["next"]
    assert "endpoints" not in found


def test_a_wrong_password_is_told(lab):
    check = examined(url=lab.url, username="admin", password="not-the-right-one")["credentials"]

    assert check.state == "fail"
    assert "refused the user name or password" in check.found


def test_a_page_instead_of_an_appliance_is_told(lab):
    lab.fault("/api/*", status=200, body="html")

    check = reached(lab)["answers"]

    assert check.state == "fail"
    assert "is this the address of a Spectra Analyze appliance" in check.next


def test_an_appliance_without_its_endpoints_is_told(lab):
    lab.fault("/api/*", "GET", status=404, body={"detail": "Not found."})
    lab.fault("/api/*", "OPTIONS", status=404, body={"detail": "Not found."})

    check = reached(lab)["endpoints"]

    assert check.state == "fail"
    assert "none of the appliance's endpoints is there" in check.found


@pytest.mark.parametrize(("release", "generation"), [("next", "legacy"), ("9.1", "current")])
def test_a_generation_that_the_release_does_not_have_is_warned_of(appliances, release, generation):
    lab = appliances(release).as_new()

    check = reached(lab, api_generation=generation)["endpoints"]

    assert check.state == "warn"
    assert check.next == f"api_generation is {generation}; set it to auto"


@pytest.mark.parametrize(("seconds", "words"), [(3600, "3600 s ahead of"), (-120, "120 s behind")])
def test_a_clock_that_differs_is_warned_of(lab, seconds, words):
    frozen = lab.product.clock.time()
    lab.product.clock.advance(seconds + 0.5)

    check = reached_at(lab, frozen)["clock"]

    assert check.state == "warn"
    assert words in check.found
    assert "NTP" in check.next


def test_a_clock_that_differs_a_little_is_well(lab):
    frozen = lab.product.clock.time()
    lab.product.clock.advance(55)

    assert reached_at(lab, frozen)["clock"].state == "ok"


def test_a_slow_answer_is_warned_of(lab):
    ticks = iter(range(0, 1000, 3))

    check = examined(Clocks(steady=lambda: next(ticks)), url=lab.url, token=lab.token)["latency"]

    assert check.state == "warn"
    assert check.found == "3000 ms for a request (median of 3)"


def reached_at(lab, moment):
    """The checks on a machine whose clock shows this moment, and whose requests take no time."""
    return examined(Clocks(steady=lambda: 0.0, wall=lambda: moment), url=lab.url, token=lab.token)


# --- what is printed


def test_all_is_well_is_exit_0(lab, spectra):
    lab.product.clock.run()
    code, told = spectra(url=lab.url, token=lab.token)

    assert code == OK
    assert told["ok"] is True
    assert all(set(check) == {"name", "state", "found", "next"} for check in told["checks"])


def test_a_terminal_gets_a_list_with_marks_and_next_steps(lab, spectra):
    code, text = spectra("--url", lab.url, terminal=True, token="not-the-right-one")

    assert code == REFUSED
    assert "ok    address" in text
    assert "FAIL  credentials" in text
    assert "      next: make a new token" in text


@pytest.mark.parametrize("trouble", ["none", "auth", "page", "settings"])
def test_a_secret_is_never_printed(lab, spectra, trouble):
    secret = lab.token if trouble != "auth" else "canary-canary-canary"
    if trouble == "page":
        lab.fault("/api/*", status=500, body={"message": "oh"})
    more = {"deadline_seconds": "-1"} if trouble == "settings" else {}

    _, told = spectra(url=lab.url, token=secret, **more)
    assert secret not in json.dumps(told)
    _, text = spectra(url=lab.url, token=secret, terminal=True, **more)
    assert secret not in text
