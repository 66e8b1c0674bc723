"""The fault proxy does what each kind says, accounts for it exactly, and leaves nothing behind."""

import contextlib
import gzip
import socket
import sys
import threading
import time
import zlib

import httpx
import psutil
import pytest

from tests.faults.plan import KINDS, MADE_UP
from tests.faults.proxy import Fault, FaultProxy, refused_url
from tests.faults.tiny import CONTENT, port_of, posted, told

GET = b"GET /work HTTP/1.1\r\nhost: appliance\r\n\r\n"
HEAD = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(CONTENT)}\r\n\r\n".encode()
WHOLE = HEAD + CONTENT
LIMIT = 20  # seconds; only ever reached by a proxy that hangs


@pytest.fixture
def client(proxy):
    with httpx.Client(base_url=proxy.url, trust_env=False, timeout=LIMIT) as client:
        yield client


class TestWithoutAPlan:
    @pytest.mark.parametrize(
        ("method", "path", "status", "content"),
        [
            *(("GET", "/work?a=b", 200, CONTENT), ("HEAD", "/work", 200, b""), ("GET", "/empty", 204, b"")),
            *(
                ("POST", "/chunked", 200, CONTENT),
                ("GET", "/to_the_end", 200, CONTENT),
                ("GET", "/interim", 200, CONTENT),
            ),
        ],
    )
    def test_an_answer_comes_through_as_it_is(self, proxy, client, tiny, method, path, status, content):
        for _ in range(2):
            answer = client.request(method, path)
            assert (answer.status_code, answer.content) == (status, content)

        assert tiny.done == [(method, path, 0)] * 2
        assert [(s.method, s.path, s.kind) for s in proxy.seen] == [(method, path, None)] * 2
        assert proxy.account() == []

    @pytest.mark.parametrize("content", [b"x" * 3_000_000, [b"a" * 70_000, b"b"]], ids=["sized", "chunked"])
    def test_a_body_comes_through_as_it_is(self, proxy, client, tiny, content):
        assert client.post("/work", content=content).content == CONTENT
        assert tiny.done == [("POST", "/work", sum(map(len, content)) if isinstance(content, list) else len(content))]
        assert proxy.seen[0].forwarded > tiny.done[0][2]

    def test_a_connection_is_kept_on_both_sides(self, client, tiny):
        for _ in range(5):
            client.post("/work", content=b"a")

        assert len(tiny.peers) == 1

    def test_a_client_that_asks_for_it_may_wait_before_its_body(self, proxy, tiny):
        got, _ = told(proxy, posted(b"abc", "/work", "Expect: 100-continue", "connection: close"))

        assert got == b"HTTP/1.1 100 Continue\r\n\r\n" + WHOLE
        assert tiny.done == [("POST", "/work", 3)]

    def test_an_answer_before_the_end_of_the_request_reaches_the_client(self, client):
        assert client.post("/early", content=(b"x" * 65536 for _ in range(200))).status_code == 413

    @pytest.mark.parametrize(("path", "begins"), [("broken", b"half"), ("silent", b"")])
    def test_an_upstream_that_breaks_off_is_passed_on(self, proxy, path, begins):
        got, end = told(proxy, GET.replace(b"work", path.encode()))

        assert got.endswith(begins)
        assert bool(got) == bool(begins)
        assert end == "fin"

    def test_an_upstream_that_is_not_there_is_a_fin(self):
        with refused_url() as url, FaultProxy(url) as proxy:
            assert told(proxy, GET) == (b"", "fin")


