"""Syslog as a sink: what a strict reader of RFC 5424 and a real syslog-ng make of what is sent."""

import asyncio
import re
import signal
import socket
import ssl
from datetime import datetime

import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.enrichment.ids import event_id
from connector.enrichment.sinks.syslog import SyslogSink
from connector.enrichment.sinks.syslog_link import read_address
from connector.enrichment.sinks.syslog_message import BOM, framed, heading, message, timestamp
from connector.enrichment.values import Batch, Output
from connector.errors import ConfigError, StateError, Unreachable
from tests.enrichment.syslog_server import PROGRAM, TLS, free_port, syslog_server

real = pytest.mark.skipif(PROGRAM is None, reason="syslog-ng is not installed")

# RFC 5424 section 6, as strict as its ABNF is.
GRAMMAR = re.compile(
    rb"<(?P<pri>0|[1-9][0-9]{0,2})>1 "
    rb"(?P<time>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:Z|[+-][0-9]{2}:[0-9]{2})) "
    rb"(?P<host>[!-~]{1,255}) (?P<app>[!-~]{1,48}) (?P<pid>[!-~]{1,128}) (?P<msgid>[!-~]{1,32}) "
    rb'\[(?P<sdid>[^\x00-\x20=\]"\x7f-\xff]{1,32}) id="(?P<id>(?:[^"\\\]]|\\["\\\]])*)"\]'
    rb"(?: (?P<msg>.*))?\Z",
    re.DOTALL,
)


def parsed(made: bytes) -> dict[str, bytes]:
    found = GRAMMAR.match(made)
    assert found, made
    told = found.groupdict()
    assert 0 <= int(told["pri"]) <= 191
    datetime.fromisoformat(told["time"].decode())
    told["id"] = re.sub(rb'\\(["\\\]])', rb"\1", told["id"])
    if told["msg"].startswith(BOM):
        told["msg"].decode()
    return told


def unframed(stream: bytes) -> list[bytes]:
    """RFC 6587 section 3.4.1: MSG-LEN without leading zeros, a space, so many octets."""
    found = []
    while stream:
        length, _, rest = stream.partition(b" ")
        assert re.fullmatch(rb"[1-9][0-9]*", length)
        found.append(rest[: int(length)])
        assert len(found[-1]) == int(length)
        stream = rest[int(length) :]
    return found


def output(*lines: bytes, first: int = 0) -> Output:
    return Output(Batch(list(lines), None, "test", first), list(lines), range(len(lines)))


def began(**told: str):
    return heading(
        **{
            "host": "host",
            "procid": "1",
            "msgid": "ecs",
            "app_name": "spectra-enrich",
            "facility": "local0",
            "severity": "info",
            **told,
        }
    )


@given(
    st.text(max_size=300),
    st.text(max_size=130),
    st.text(max_size=40),
    st.text(max_size=60),
    st.binary(max_size=200),
    st.floats(0, 4e9),
)
@settings(max_examples=150, deadline=None)
def test_every_message_fits_the_grammar_and_keeps_its_text(host, procid, msgid, name, text, at):
    made = message(began(host=host, procid=procid, msgid=msgid), timestamp(at), name, text)

    told = parsed(made)
    assert told["pri"] == b"134"
    assert told["id"] == name.encode()
    assert told["msg"].removeprefix(BOM) == text.removeprefix(BOM)
    assert abs(datetime.fromisoformat(told["time"].decode()).timestamp() - at) < 1e-5


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=8))
@settings(max_examples=100, deadline=None)
def test_frames_come_apart_where_they_were_put_together(texts):
    assert unframed(b"".join(framed(text) for text in texts)) == texts


@pytest.mark.parametrize(
    ("text", "begins"),
    [(b'{"a":1}', b"{"), ("ü".encode(), BOM), (b"\xff\xfe", b"\xff"), (BOM + "ü".encode(), BOM + "ü".encode())],
)
def test_a_bom_comes_before_utf8_that_is_not_ascii_and_before_nothing_else(text, begins):
    assert parsed(message(began(), timestamp(0), "x", text))["msg"].startswith(begins)


def test_the_bom_can_be_left_out():
    assert parsed(message(began(), timestamp(0), "x", "ü".encode(), bom=False))["msg"] == "ü".encode()


@pytest.mark.parametrize(
    "wrong", [{"facility": "mail2"}, {"severity": "loud"}, {"sd_id": "a b"}, {"sd_id": 'a"'}, {"sd_id": ""}]
)
def test_what_is_no_facility_severity_or_id_is_refused(wrong):
    with pytest.raises(ConfigError, match=r"it is one of|1 to 32"):
        began(**wrong)


