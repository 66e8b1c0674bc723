"""A Kafka topic as a sink: a write has ended when the broker has said of every line that it keeps it, or does not.

A record's key and its header ``id`` are the event id, so that a compacted topic or a reader can drop what came twice.
Lines with different keys may go to different partitions: order holds within one partition, as always in Kafka.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from connector.enrichment.ids import line_ids
from connector.enrichment.kafka_topics.address import read_address
from connector.enrichment.kafka_topics.failing import REFUSING, TOO_LARGE, UNFIT, error_of, told
from connector.enrichment.kafka_topics.link import connected, look
from connector.enrichment.values import Failure, Output, Refusal
from connector.errors import SpectraError, StateError

PATIENCE: Final = 5.0  # seconds that a write waits for the broker before it says that the broker is away
SLICE: Final = 0.2
USUAL: Final = {
    "enable.idempotence": True,  # librdkafka's own retries neither repeat nor reorder
    "compression.type": "lz4",
    "linger.ms": 5,
    "reconnect.backoff.max.ms": 2_000,
    "socket.timeout.ms": 10_000,  # 60 s if nothing is said, which a run that is to end has not
}


@dataclass(slots=True)
class Sending:
    """What became of the lines of one output: yet to hand over, without an answer, or not taken and why."""

    output: Output
    ids: Sequence[str]
    ahead: list[int]
    waiting: set[int] = field(default_factory=set)
    refused: list[Refusal] = field(default_factory=list)
    error: KafkaError | None = None

    def answered(self, line: int, error: KafkaError | None, _: Message | None = None) -> None:
        """Called by librdkafka, in the midst of ``poll`` or ``flush``."""
        self.waiting.discard(line)
        if error is None:
            return
        if error.code() in UNFIT:
            self.refused.append(Refusal(line, _unfit(error)))
        else:
            self.ahead.append(line)
            self.error = error


class KafkaSink:
    """Writes to a topic; ``config`` is a file of properties, see ``address.read_properties``.

    Raises:
        ConfigError: for an address that is none.
    """

    def __init__(self, address: str, *, config: Path | None = None, patience: float = PATIENCE) -> None:
        self._address = read_address(address, "output")
        self._config, self._patience = config, patience
        self._producer: Producer | None = None
        self._sending: Sending | None = None
        self._here = False
        self._trouble: KafkaError | None = None

    async def open(self, place: Any) -> None:  # what came before is in the topic
        """Make ready; nothing is asked of the broker before the first write.

        Raises:
            ConfigError: for a file of properties that cannot be read, or that librdkafka does not take.
        """
        ours = {"bootstrap.servers": self._address.servers, "acks": "all", "error_cb": self._failed}
        self._producer = connected(Producer, self._config, USUAL, ours)

    async def write(self, output: Output) -> Sequence[Refusal]:
        """Write lines and wait until the broker keeps them; those that it finds too long or unfit are named.

        Called again with the same output after Unreachable, it sends only what the broker did not confirm.

        Raises:
            Unreachable: when no answer came in time.
            StateError: when there is no such topic, or it is refused.
        """
        if self._sending is None or self._sending.output is not output:
            self._sending = Sending(output, line_ids(output.batch, output.origins), list(range(len(output.lines))))
        sending = self._sending
        sending.error = None
        until = time.monotonic() + self._patience
        if not self._here:
            await self._in_thread(self._look)
        while sending.ahead or sending.waiting:
            await self._in_thread(partial(self._push, sending))
            if sending.error is not None or self._trouble is not None:
                raise self._why(sending.error)
            if time.monotonic() > until and (sending.ahead or sending.waiting):
                raise self._why(None)
        return sorted(sending.refused, key=lambda refusal: refusal.line)

    async def sync(self) -> None:
        """Nothing is left to do: a write has ended when the broker keeps it.

        Raises:
            Unreachable: when the last write ended early and was not tried again.
        """
        if self._sending is not None and (self._sending.ahead or self._sending.waiting):
            raise self._why(self._sending.error)

    async def close(self) -> None:
        """Let go of the broker; lines without an answer are dropped, as nobody was told that they are out."""
        if self._producer is not None:
            producer, self._producer = self._producer, None
            await asyncio.to_thread(_close, producer)

    async def _in_thread(self, work: Callable[[Producer], None]) -> None:
        if self._producer is None:
            raise StateError("the Kafka sink is not open; call open first")
        await asyncio.to_thread(work, self._producer)

    def _look(self, producer: Producer) -> None:
        look(producer, self._address.topic)
        self._here, self._trouble = True, None

    def _push(self, sending: Sending, producer: Producer) -> None:
        """Hand over what is ahead, as far as there is room, and wait a moment for answers."""
        ahead, sending.ahead = sending.ahead, []
        for place, line in enumerate(ahead):
            sending.waiting.add(line)
            try:
                producer.produce(
                    self._address.topic,
                    sending.output.lines[line],
                    sending.ids[line].encode(),
                    on_delivery=partial(sending.answered, line),
                    headers={"id": sending.ids[line]},
                )
            except BufferError:
                sending.waiting.discard(line)
                sending.ahead.extend(ahead[place:])
                producer.poll(SLICE)
                return
            except KafkaException as problem:
                sending.answered(line, error_of(problem))
        producer.flush(SLICE)

    def _failed(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN or error.code() in REFUSING or error.fatal():  # noqa: SLF001
            self._trouble = error

    def _why(self, error: KafkaError | None) -> SpectraError:
        """What to raise; the topic is looked for again before the next line goes."""
        self._here = False
        found = error or self._trouble or KafkaError(KafkaError._TIMED_OUT)  # noqa: SLF001
        return told(found, self._address.topic)


def _unfit(error: KafkaError) -> Failure:
    if error.code() in TOO_LARGE:
        return Failure("too_long", "longer than a Kafka record may be here; raise message.max.bytes on both sides")
    return Failure("refused", f"the Kafka broker does not take this record ({error.name()})")


def _close(producer: Producer) -> None:
    if len(producer):
        producer.purge()
        producer.flush(SLICE)
    producer.close()