class TestTheRequestIsStruck:
    @pytest.mark.parametrize("end", ["rst", "fin"])
    @pytest.mark.parametrize(("at", "through"), [(0, 0), (0.5, 500), ("all_but_one", 999)])
    def test_the_upstream_gets_that_part_and_never_the_request(self, proxy, tiny, end, at, through):
        request = posted(b"x" * 1000)
        proxy.plan([Fault(f"request_{end}", at=at)])

        assert told(proxy, request) == (b"", end)
        proxy.check()
        assert proxy.seen[0].forwarded == len(request) - 1000 + through
        assert told(proxy, posted(b"", "/work", "connection: close"))[0] == WHOLE  # by now it would be done
        assert tiny.done == [("POST", "/work", 0)]

    def test_a_request_without_a_body_does_not_get_through(self, proxy, tiny):
        proxy.plan([Fault("request_rst")])

        assert told(proxy, GET) == (b"", "rst")
        assert proxy.seen[0].forwarded == 0
        assert tiny.done == []

    def test_a_chunked_request_is_struck_too(self, proxy, client, tiny):
        proxy.plan([Fault("request_rst", at="all_but_one")])

        with pytest.raises(httpx.TransportError):
            client.post("/work", content=iter([b"a" * 10, b"b"]))
        proxy.check()
        assert tiny.done == []

    def test_a_large_body_is_cut_while_it_is_sent(self, proxy, client, tiny):
        proxy.plan([Fault("request_rst")])

        with pytest.raises(httpx.TransportError):
            client.post("/work", content=b"x" * 20_000_000)
        assert tiny.done == []
        assert 10_000_000 < proxy.seen[0].forwarded < 10_001_000

    def test_a_swallowed_request_is_read_and_never_answered(self, proxy, tiny):
        proxy.plan([Fault("request_swallow")])

        assert told(proxy, posted(b"x" * 100_000), patience=0.2) == (b"", "silence")
        assert proxy.idle()
        assert proxy.seen == [("POST", "/work", 0, "request_swallow")]
        assert tiny.done == []

    def test_a_refused_connection_is_reset_before_anything_is_read(self, proxy, tiny):
        proxy.plan([Fault("refuse", nth=2)])

        got = [told(proxy, posted(b"", "/work", "connection: close")) for _ in range(3)]

        assert got == [(WHOLE, "fin"), (b"", "rst"), (WHOLE, "fin")]
        assert [s.kind for s in proxy.seen] == [None, "refuse", None]
        assert len(tiny.done) == 2

    def test_nobody_listens_at_the_address_that_refuses(self):
        with refused_url() as url, pytest.raises(httpx.ConnectError):
            httpx.get(url, trust_env=False)