@pytest.mark.parametrize(
    ("text", "host", "port", "tls"),
    [
        ("syslog+tcp://h", "h", 601, False),
        ("syslog+tls://h/", "h", 6514, True),
        ("syslog+tcp://[::1]:5514", "::1", 5514, False),
    ],
)
def test_an_address_is_read(text, host, port, tls):
    found = read_address(text)

    assert (found.host, found.port, found.tls) == (host, port, tls)


@pytest.mark.parametrize(
    "text",
    [
        "syslog://h",
        "syslog+tcp://",
        "syslog+tcp://h:0",
        "syslog+tcp://h:70000",
        "syslog+tcp://u:hidden@h",
        "syslog+tls://h/x",
        "syslog+tls://h?hidden",
        "syslog+tls://[h",
    ],
)
def test_what_is_no_address_is_refused_without_being_repeated(text):
    with pytest.raises(ConfigError, match="HOST") as refused:
        read_address(text)

    assert "hidden" not in str(refused.value)


def test_a_ca_without_tls_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"syslog\+tls"):
        SyslogSink("syslog+tcp://127.0.0.1", ca=tmp_path / "ca.pem")


def test_a_receiver_that_is_away_is_unreachable():
    async def run() -> None:
        sink = SyslogSink(f"syslog+tcp://127.0.0.1:{free_port()}")
        for _ in range(2):
            with pytest.raises(Unreachable, match="is away"):
                await sink.write(output(b"x"))
        await sink.close()

    asyncio.run(run())


def test_a_message_that_is_too_long_is_refused_and_the_others_are_sent():
    received = bytearray()

    async def run() -> None:
        async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            received.extend(await reader.read())
            writer.close()

        async with await asyncio.start_server(take, "127.0.0.1", 0) as server:
            sink = SyslogSink(f"syslog+tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}", max_bytes=300)
            refused = await sink.write(output(b"one", b"x" * 300, b"three"))
            await sink.close()
            await asyncio.sleep(0.05)
        assert [(each.line, each.failure.reason) for each in refused] == [(1, "too_long")]

    asyncio.run(run())
    assert [parsed(each)["msg"] for each in unframed(bytes(received))] == [b"one", b"three"]


async def flood(sink: SyslogSink, most: int, *, syncing: bool = False) -> None:
    for number in range(most):
        await sink.write(output(b"%d " % number + b"x" * 60_000, first=number))
        if syncing:
            await sink.sync()


async def gathered(server: socket.socket) -> bytes:
    """All that the next connection brings, until it is closed."""
    server.setblocking(False)
    loop = asyncio.get_running_loop()
    connection, _ = await loop.sock_accept(server)
    found = bytearray()
    with connection:
        while piece := await loop.sock_recv(connection, 1 << 20):
            found += piece
    return bytes(found)


def test_a_receiver_that_reads_nothing_holds_the_write_back_and_then_is_unreachable():
    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as deaf:
            sink = SyslogSink(f"syslog+tcp://127.0.0.1:{deaf.getsockname()[1]}", seconds=0.3)
            with pytest.raises(Unreachable, match="TimeoutError"):
                await flood(sink, 1000)
            assert sink._unsettled.size < 8 << 20
            await sink.close()

    asyncio.run(run())


def test_what_was_not_taken_is_sent_again_on_the_next_connection_in_order_and_once():
    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            sink = SyslogSink(f"syslog+tcp://127.0.0.1:{server.getsockname()[1]}", seconds=0.3)
            with pytest.raises(Unreachable):
                await flood(sink, 1000)
            server.accept()[0].close()
            reading = asyncio.create_task(gathered(server))
            last = sink._last
            await sink.write(last)
            await sink.sync()
            assert not sink._unsettled.pieces
            await sink.close()
            texts = [parsed(each)["msg"].split()[0] for each in unframed(await reading)]
            assert texts == [b"%d" % number for number in range(last.batch.first + 1)]

    asyncio.run(run())


@real
def test_syslog_ng_reads_every_field_and_text_over_tcp():
    texts = [b'{"plain": 1}', b"two\nlines\ttab", 'ümlaut "quoted" ☃'.encode(), b"x" * 65_300, b"after"]

    async def send(port: int, sent: Output) -> None:
        sink = SyslogSink(f"syslog+tcp://127.0.0.1:{port}", msgid="ecs", host="sensor-1", wall=lambda: 1767323045.25)
        assert not await sink.write(sent)
        await sink.sync()
        await sink.close()

    with syslog_server() as server:
        sent = output(*texts)
        asyncio.run(send(server.port, sent))
        received = server.received(len(texts))

    assert [each["msg"].encode() for each in received] == texts
    assert {(each["pri"], each["host"], each["app"], each["msgid"]) for each in received} == {
        ("134", "sensor-1", "spectra-enrich", "ecs")
    }
    assert [each["sd"] for each in received] == [f'[spectra@32473 id="{event_id(sent.batch, n)}"]' for n in range(5)]
    assert {float(each["at"]) for each in received} == {1767323045.0}


