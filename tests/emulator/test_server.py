"""The server starts and ends quickly and cleanly, speaks TLS, and keeps uploads out of memory."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
import trustme

from connector.emulator import serve

ROOT = Path(__file__).parents[2]
PROGRAM = (
    "import json; from connector.emulator import run\n"
    "run(0, '9.6', 't' * 40, lambda url, token: print(json.dumps({'url': url, 'token': token}), flush=True))"
)
HEADERS = {"Authorization": "Token " + "t" * 40}


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-W", "error", "-c", PROGRAM]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        yield running
        running.kill()


def address(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return str(json.loads(process.stdout.readline())["url"])


def test_it_is_up_at_once_and_gone_at_once() -> None:
    with serve():
        pass
    begun = time.perf_counter()
    with serve(token="a" * 40) as appliance:
        answer = httpx.get(f"{appliance.url}/api/nothing", trust_env=False)
        assert (answer.status_code, appliance.token) == (404, "a" * 40)
    assert time.perf_counter() - begun < 1
    with pytest.raises(httpx.ConnectError):
        httpx.get(appliance.url, trust_env=False)


def test_a_client_that_stays_connected_does_not_hold_up_the_end() -> None:
    with httpx.Client(trust_env=False) as client:
        with serve() as appliance:
            client.get(appliance.url)
            begun = time.perf_counter()
        assert time.perf_counter() - begun < 1


def test_two_appliances_know_nothing_of_each_other() -> None:
    with serve() as one, serve() as other:
        headers = {"Authorization": f"Token {one.token}"}
        path = "/api/samples/v3/" + "0" * 40 + "/classification/"
        assert httpx.get(one.url + path, headers=headers, trust_env=False).status_code == 200
        assert httpx.get(other.url + path, headers=headers, trust_env=False).status_code == 403


def test_received_content_is_gone_when_the_appliance_stops() -> None:
    with serve() as appliance:
        folder = appliance.product.workshop
        assert folder.exists()
    assert not folder.exists()


def test_it_speaks_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    cert, key, root = tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "ca.pem"
    certificate.cert_chain_pems[0].write_to_path(cert)
    certificate.private_key_pem.write_to_path(key)
    authority.cert_pem.write_to_path(root)
    import ssl

    with serve(tls=(str(cert), str(key))) as appliance:
        assert appliance.url.startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cafile=str(root))
        assert httpx.get(f"{appliance.url}/api/nothing", verify=context, trust_env=False).status_code == 404


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_in_the_foreground_it_ends_cleanly_by_signal(process: subprocess.Popen[str], number: int) -> None:
    url = address(process)
    assert httpx.get(f"{url}/api/nothing", trust_env=False).status_code == 404
    process.send_signal(number)
    assert process.wait(10) == 0
    assert process.stderr
    assert process.stderr.read() == ""


def multipart(size: int) -> Iterator[bytes]:
    block = os.urandom(1 << 18)
    yield b'--B\r\nContent-Disposition: form-data; name="file"; filename="big.bin"\r\n\r\n'
    for _ in range(size // len(block)):
        yield block
    yield b"\r\n--B--\r\n"


@pytest.mark.slow
def test_a_large_upload_never_enters_memory(process: subprocess.Popen[str]) -> None:
    size = 200 << 20
    headers = {**HEADERS, "Content-Type": "multipart/form-data; boundary=B"}
    with httpx.Client(base_url=address(process), headers=headers, timeout=120, trust_env=False) as client:
        client.post("/api/submit/file/", content=multipart(1 << 20))
        server = psutil.Process(process.pid)
        before = peak = server.memory_info().rss

        def watched() -> Iterator[bytes]:
            nonlocal peak
            for number, block in enumerate(multipart(size)):
                if number % 20 == 0:
                    peak = max(peak, server.memory_info().rss)
                yield block

        answer = client.post("/api/submit/file/", content=watched())
        assert answer.status_code == 201
        assert client.get("/_lab/ledger").json()["submissions"][-1]["bytes"] > size
    assert peak - before < 30 << 20


def test_a_client_that_hangs_up_leaves_nothing_behind() -> None:
    import socket

    with serve() as appliance:
        host, port = appliance.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as client:
            head = f"POST /api/submit/file/ HTTP/1.1\r\nHost: x\r\nAuthorization: Token {appliance.token}\r\n"
            head += "Content-Type: multipart/form-data; boundary=B\r\nContent-Length: 100000\r\n\r\n"
            part = '--B\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nPK'
            client.sendall((head + part).encode())
            time.sleep(0.1)
        for _ in range(100):
            if not list(appliance.product.workshop.iterdir()):
                break
            time.sleep(0.02)
        assert list(appliance.product.workshop.iterdir()) == []
        ledger = httpx.get(f"{appliance.url}/_lab/ledger", trust_env=False).json()
        assert (ledger["submissions"], ledger["failures"]) == ([], [])
