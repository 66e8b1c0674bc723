"""URL submissions really fetch what lies on loopback, and reach for nothing beyond."""

import hashlib
import io
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from connector.emulator.crawler import MAX_LINKS, links_of
from connector.emulator.product.reach import is_loopback
from tests.emulator.analyst import Analyst

HTML = "text/html; charset=utf-8"
PAGE = b"""<!doctype html><html><body><a href="/bad.exe">download</a> <a href="/bad.exe#again">again</a>
<img src="logo.png"><a href="http://example.com/elsewhere">far away</a><a href="/gone">gone</a>
<a href="mailto:nobody">write</a></body></html>"""
FILES: dict[str, tuple[str, bytes]] = {
    "/": (HTML, PAGE),
    "/bad.exe": ("application/octet-stream", b"MZ SPECTRA-LAB-MALICIOUS:Win32.Trojan.Delf"),
    "/logo.png": ("image/png", b"\x89PNG\r\n\x1a\n" + bytes(100)),
    "/big": ("application/octet-stream", bytes(100_000)),
}


class Site(BaseHTTPRequestHandler):
    visited: list[str]

    def do_GET(self) -> None:
        type(self).visited.append(self.path)
        if self.path in {"/away", "/round"}:
            self.send_response(302)
            self.send_header("Location", "http://example.com/" if self.path == "/away" else "/round")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        kind, body = FILES.get(self.path, (HTML, b""))
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def site() -> Iterator[str]:
    Site.visited = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def submit(analyst: Analyst, url: str, crawler: str = "local") -> str:
    answer = analyst.post("/api/submit/url/", data={"url": url, "crawler": crawler})
    assert answer.status_code == 201
    return f"/api/uploads/v2/url-samples/{answer.json()['detail']['id']}"


def finished(analyst: Analyst, path: str) -> Any:
    """Let the task become due, then ask until the crawl, which takes real time, is over."""
    analyst.wait()
    for _ in range(500):
        body = analyst.get(path).json()
        if body["processing_status"] in {"complete", "error"}:
            return body
        time.sleep(0.01)
    raise AssertionError("the crawl did not end")


def test_a_page_becomes_a_zip_with_what_it_links_to(analyst: Analyst, site: str) -> None:
    body = finished(analyst, submit(analyst, f"{site}/"))
    assert body["processing_status"] == "complete"
    report = body["report"]
    assert (report["identification_name"], report["extracted_file_count"]) == ("ZIP", 3)
    assert (report["classification"], report["classification_result"]) == ("malicious", "Win32.Trojan.Delf")
    assert report["classification_origin"]["sha1"] == hashlib.sha1(FILES["/bad.exe"][1]).hexdigest()
    assert sorted(set(Site.visited)) == ["/", "/bad.exe", "/gone", "/logo.png"]
    assert list(analyst.product.workshop.iterdir()) == []


def test_a_single_file_stays_as_it_is(analyst: Analyst, site: str) -> None:
    report = finished(analyst, submit(analyst, f"{site}/bad.exe"))["report"]
    assert report["sha256"] == hashlib.sha256(FILES["/bad.exe"][1]).hexdigest()
    assert report["aliases"] == ["bad.exe"]


def test_an_archive_behind_a_url_is_looked_into(analyst: Analyst, site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.exe", FILES["/bad.exe"][1])
    monkeypatch.setitem(FILES, "/a.zip", ("application/zip", buffer.getvalue()))
    report = finished(analyst, submit(analyst, f"{site}/a.zip"))["report"]
    assert (report["sha1"], report["classification"]) == (hashlib.sha1(buffer.getvalue()).hexdigest(), "malicious")
    assert list(analyst.product.workshop.iterdir()) == []


def test_nothing_is_fetched_before_the_task_is_due(analyst: Analyst, site: str) -> None:
    analyst.lab("clock", freeze=True)
    path = submit(analyst, f"{site}/bad.exe")
    assert analyst.get(path).json()["processing_status"] == "processing"
    assert Site.visited == []


@pytest.mark.parametrize(
    ("path", "words"),
    [("/gone", "status 404"), ("/away", "no route"), ("/round", "too often"), ("/big", "more data")],
)
def test_what_cannot_be_brought_in_is_an_error_that_says_why(
    analyst: Analyst, site: str, path: str, words: str
) -> None:
    analyst.lab("state", max_crawl_bytes=50_000)
    body = finished(analyst, submit(analyst, site + path))
    assert body["processing_status"] == "error"
    assert words in body["message"]
    assert body["report"] is None


def test_a_host_that_does_not_listen_is_an_error_after_three_tries(analyst: Analyst) -> None:
    body = finished(analyst, submit(analyst, "http://127.0.0.1:9/"))
    assert (body["processing_status"], body["message"]) == ("error", "The URL could not be downloaded.")


@pytest.mark.parametrize("crawler", ["local", "cloud"])
def test_a_url_beyond_loopback_is_never_fetched_but_may_be_loaded(analyst: Analyst, crawler: str) -> None:
    nowhere = submit(analyst, "http://example.com/", crawler)
    sha1 = analyst.load(url="http://example.org/", classification="suspicious", filename="found.js")
    loaded = submit(analyst, "http://example.org/", crawler)
    analyst.wait()
    assert "no route" in analyst.get(nowhere).json()["message"]
    report = analyst.get(loaded).json()["report"]
    assert (report["sha1"], report["classification"]) == (sha1, "suspicious")
    in_cloud = analyst.search("size:[0 TO *]", ticloud=True)["total_count"]
    assert in_cloud == (1 if crawler == "cloud" else 0)


def test_the_cloud_cannot_crawl_loopback(analyst: Analyst, site: str) -> None:
    body = finished(analyst, submit(analyst, f"{site}/bad.exe", "cloud"))
    assert body["processing_status"] == "error"
    assert Site.visited == []


def test_a_submission_ends_after_forty_five_minutes(analyst: Analyst) -> None:
    analyst.lab("clock", freeze=True)
    analyst.lab("state", processing_seconds=3000)
    path = submit(analyst, "http://127.0.0.1:9/")
    analyst.wait(2700)
    assert analyst.get(path).json()["processing_status"] == "processing"
    analyst.wait(301)
    body = analyst.get(path).json()
    assert (body["processing_status"], body["message"]) == ("error", "The URL submission timed out.")


@pytest.mark.parametrize(
    ("url", "answer"),
    [
        ("http://127.0.0.1:80/", True),
        ("http://127.8.9.1/", True),
        ("http://[::1]/", True),
        ("http://localhost/", True),
        ("http://localhost.example.com/", False),
        ("http://127.0.0.1.example.com/", False),
        ("http://127.0.0.1@example.com/", False),
        ("http://10.0.0.1/", False),
        ("http://0.0.0.0/", False),
        ("http://[", False),
        ("http://", False),
    ],
)
def test_only_loopback_is_loopback(url: str, answer: bool) -> None:
    assert is_loopback(url) is answer


def test_links_are_bounded() -> None:
    page = "".join(f'<a href="/{n}">x</a>' for n in range(200))
    assert len(links_of(page, "http://127.0.0.1/")) == MAX_LINKS
