"""A Redis stream as source and sink, on a real server: shared, taken over, lost and found again."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap

import pytest
import redis

from connector.enrichment.ids import event_id
from connector.enrichment.redis_streams.entries import Bounds
from connector.enrichment.redis_streams.sink import RedisSink
from connector.enrichment.redis_streams.source import RedisSource
from connector.enrichment.values import Batch, Output
from connector.errors import ConfigError, StateError, Unreachable
from tests.enrichment.redis_server import redis_server


@pytest.fixture(scope="module")
def server():
    with redis_server() as running:
        yield running


@pytest.fixture
def client(server):
    server.flush()
    with redis.Redis(host="127.0.0.1", port=server.port) as made:
        yield made


def add(client, *events, stream="events"):
    return [client.xadd(stream, {"event": event}).decode() for event in events]


def source(server, consumer=None, **options):
    return RedisSource(server.address("events"), "siem", consumer, **({"block": 0.05} | options))


async def all_of(reader, *, done=True, turns=1):
    """What a source brings until nothing was there ``turns`` times."""
    batches = []
    async for batch in reader.batches():
        if batch is None:
            turns -= 1
            if not turns:
                return batches
            continue
        batches.append(batch)
        if done:
            await reader.done([batch])
    return batches


def events_of(batches):
    return [event for batch in batches for event in batch.events]


def pending(client):
    return client.xpending("events", "siem")["pending"]


def test_events_come_in_order_with_the_names_of_their_entries_and_are_acknowledged_when_done(server, client):
    ids = add(client, *(b"%d" % n for n in range(1200)))

    async def run():
        reader = source(server)
        await reader.open(None)
        assert reader.origin == "redis:events"
        batches = await all_of(reader, done=False)
        assert events_of(batches) == [b"%d" % n for n in range(1200)]
        assert [name for batch in batches for name in batch.ids] == ids
        assert pending(client) == 1200
        await reader.done(batches)
        assert pending(client) == 0
        await reader.close()

    asyncio.run(run())
    assert client.xlen("events") == 1200
    assert client.xinfo_consumers("events", "siem") == []


def test_two_workers_of_a_group_share_the_entries_and_each_comes_once(server, client):
    add(client, *(b"%d" % n for n in range(2000)))

    async def run():
        readers = [source(server, count=50), source(server, count=50)]
        for reader in readers:
            await reader.open(None)
        shares = await asyncio.gather(*map(all_of, readers))
        for reader in readers:
            await reader.close()
        return [events_of(batches) for batches in shares]

    one, other = asyncio.run(run())
    assert one
    assert other
    assert sorted(one + other, key=int) == [b"%d" % n for n in range(2000)]


def test_an_entry_without_the_field_event_is_an_object_of_its_fields(server, client):
    client.xadd("events", {"sha1": "a" * 40, "host": "\N{GREEK SMALL LETTER ALPHA}"})
    client.xadd("events", {"host": b"\xff"})

    async def run():
        reader = source(server)
        await reader.open(None)
        (batch,) = await all_of(reader)
        await reader.close()
        return batch

    batch = asyncio.run(run())
    assert json.loads(batch.events[0]) == {"sha1": "a" * 40, "host": "\N{GREEK SMALL LETTER ALPHA}"}
    assert json.loads(batch.events[1]) == {"host": "\\xff"}
    assert {place: failure.reason for place, failure in batch.broken.items()} == {1: "not_utf8"}


def test_a_worker_goes_on_with_what_its_name_was_given_before(server, client):
    ids = add(client, b"a", b"b", b"c")
    client.xgroup_create("events", "siem", "0")
    client.xreadgroup("siem", "w1", {"events": ">"}, count=2)

    async def run():
        other, same = source(server, "w2"), source(server, "w1")
        for reader in (other, same):
            await reader.open(None)
        brought = events_of(await all_of(other)), events_of(await all_of(same))
        for reader in (other, same):
            await reader.close()
        return brought

    assert asyncio.run(run()) == ([b"c"], [b"a", b"b"])
    assert len(ids) == 3
    assert pending(client) == 0


def test_what_is_held_is_not_brought_again_when_reading_begins_anew(server, client):
    add(client, b"a", b"b")

    async def run():
        reader = source(server)
        await reader.open(None)
        first = await all_of(reader, done=False)
        assert await all_of(reader) == []
        add(client, b"c")
        again = events_of(await all_of(reader))
        await reader.done(first)
        await reader.close()
        return again

    assert asyncio.run(run()) == [b"c"]
    assert pending(client) == 0


def test_no_more_is_read_than_may_be_pending(server, client):
    add(client, *(b"%d" % n for n in range(100)))

    async def run():
        reader = source(server, count=10, most_pending=30)
        await reader.open(None)
        held = await all_of(reader, done=False)
        assert len(events_of(held)) == 30
        await reader.done(held)
        rest = await all_of(reader)
        await reader.close()
        return len(events_of(rest))

    assert asyncio.run(run()) == 70


def test_a_worker_that_ends_hands_over_at_once_and_its_deliveries_are_not_held_against_the_events(server, client):
    add(client, *(b"%d" % n for n in range(700)))

    async def run():
        for _ in range(8):
            reader = source(server)
            await reader.open(None)
            await all_of(reader, done=False)
            await reader.close()
        last = source(server, claim_after=3600)
        await last.open(None)
        batches = await all_of(last)
        await last.close()
        return batches

    batches = asyncio.run(run())
    assert sorted(events_of(batches), key=int) == [b"%d" % n for n in range(700)]
    assert not any(batch.broken for batch in batches)


def test_stop_ends_the_reading_and_what_it_interrupted_stays_pending_for_others(server, client):
    async def run():
        reader = source(server, block=0.3)
        await reader.open(None)
        reading = asyncio.create_task(all_of(reader, turns=100))
        await asyncio.sleep(0.05)
        reader.stop()
        add(client, b"late")
        assert await asyncio.wait_for(reading, 2) == []
        await reader.close()
        other = source(server)
        await other.open(None)
        brought = events_of(await all_of(other))
        await other.close()
        return brought

    assert asyncio.run(run()) == [b"late"]


WORKER = textwrap.dedent("""
    import asyncio, sys
    from connector.enrichment.redis_streams.source import RedisSource

    async def main():
        source = RedisSource(sys.argv[1], "siem", "victim", claim_after=float(sys.argv[2]))
        await source.open(None)
        async for batch in source.batches():
            if batch is not None:
                print(len(batch.events), flush=True)

    asyncio.run(main())