@real
def test_a_message_of_the_longest_length_is_whole_at_syslog_ng_as_it_comes():
    async def send(port: int) -> None:
        sink = SyslogSink(f"syslog+tcp://127.0.0.1:{port}")
        room = 65536 - len(message(sink._heading, timestamp(0), event_id(output(b"").batch, 0), b""))
        assert not await sink.write(output(b"x" * room))
        assert await sink.write(output(b"x" * (room + 1)))
        await sink.close()
        lengths.append(room)

    lengths: list[int] = []
    with syslog_server() as server:
        asyncio.run(send(server.port))
        received = server.received(1)

    assert [len(each["msg"]) for each in received] == lengths


@pytest.fixture
def certificates(tmp_path):
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    for name in ("127.0.0.1", "client@example.org"):
        made = ca.issue_cert(name)
        made.private_key_pem.write_to_path(tmp_path / f"{name}.key")
        made.cert_chain_pems[0].write_to_path(tmp_path / f"{name}.crt")
        made.private_key_and_cert_chain_pem.write_to_path(tmp_path / f"{name}.pem")
    return tmp_path


def tls(folder, peer: str = "peer-verify(optional-untrusted)") -> str:
    return TLS.format(cert=folder / "127.0.0.1.crt", key=folder / "127.0.0.1.key", peer=peer)


@real
def test_syslog_ng_reads_messages_over_tls(certificates):
    async def send(port: int) -> None:
        sink = SyslogSink(f"syslog+tls://127.0.0.1:{port}", ca=certificates / "ca.pem")
        for number in range(20):
            await sink.write(output(*(b"%d " % number + b"x" * 2000 for _ in range(50)), first=number * 50))
        await sink.sync()
        await sink.close()

    with syslog_server(tls(certificates)) as server:
        asyncio.run(send(server.port))
        received = server.received(1000)

    assert [int(each["msg"].split()[0]) for each in received] == [number // 50 for number in range(1000)]
    assert len({each["sd"] for each in received}) == 1000


@real
def test_a_client_certificate_is_shown_where_the_receiver_asks_for_it(certificates):
    async def send(port: int, client) -> None:
        sink = SyslogSink(f"syslog+tls://127.0.0.1:{port}", ca=certificates / "ca.pem", client_cert=client)
        try:
            await sink.write(output(b"known"))
            await sink.sync()
        finally:
            await sink.close()

    asked = f'peer-verify(required-trusted) ca-file("{certificates}/ca.pem")'
    with syslog_server(tls(certificates, asked)) as server:
        asyncio.run(send(server.port, certificates / "client@example.org.pem"))
        assert [each["msg"] for each in server.received(1)] == ["known"]


@real
def test_a_receiver_of_another_ca_is_not_spoken_to(certificates, tmp_path):
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)

    async def send(port: int) -> None:
        sink = SyslogSink(f"syslog+tls://127.0.0.1:{port}", ca=other)
        with pytest.raises(StateError, match="could not prove who it is"):
            await sink.write(output(b"x"))
        await sink.close()

    with syslog_server(tls(certificates)) as server:
        asyncio.run(send(server.port))
        assert not server.out.exists()


@real
def test_a_receiver_that_was_killed_is_unreachable_and_gets_the_rest_when_it_is_back():
    async def run(server) -> None:
        sink = SyslogSink(f"syslog+tcp://127.0.0.1:{server.port}", seconds=2)
        await sink.write(output(b"0"))
        await sink.sync()
        server.received(1)
        server.stop(signal.SIGKILL)
        await asyncio.wait_for(sink._link.lost.wait(), 5)
        later = output(b"1", b"2", first=1)
        with pytest.raises(Unreachable):
            await sink.write(later)
        server.start()
        await sink.write(later)
        await sink.sync()
        await sink.close()

    with syslog_server() as server:
        asyncio.run(run(server))
        assert [each["msg"] for each in server.received(3)] == ["0", "1", "2"]


@real
def test_sync_waits_until_the_receivers_system_has_taken_all():
    """A stopped receiver takes what its socket has room for and no more."""

    async def run(server) -> None:
        sink = SyslogSink(f"syslog+tcp://127.0.0.1:{server.port}", seconds=5)
        server.pause()
        try:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(flood(sink, 1000, syncing=True), 0.5)
        finally:
            server.resume()
        await sink.sync()
        await sink.close()

    with syslog_server() as server:
        asyncio.run(run(server))
        numbers = [each["sd"] for each in server.received(2)]
    assert len(set(numbers)) == len(numbers)


def test_a_plain_tls_context_verifies_by_default():
    sink = SyslogSink("syslog+tls://127.0.0.1")

    assert sink._tls.verify_mode is ssl.CERT_REQUIRED
    assert sink._tls.check_hostname
