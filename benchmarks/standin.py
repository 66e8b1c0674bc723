"""An appliance that costs its clients nothing: preformatted answers over a raw asyncio protocol on a core of its own.

It answers look-ups (the hash that was asked for is echoed), search pages (each with other samples; the query
``filecount:N`` has N pages) and uploads, which it drains and forgets. It opens four ports on loopback, prints them
as one JSON line and ends when its standard input does.
"""

import argparse
import asyncio
import json
import os
import ssl
import sys
from email.utils import formatdate
from hashlib import md5, sha1, sha256

LATENCY = 0.020
BUFFER = memoryview(bytearray(1 << 20))  # one thread, and nothing is kept between two reads
MARK = b"@PAGE@@@"  # stands in each hash for the number of the page
SMALL = 1 << 20  # uploads below this are answered without a SHA-1


def look_up_body() -> bytes:
    """A classification of 628 bytes, with a SHA-1 to be echoed."""
    body = {
        "classification": "malicious",
        "riskscore": 10,
        "first_seen": "2024-01-08T16:36:03Z",
        "last_seen": "2024-06-10T10:31:18Z",
        "classification_result": "Win32.Ransomware.Petya",
        "classification_reason": "Antivirus",
        "classification_origin": None,
        "cloud_last_lookup": "2024-06-11T00:38:52Z",
        "data_source": "LOCAL",
        "sha1": "@" * 40,
        "sha256": "121c3fc43774abf1054ca9b7c10ebb49677889a527f34c7268872e7d670a2233",
        "md5": "debaf7021f49695eadcaaab58d502eb9",
        "message": "",
    }
    missing = 628 - len(json.dumps(body, separators=(",", ":")))
    return json.dumps(body | {"message": "x" * missing}, separators=(",", ":")).encode()


def search_body(size: int = 100) -> bytes:
    """A page of entries as the vendor's sample answer has them, about 58 KB."""
    return json.dumps([search_entry(n) for n in range(size)]).encode()


def search_entry(n: int) -> dict[str, object]:
    seed = str(n).encode()
    threat = n % 6 < 4
    mark = MARK.decode()
    return {
        "available": True,
        "sha1": mark + sha1(seed).hexdigest()[8:],
        "classification": ("malicious", "malicious", "malicious", "suspicious", "goodware", "unknown")[n % 6],
        "threatname": f"Win32.Trojan.{('Emotet', 'Zbot', 'Generic')[n % 3]}" if threat else None,
        "size": 1000 + n,
        "sampletype": "Document/None/PDF",
        "antivirus": n % 30,
        "filename": f"alldata-v1040w-import-disc-5-{n:05}-free-download-of-a-file-with-a-long-name.pdf",
        "lastseen": f"2024-07-{1 + n % 28:02}T13:41:15Z",
        "filecount": 0,
        "factor": 6 + n % 5 if threat else n % 6,
        "sha256": mark + sha256(seed).hexdigest()[8:],
        "firstseen": f"2024-06-{1 + n % 28:02}T13:25:14Z",
        "md5": mark + md5(seed).hexdigest()[8:],
        "aliases": [f"sample-{n}-{'x' * 35}.bin"],
    }


LOOK_UP = look_up_body().split(b"@" * 40)
SEARCH = search_body()