PORTIONS = {"none": 0, "head": len(HEAD), "half": len(HEAD) + len(CONTENT) // 2, "all_but_one": len(WHOLE) - 1}


class TestTheAnswerIsCut:
    @pytest.mark.parametrize("end", ["rst", "fin", "wait"])
    @pytest.mark.parametrize("portion", PORTIONS)
    def test_the_work_is_done_and_so_much_of_the_answer_comes(self, proxy, tiny, portion, end):
        proxy.plan([Fault(f"answer_{portion}_{end}")])

        got, how = told(proxy, posted(b"x" * 10), patience=0.5 if end == "wait" else 5)

        assert got == WHOLE[: PORTIONS[portion]]
        assert how == {"wait": "silence"}.get(end, end)
        assert proxy.idle()
        assert tiny.done == [("POST", "/work", 10)]
        proxy.check()

    @pytest.mark.parametrize("end", ["rst", "fin"])
    def test_a_whole_answer_may_end_without_saying_so(self, proxy, end):
        proxy.plan([Fault(f"answer_whole_{end}")])

        assert told(proxy, GET) == (WHOLE, end)

    @pytest.mark.parametrize("portion", ["head", "half", "all_but_one"])
    def test_an_answer_without_a_body_is_never_complete(self, proxy, portion):
        proxy.plan([Fault(f"answer_{portion}_fin")])

        got, _ = told(proxy, GET.replace(b"work", b"empty"))

        assert got.startswith(b"HTTP/1.1 ")
        assert b"\r\n\r\n" not in got

    def test_a_large_answer_is_cut_exactly(self):
        big = b"HTTP/1.1 200 OK\r\ncontent-length: 4000000\r\n\r\n" + b"x" * 4_000_000
        with Once(big) as upstream, FaultProxy(upstream.url) as proxy:
            proxy.plan([Fault("answer_all_but_one_rst")])
            got, end = told(proxy, GET)

        assert (len(got), end) == (len(big) - 1, "rst")

    def test_silence_ends_at_the_longest_wait(self, proxy):
        proxy.plan([Fault("answer_half_wait", longest=0.1)])

        assert told(proxy, GET) == (WHOLE[: PORTIONS["half"]], "fin")


class TestTheAnswerIsSlow:
    def test_a_head_dribbles_and_the_answer_is_whole(self, proxy, client):
        proxy.plan([Fault("answer_dribble_head", every_seconds=0.001)])

        assert client.get("/work").content == CONTENT

    def test_a_body_dribbles_and_the_answer_is_whole(self, proxy, client):
        proxy.plan([Fault("answer_dribble_body", every_seconds=0.001)])

        with client.stream("GET", "/work") as answer:
            pieces = list(answer.iter_raw())
        assert b"".join(pieces) == CONTENT
        assert len(pieces) > 100

    @pytest.mark.parametrize("kind", ["answer_dribble_head", "answer_dribble_body"])
    def test_a_dribble_ends_at_the_longest_wait(self, proxy, tiny, kind):
        proxy.plan([Fault(kind, every_seconds=0.02, longest=0.2)])

        got, end = told(proxy, GET)

        assert end == "fin"
        assert WHOLE.startswith(got)
        assert len(got) < len(HEAD) + 20
        assert len(tiny.done) == 1

    @pytest.mark.parametrize(
        ("kind", "line"), [("answer_early_hints", b"HTTP/1.1 103 "), ("answer_100_continue_endless", b"HTTP/1.1 100 ")]
    )
    def test_interim_answers_come_until_the_longest_wait(self, proxy, tiny, kind, line):
        proxy.plan([Fault(kind, every_seconds=0.01, longest=0.3)])

        got, end = told(proxy, GET)

        assert end == "fin"
        assert got.count(line) == got.count(b"\r\n\r\n") > 1
        assert len(tiny.done) == 1

    def test_a_client_that_leaves_ends_it(self, proxy):
        proxy.plan([Fault("answer_early_hints")])

        told(proxy, GET, patience=0.02)

        assert proxy.idle(5)


class TestTheAnswerIsBroken:
    @pytest.mark.parametrize(
        "fault",
        [
            *(
                Fault(kind)
                for kind in ("chunk_broken", "chunk_unterminated", "content_length_twice", "content_length_more")
            ),
            *(Fault(kind) for kind in ("garbage", "status_line_long", "headers_many")),
            *(Fault("headers_bad", bad=bad) for bad in ("nul", "name")),
        ],
        ids=lambda fault: f"{fault.kind}-{fault.bad}" if fault.kind == "headers_bad" else fault.kind,
    )
    @pytest.mark.parametrize("path", ["/work", "/chunked"])
    def test_a_client_sees_that_http_is_broken(self, proxy, client, tiny, fault, path):
        proxy.plan([fault])

        with pytest.raises(httpx.RemoteProtocolError):
            client.get(path)
        proxy.check()
        assert len(tiny.done) == 1
        assert client.get(path).content == CONTENT

    def test_what_is_sent_instead_of_a_framed_body(self, proxy):
        def struck(kind, **more):
            proxy.plan([Fault(kind, **more)])
            return told(proxy, GET)[0]

        size = len(CONTENT)
        assert b"\r\n\r\n%x\r\n" % (size // 2) + CONTENT[: size // 2] + b"\r\nzz\r\n" in struck("chunk_broken")
        assert struck("chunk_unterminated").endswith(b"\r\n\r\n%x\r\n" % size + CONTENT + b"\r\n")
        twice = struck("content_length_twice")
        assert (b"content-length: %d\r\n" % size in twice, b"content-length: %d\r\n" % (size + 1) in twice) == (
            True,
            True,
        )
        more = struck("content_length_more")
        assert b"content-length: %d\r\n" % (size + 10) in more
        assert more.endswith(b"\r\n\r\n" + CONTENT)
        assert len(struck("status_line_long").partition(b"\r\n")[0]) > 1_000_000
        assert len(struck("headers_many")) > 1_000_000
        assert b"\r\nx-bad: a\x00b\r\n" in struck("headers_bad", bad="nul")
        assert b"\r\nx-bad: a\r\n b\r\n" in struck("headers_bad", bad="fold")
        assert b"HTTP/" not in struck("garbage")

    def test_a_body_without_a_length_is_cut_unseen(self, proxy, client):
        proxy.plan([Fault("close_delimited_cut")])

        answer = client.get("/work")

        assert answer.http_version == "HTTP/1.0"
        assert answer.content == CONTENT[: len(CONTENT) // 2]

    @pytest.mark.parametrize("at", [0.5, "all_but_one"])
    def test_compressed_content_is_cut_and_its_framing_is_whole(self, proxy, client, at):
        proxy.plan([Fault("gzip_cut", at=at)])

        with client.stream("GET", "/work") as answer:
            raw = b"".join(answer.iter_raw())
        assert answer.headers["content-encoding"] == "gzip"
        assert int(answer.headers["content-length"]) == len(raw)
        unpacking = zlib.decompressobj(31)
        assert CONTENT.startswith(unpacking.decompress(raw))
        assert not unpacking.eof

    @pytest.mark.parametrize("forward", [True, False])
    def test_a_bomb_is_small_on_the_wire(self, proxy, client, tiny, forward):
        proxy.plan([Fault("gzip_bomb", mebibytes=3, forward=forward)])

        with client.stream("GET", "/work") as answer:
            raw = b"".join(answer.iter_raw())
        assert len(raw) < 10_000
        assert gzip.decompress(raw) == bytes(3 << 20)
        assert len(tiny.done) == forward

    def test_content_is_encoded_many_times(self, proxy, client):
        proxy.plan([Fault("encoded_many")])

        with client.stream("GET", "/work") as answer:
            content = b"".join(answer.iter_raw())
        assert answer.headers["content-encoding"].split(", ") == ["gzip"] * 200
        for _ in range(200):
            content = gzip.decompress(content)
        assert content == CONTENT

    @pytest.mark.parametrize("announced", [True, False])
    def test_a_plain_body_is_huge(self, proxy, client, announced):
        proxy.plan([Fault("plain_huge", mebibytes=8, announced=announced)])

        answer = client.get("/work")

        assert len(answer.content) == 8 << 20
        assert ("content-length" in answer.headers) == announced

    def test_a_huge_body_ends_when_the_client_has_had_enough(self, proxy, client):
        proxy.plan([Fault("plain_huge", mebibytes=10_000)])

        with client.stream("GET", "/work") as answer:
            next(answer.iter_raw())
        assert proxy.idle()

    def test_it_can_be_the_proxy_that_refuses(self, proxy):
        proxy.plan([Fault("replace", match=("CONNECT", "*"), status=407, forward=False)])

        with pytest.raises(httpx.ProxyError, match="407"), httpx.Client(proxy=proxy.url, trust_env=False) as client:
            client.get("https://appliance.example/work")
        proxy.check()

    @pytest.mark.parametrize("forward", [True, False])
    def test_an_answer_is_replaced_and_the_connection_stays(self, proxy, client, tiny, forward):
        page = Fault("replace", status=302, headers=(("Location", "/login/"),), body=b"<html>", forward=forward)
        proxy.plan([page])

        answer = client.post("/work", content=b"abc")
        client.post("/work", content=b"abc")

        assert (answer.status_code, answer.headers["location"], answer.content) == (302, "/login/", b"<html>")
        assert len(tiny.done) == 1 + forward
        assert [s.kind for s in proxy.seen] == ["replace", None]
        assert (proxy.seen[0].forwarded > 0) == forward


class TestTheAccount:
    def test_it_counts_what_matched_and_what_fired(self, proxy, client):
        other = Fault("answer_none_rst", match=("POST", "*"))
        second = Fault("replace", match=("GET", "/a/*"), nth=2, times=2, status=500)
        proxy.plan([other, second])

        codes = [client.get(path).status_code for path in ("/a/1", "/b", "/a/2?x=/a/", "/a/3", "/a/4")]

        assert codes == [200, 200, 500, 500, 200]
        assert proxy.account() == [(other, 0, 0), (second, 4, 2)]
        assert proxy.unfired() == [other]

    def test_an_unfired_fault_is_found_out_by_its_name(self, proxy, client):
        proxy.plan(
            [Fault("replace"), Fault("replace", nth=2, times=2), Fault("garbage", match=("PUT", "*"), nth="every")]
        )
        client.get("/work")
        client.get("/work")

        with pytest.raises(AssertionError) as raised:
            proxy.check()
        assert str(raised.value).count("Fault(") == 2
        assert "matched 2 and fired 1" in str(raised.value)
        assert "garbage" in str(raised.value)

    def test_the_first_due_strikes_and_the_others_wait(self, proxy, client):
        proxy.plan([Fault("replace", status=status) for status in (500, 502, 504)])

        assert [client.get("/work").status_code for _ in range(4)] == [500, 502, 504, 200]
        proxy.check()

    def test_every_strikes_without_end_or_so_many_times(self, proxy, client):
        proxy.plan([Fault("replace", nth="every", times=2, status=500), Fault("replace", nth="every", status=502)])

        assert [client.get("/work").status_code for _ in range(5)] == [500, 500, 502, 502, 502]
        assert [line[1:] for line in proxy.account()] == [(5, 2), (5, 3)]
        proxy.check()

    def test_a_new_plan_forgets_the_old_one(self, proxy, client):
        proxy.plan([Fault("replace", nth="every", status=500)])
        client.get("/work")
        proxy.plan([])

        assert client.get("/work").status_code == 200
        assert proxy.account() == []
        assert len(proxy.seen) == 1

    @pytest.mark.parametrize("path", ["/broken", "/silent"])
    def test_a_fault_without_an_answer_to_strike_does_not_count(self, proxy, client, path):
        proxy.plan([Fault("answer_half_rst")])

        with pytest.raises(httpx.RemoteProtocolError):
            client.get(path)
        assert proxy.account()[0][1:] == (1, 0)
        assert proxy.seen[0].kind is None

    def test_a_client_that_leaves_in_its_request_is_not_counted_as_struck(self, proxy, tiny):
        proxy.plan([Fault("answer_half_rst"), Fault("request_rst", nth=2, at=0.9)])
        for _ in range(2):
            with contextlib.suppress(OSError):
                told(proxy, posted(b"x" * 100)[:-50], patience=0.05)
        assert proxy.idle()

        assert [line.fired for line in proxy.account()] == [0, 0]
        assert tiny.done == []

    def test_it_is_exact_under_many_clients(self, proxy, tiny):
        limited, endless = Fault("answer_none_rst", nth="every", times=60), Fault("replace", nth="every", status=500)
        proxy.plan([limited, endless])
        broken = []

        def ask():
            with httpx.Client(base_url=proxy.url, trust_env=False, timeout=LIMIT) as client:
                for _ in range(50):
                    try:
                        assert client.get("/work").status_code == 500
                    except httpx.TransportError:
                        broken.append(1)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert [line[1:] for line in proxy.account()] == [(200, 60), (200, 140)]
        assert len(broken) == 60
        assert len(proxy.seen) == len(tiny.done) == 200

    @pytest.mark.parametrize(
        "wrong",
        [
            *({"kind": "nothing"}, {"kind": "garbage", "nth": 0}, {"kind": "garbage", "times": 0}),
            *(
                {"kind": "request_rst", "at": 1},
                {"kind": "gzip_cut", "forward": False},
                {"kind": "garbage", "longest": 1e9},
            ),
            *({"kind": "refuse", "match": ("GET", "*")}, {"kind": "answer_dribble_body", "every_seconds": 0}),
        ],
        ids=str,
    )
    def test_a_fault_that_makes_no_sense_is_refused(self, wrong):
        with pytest.raises(ValueError, match=r"\.$"):
            Fault(**wrong)


class TestNothingIsLeft:
    @pytest.mark.parametrize("kind", ["request_swallow", "answer_half_wait", "answer_early_hints", "plain_huge"])
    def test_closing_ends_every_wait_at_once(self, tiny, kind):
        with FaultProxy(tiny.url) as proxy, socket.create_connection(("127.0.0.1", port_of(proxy))) as client:
            proxy.plan([Fault(kind, longest=100, mebibytes=10_000)])
            client.sendall(GET)
            while not proxy.seen:
                time.sleep(0.001)
            began = time.monotonic()
            proxy.close()
            assert time.monotonic() - began < 2

        assert not [t for t in threading.enumerate() if t.name.startswith("fault-")]

    def test_no_thread_and_no_descriptor(self, tiny):
        process = psutil.Process()
        descriptors, threads = process.num_fds(), threading.active_count()
        with FaultProxy(tiny.url) as proxy:
            for kind in KINDS:
                for forward in {True, kind not in MADE_UP}:
                    proxy.plan([Fault(kind, longest=0.02, every_seconds=0.01, mebibytes=1, forward=forward)])
                    told(proxy, posted(b"x" * 1000, "/work", "connection: close"), patience=0.05)
                    assert proxy.idle()
                    proxy.check()

        settled(lambda: process.num_fds() <= descriptors and threading.active_count() <= threads)

    def test_its_speed_is_told(self, proxy, client, capsys):
        found = {}
        for name, faults in {"passed on": [], "cut and reset": [Fault("answer_half_rst", nth="every")]}.items():
            proxy.plan(faults)
            began = time.perf_counter()
            for _ in range(200):
                with contextlib.suppress(httpx.TransportError):
                    client.get("/work")
            found[name] = round(200 / (time.perf_counter() - began))
            assert len(proxy.seen) == 200

        with capsys.disabled():
            sys.stdout.write(f"\nfault proxy, exchanges a second: {found}\n")


class TestOverTls:
    """The same ends, seen through TLS."""

    def test_ends_are_what_they_say(self, tiny, certificates):
        ends = {"answer_half_rst": "rst", "answer_half_fin": "fin", "answer_half_wait": "silence"}
        with FaultProxy(tiny.url, tls=certificates.context("good")) as proxy:
            for kind, end in ends.items():
                proxy.plan([Fault(kind)])
                got = told(proxy, GET, patience=0.5 if end == "silence" else 5, context=certificates.client())
                assert got == (WHOLE[: PORTIONS["half"]], end)
                proxy.check()
            proxy.plan([Fault("refuse")])
            with pytest.raises(OSError, match=r"reset|EOF"):
                told(proxy, GET, context=certificates.client())
            proxy.check()

    def test_a_connection_is_kept(self, tiny, certificates):
        with (
            FaultProxy(tiny.url, tls=certificates.context("good")) as proxy,
            httpx.Client(base_url=proxy.url, verify=certificates.client(), trust_env=False) as client,
        ):
            assert [client.post("/work", content=b"x" * 200_000).content for _ in range(3)] == [CONTENT] * 3
        assert len(tiny.peers) == 1


class TestBeforeTheAppliance:
    """In front of the emulator, the ledger says what was done."""

    @pytest.mark.parametrize("at", [0, 0.5, "all_but_one"])
    def test_half_an_upload_is_no_submission(self, lab, at):
        with FaultProxy(lab.url) as proxy:
            proxy.plan([Fault("request_rst", match=("POST", "/api/uploads/"), at=at)])
            with pytest.raises(httpx.TransportError):
                self.upload(proxy, lab)
            proxy.check()
            assert self.upload(proxy, lab).status_code == 201

        assert len(lab.ledger["submissions"]) == 1

    def test_a_lost_answer_is_a_submission(self, lab):
        with FaultProxy(lab.url) as proxy:
            proxy.plan([Fault("answer_none_rst", match=("POST", "/api/uploads/"))])
            with pytest.raises(httpx.TransportError):
                self.upload(proxy, lab)

        assert len(lab.ledger["submissions"]) == 1

    def upload(self, proxy, lab):
        files = {"file": ("sample.bin", b"MZ" + bytes(300_000))}
        token = {"authorization": f"Token {lab.token}"}
        return httpx.post(f"{proxy.url}/api/uploads/", files=files, headers=token, trust_env=False, timeout=LIMIT)


class Once:
    """Answers one request with these bytes."""

    def __init__(self, answer):
        self.answer, self.listener = answer, socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.thread = threading.Thread(target=self.serve)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.thread.join()
        self.listener.close()

    def serve(self):
        connection, _ = self.listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(self.answer)


def settled(holds):
    """Wait until it holds, as threads of others end in their own time."""
    ends = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.01)