""")


def test_the_events_of_a_worker_killed_with_kill_9_are_taken_over(server, client):
    add(client, *(b"%d" % n for n in range(300)))
    command = [sys.executable, "-c", WORKER, server.address("events"), "0.4"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as worker:
        assert worker.stdout.readline() == b"300\n"
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
    assert pending(client) == 300

    async def run():
        reader = source(server, claim_after=0.4)
        await reader.open(None)
        batches = await all_of(reader, turns=20)
        await reader.close()
        return batches

    batches = asyncio.run(run())
    assert sorted(events_of(batches), key=int) == [b"%d" % n for n in range(300)]
    assert not any(batch.broken for batch in batches)
    assert pending(client) == 0


def test_a_slow_batch_of_a_living_worker_is_refreshed_and_not_taken_over(server, client):
    (name,) = add(client, b"slow")

    def idle():
        return client.xpending_range("events", "siem", "-", "+", 1)[0]["time_since_delivered"]

    async def run():
        slow, quick = source(server, claim_after=0.4), source(server, claim_after=10)
        for reader in (slow, quick):
            await reader.open(None)
        held = await all_of(slow, done=False)
        client.xclaim("events", "siem", slow.consumer, 0, [name], idle=60_000, justid=True)
        while idle() > 5000:
            await asyncio.sleep(0.02)
        assert await all_of(quick) == []
        await slow.done(held)
        for reader in (slow, quick):
            await reader.close()
        return events_of(held)

    assert asyncio.run(run()) == [b"slow"]


@pytest.mark.parametrize(("before", "poisoned"), [(4, False), (5, True)])
def test_an_event_that_no_worker_finishes_is_brought_as_poison_in_the_end(server, client, before, poisoned):
    (name,) = add(client, b"bad")
    client.xgroup_create("events", "siem", "0")
    client.xreadgroup("siem", "dead", {"events": ">"})
    client.execute_command("XCLAIM", "events", "siem", "dead", 0, name, "IDLE", 10_000, "RETRYCOUNT", before)

    async def run():
        reader = source(server, claim_after=5, bounds=Bounds(deliveries=5))
        await reader.open(None)
        (batch,) = await all_of(reader)
        await reader.close()
        return batch

    batch = asyncio.run(run())
    assert batch.events == [b"bad"]
    assert (batch.broken is not None) == poisoned
    if poisoned:
        assert batch.broken[0].reason == "poison"
        assert "6 times" in batch.broken[0].detail


def test_an_event_above_the_bound_is_brought_as_too_long(server, client):
    add(client, b"x" * 2000, b"y")

    async def run():
        reader = source(server, bounds=Bounds(event=1024))
        await reader.open(None)
        (batch,) = await all_of(reader)
        await reader.close()
        return batch

    assert {place: failure.reason for place, failure in asyncio.run(run()).broken.items()} == {0: "too_long"}


def test_large_events_are_read_a_few_at_a_time(server, client):
    add(client, *(b"z" * 1_000_000 for _ in range(12)))

    async def run():
        reader = source(server, count=5)
        await reader.open(None)
        sizes = [len(batch.events) for batch in await all_of(reader)]
        await reader.close()
        return sizes

    assert asyncio.run(run()) == [5, 4, 3]


def test_entries_trimmed_from_the_stream_while_they_were_pending_are_forgotten(server, client):
    ids = add(client, b"a", b"b")
    client.xgroup_create("events", "siem", "0")
    client.xreadgroup("siem", "w1", {"events": ">"})
    client.xdel("events", ids[0])

    async def run():
        reader = source(server, "w1")
        await reader.open(None)
        brought = events_of(await all_of(reader))
        await reader.close()
        return brought

    assert asyncio.run(run()) == [b"b"]
    assert pending(client) == 0


def test_done_entries_are_deleted_where_that_was_asked_for(server, client):
    add(client, b"a", b"b")

    async def run():
        reader = source(server, delete=True)
        await reader.open(None)
        await all_of(reader)
        await reader.close()

    asyncio.run(run())
    assert client.xlen("events") == 0


def test_a_group_from_the_end_brings_only_what_comes_later(server, client):
    add(client, b"old")

    async def run():
        reader = source(server, from_end=True)
        await reader.open(None)
        assert await all_of(reader) == []
        add(client, b"new")
        brought = events_of(await all_of(reader))
        await reader.close()
        return brought

    assert asyncio.run(run()) == [b"new"]


def test_a_stream_deleted_meanwhile_is_joined_anew(server, client):
    add(client, b"a")

    async def run():
        reader = source(server)
        await reader.open(None)
        held = await all_of(reader, done=False)
        client.delete("events")
        assert await all_of(reader) == []
        await reader.done(held)
        add(client, b"b")
        brought = events_of(await all_of(reader, turns=3))
        await reader.close()
        return brought

    assert asyncio.run(run()) == [b"b"]


def test_a_server_that_was_away_is_unreachable_and_then_goes_on():
    async def run(own):
        reader, sink = source(own), RedisSink(own.address("out"))
        await reader.open(None)
        await sink.open(None)
        with redis.Redis(port=own.port) as client:
            add(client, b"a")
            held = await all_of(reader, done=False)
        own.stop()
        output = Output(held[0], [b"line"], [0])
        for work in (all_of(reader), reader.done(held), sink.write(output)):
            with pytest.raises(Unreachable, match="does not answer"):
                await work
        own.start()  # without its data
        assert list(await sink.write(output)) == []
        await reader.done(held)
        with redis.Redis(port=own.port) as client:
            add(client, b"b")
            brought = events_of(await all_of(reader, turns=3))
            assert client.xlen("out") == 1
        await reader.close()
        await sink.close()
        return brought

    with redis_server() as own:
        assert asyncio.run(run(own)) == [b"b"]


def test_a_source_may_be_opened_and_closed_while_its_server_is_away():
    async def run(own):
        reader, sink = source(own), RedisSink(own.address("out"))
        await reader.open(None)
        await sink.open(None)
        with pytest.raises(Unreachable):
            await all_of(reader)
        await reader.close()
        await sink.close()

    with redis_server() as own:
        own.stop()
        asyncio.run(run(own))


def output(*lines, origins=None, first=0):
    batch = Batch([b"{}"] * len(lines), None, "file:in", first=first)
    return Output(batch, list(lines), list(range(len(lines))) if origins is None else origins)


def written(client, stream="out"):
    return [(fields[b"event"], fields[b"id"].decode()) for _, fields in client.xrange(stream)]


def sink_run(server, *outputs, **options):
    async def run():
        sink = RedisSink(server.address("out"), **options)
        await sink.open(None)
        refused = [await sink.write(one) for one in outputs]
        assert await sink.sync() is None
        await sink.close()
        return sink.repeated, refused

    return asyncio.run(run())


def test_lines_are_added_in_order_with_the_ids_of_their_events(server, client):
    told = output(b"a", b"b", b"c", origins=[0, 2, 2])
    sink_run(server, told)
    ids = [event_id(told.batch, n) for n in (0, 2)]
    assert written(client) == [(b"a", ids[0]), (b"b", ids[1]), (b"c", f"{ids[1]}:1")]


def test_many_and_large_lines_go_in_several_calls_and_stay_in_order(server, client):
    lines = [b"%d" % n for n in range(700)] + [b"x" * 700_000, b"y" * 700_000, b"z"]
    sink_run(server, output(*lines))
    assert [line for line, _ in written(client)] == lines


def test_a_line_that_comes_again_is_not_added_again_within_the_window(server, client):
    repeated, _ = sink_run(server, output(b"a", b"b"), output(b"b", b"c", first=1))
    assert repeated == 1
    assert [line for line, _ in written(client)] == [b"a", b"b", b"c"]
    (mark, *_) = client.keys("spectra:seen:*")
    assert 590 < client.ttl(mark) <= 600


def test_two_streams_do_not_share_the_marks(server, client):
    async def run():
        for name in ("out", "out2"):
            sink = RedisSink(server.address(name))
            await sink.write(output(b"a"))
            await sink.close()

    asyncio.run(run())
    assert client.xlen("out") == client.xlen("out2") == 1


def test_without_a_window_nothing_is_remembered(server, client):
    sink_run(server, output(b"a"), output(b"a"), remember=0)
    assert len(written(client)) == 2
    assert client.keys("spectra:*") == []


def test_a_stream_is_kept_near_its_length(server, client):
    sink_run(server, output(*(b"%d" % n for n in range(2000))), max_len=100)
    assert 100 <= client.xlen("out") < 400


def test_a_line_that_is_too_long_for_the_stream_is_refused_and_the_others_are_taken(server, client, monkeypatch):
    monkeypatch.setattr("connector.enrichment.redis_streams.sink.LONGEST", 10)
    _, (refused,) = sink_run(server, output(b"a", b"b" * 11, b"c"))
    assert [(one.line, one.failure.reason) for one in refused] == [(1, "too_long")]
    assert [line for line, _ in written(client)] == [b"a", b"c"]


@pytest.mark.parametrize(
    ("fault", "mend"),
    [
        (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
        (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
    ],
    ids=["out of memory", "a replica"],
)
def test_a_server_that_takes_no_writes_for_now_is_waited_for(server, client, fault, mend):
    async def run():
        sink = RedisSink(server.address("out"))
        await sink.open(None)
        client.execute_command(*fault)
        try:
            with pytest.raises(Unreachable):
                await sink.write(output(b"a"))
        finally:
            client.execute_command(*mend)
        await sink.write(output(b"a"))
        await sink.close()

    asyncio.run(run())
    assert len(written(client)) == 1


def test_another_kind_of_key_in_the_place_of_a_stream_stops_the_run_and_marks_nothing(server, client):
    async def run():
        sink = RedisSink(server.address("out"))
        await sink.open(None)
        client.set("out", "text")
        with pytest.raises(StateError, match="WRONGTYPE"):
            await sink.write(output(b"a"))
        with pytest.raises(StateError, match="WRONGTYPE"):
            await sink.open(None)
        client.delete("out")
        await sink.write(output(b"a"))
        await sink.close()
        client.set("events", "text")
        reader = source(server)
        with pytest.raises(StateError, match="WRONGTYPE"):
            await reader.open(None)
        await reader.close()

    asyncio.run(run())
    assert len(written(client)) == 1


def test_a_wrong_password_stops_the_run_and_is_not_repeated():
    async def run(own):
        good = RedisSource(own.address("events", login=":hunter2@"), "siem", block=0.05)
        await good.open(None)
        assert await all_of(good) == []
        await good.close()
        for login in ("", ":hunter3@", "nobody:hunter3@"):
            reader = RedisSource(own.address("events", login=login), "siem", block=0.05)
            with pytest.raises(StateError) as caught:
                await reader.open(None)
            await reader.close()
            assert "hunter" not in f"{caught.value} {caught.value.hint}"

    with redis_server("--requirepass", "hunter2") as own:
        asyncio.run(run(own))


def test_a_password_may_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("SPECTRA_REDIS_PASSWORD", "hunter2")

    async def run(own):
        reader = source(own)
        await reader.open(None)
        assert await all_of(reader) == []
        await reader.close()

    with redis_server("--requirepass", "hunter2") as own:
        asyncio.run(run(own))


def test_tls_is_verified_against_the_ca_that_was_named(tmp_path):
    import trustme

    authority, stranger = trustme.CA(), trustme.CA()
    leaf = authority.issue_cert("127.0.0.1")
    leaf.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    leaf.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    for name, ca in (("ca", authority), ("other", stranger)):
        ca.cert_pem.write_to_path(str(tmp_path / f"{name}.pem"))
    options = (
        *("--tls-cert-file", str(tmp_path / "cert.pem"), "--tls-key-file", str(tmp_path / "key.pem")),
        *("--tls-ca-cert-file", str(tmp_path / "ca.pem"), "--tls-auth-clients", "no"),
    )

    async def run(own):
        sink = RedisSink(f"{own.address('out')}&ssl_ca_certs={tmp_path / 'ca.pem'}")
        await sink.open(None)
        assert list(await sink.write(output(b"a"))) == []
        await sink.close()
        sink = RedisSink(own.address("out"), ca=str(tmp_path / "other.pem"))
        with pytest.raises(StateError, match="could not prove who it is"):
            await sink.open(None)
        await sink.close()
        for ca in ("none.pem", "key.pem"):
            with pytest.raises(ConfigError, match="ssl_ca_certs"):
                RedisSink(own.address("out"), ca=str(tmp_path / ca))

    try:
        with redis_server(*options, scheme="rediss") as own:
            asyncio.run(run(own))
    except RuntimeError as problem:
        if "tls" in str(problem).lower():
            pytest.skip("this Redis was built without TLS")
        raise


def test_a_refused_command_is_told_without_the_data_that_it_carried(server, client):
    async def run():
        sink = RedisSink(server.address("out"))
        await sink.open(None)
        with pytest.raises(StateError) as caught:
            async with sink._link.guarded() as own:
                await own.execute_command("XNOTHING", "planted-secret")
        await sink.close()
        return str(caught.value)

    assert "planted-secret" not in asyncio.run(run())


@pytest.mark.parametrize("wrong", [{"claim_after": 0}, {"count": 0}, {"block": 0}, {"most_pending": 0}])
def test_a_number_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ConfigError, match="greater than 0"):
        RedisSource("redis://a?stream=b", "g", **wrong)
    with pytest.raises(ConfigError, match="0 or greater"):
        RedisSink("redis://a?stream=b", max_len=-1)
    with pytest.raises(ConfigError, match="group"):
        RedisSource("redis://a?stream=b", "")