class Answers:
    """The bytes of every answer; the Date header is made anew each second, as servers do."""

    def __init__(self, uploaded_sha1: str) -> None:
        detail = {"id": 429, "user": 1, "created": "2024-06-11T15:57:18.933215Z", "filename": "upload.bin"}
        self._receipts = {
            large: json.dumps({"code": 201, "message": "Done.", "detail": detail | {"sha1": value}}).encode()
            for large, value in ((True, uploaded_sha1), (False, None))
        }
        self.tick()

    def tick(self) -> None:
        date = formatdate(usegmt=True).encode()
        common = b"Server: standin\r\nDate: " + date + b"\r\nContent-Type: application/json\r\n"
        self._ok = b"HTTP/1.1 200 OK\r\n" + common + b"Content-Length: "
        self._created = b"HTTP/1.1 201 Created\r\n" + common + b"Content-Length: "
        length = len(LOOK_UP[0]) + 40 + len(LOOK_UP[1])
        self._look_up = self._ok + str(length).encode() + b"\r\n\r\n" + LOOK_UP[0]
        asyncio.get_running_loop().call_later(1.0, self.tick)

    def look_up(self, head: bytes) -> bytes:
        start = head.find(b"/samples/v3/") + 12
        asked = head[start : start + 40] if start > 12 else b"0" * 40
        return self._look_up + asked + LOOK_UP[1]

    def search(self, body: bytes) -> bytes:
        asked = json.loads(body)
        page, last = asked["page"], int(asked["query"].rpartition(":")[2])
        more = page < last
        envelope = b'{"rl":{"web_search_api":{"more_pages":%s,"total_count":%d,"next_page":%s,"entries":%s}}}' % (
            b"true" if more else b"false",
            last * 100,
            b"%d" % (page + 1) if more else b"null",
            SEARCH.replace(MARK, b"%08x" % page),
        )
        return self._ok + str(len(envelope)).encode() + b"\r\n\r\n" + envelope

    def receipt(self, size: int) -> bytes:
        body = self._receipts[size > SMALL]
        return self._created + str(len(body)).encode() + b"\r\n\r\n" + body


class Connection(asyncio.BufferedProtocol):
    """One kept-alive connection: no pipelining, bodies by Content-Length only."""

    def __init__(self, answers: Answers, latency: float) -> None:
        self._answers, self._latency = answers, latency
        self._loop = asyncio.get_running_loop()
        self._head = b""
        self._left = self._size = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:  # asyncio's signature
        return BUFFER

    def buffer_updated(self, count: int) -> None:
        if self._left > count and self._size > SMALL:  # the middle of an upload
            self._left -= count
            return
        self._take(bytes(BUFFER[:count]))

    def _take(self, data: bytes) -> None:
        if self._left > 0 and self._size > SMALL:
            self._left = 0
            self._answer(self._answers.receipt(self._size))
            return
        self._head += data
        end = self._head.find(b"\r\n\r\n")
        if end < 0:
            return
        if not self._head.startswith(b"POST "):
            head, self._head = self._head, b""
            self._answer(self._answers.look_up(head))
            return
        self._post(end + 4)

    def _post(self, start: int) -> None:
        head, body = self._head[:start], self._head[start:]
        self._size = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        self._left = self._size - len(body)
        if self._left > 0:
            if self._size > SMALL:
                self._head = b""
            return
        self._head, size, self._size = b"", self._size, 0
        self._answer(self._answers.search(body) if b"/search/" in head[:80] else self._answers.receipt(size))

    def _answer(self, answer: bytes) -> None:
        self._left = self._size = 0
        if self._latency:
            self._loop.call_later(self._latency, self._transport.write, answer)
        else:
            self._transport.write(answer)


def tls_context(pem: str | None) -> ssl.SSLContext | None:
    if pem is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


async def serve(uploaded_sha1: str, pem: str | None) -> None:
    """Open the ports, tell them, and answer until standard input ends."""
    loop = asyncio.get_running_loop()
    answers = Answers(uploaded_sha1)
    tls = tls_context(pem)
    wanted = {"plain": (0.0, None), "slow": (LATENCY, None), "tls": (0.0, tls), "slow_tls": (LATENCY, tls)}
    ports = {}
    for name, (latency, context) in wanted.items():
        if context is None and "tls" in name:
            continue
        make = lambda latency=latency: Connection(answers, latency)  # noqa: E731
        server = await loop.create_server(make, "127.0.0.1", 0, ssl=context, backlog=512)
        ports[name] = server.sockets[0].getsockname()[1]
    print(json.dumps(ports), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--sha1", default="0" * 40, help="what to say of an upload")
    options.add_argument("--pem", help="certificate and key for the TLS ports")
    options.add_argument("--core", type=int, default=0)
    given = options.parse_args()
    if (os.cpu_count() or 1) > given.core:
        os.sched_setaffinity(0, {given.core})
    asyncio.run(serve(given.sha1, given.pem))


if __name__ == "__main__":
    main()
