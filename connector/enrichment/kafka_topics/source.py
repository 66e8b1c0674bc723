"""A Kafka topic as a source: workers of one group share its partitions, and what is out and durable is committed.

A partition goes to another worker when one comes, leaves or dies; what this one has of it under way is given a moment
to be done, then it is forgotten here and comes again there, under the same ids. Where a run goes on is what the group
has committed, so a checkpoint holds nothing of it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from connector.enrichment.kafka_topics.address import read_address
from connector.enrichment.kafka_topics.failing import OVERTAKEN, REFUSING, error_of, told
from connector.enrichment.kafka_topics.ledger import Ledger, Run
from connector.enrichment.kafka_topics.link import connected, look
from connector.enrichment.values import Batch, Failure
from connector.errors import SpectraError, StateError

T = TypeVar("T")
AT_MOST: Final = 1000  # events of a batch
IDLE: Final = 0.5  # seconds without an event after which None is brought
HANDOVER: Final = 3.0  # seconds that a partition waits for its events that are under way; the group waits with it
USUAL: Final = {
    "auto.offset.reset": "earliest",
    "partition.assignment.strategy": "cooperative-sticky",  # who stays keeps what it has, and need not do it again
    "max.poll.interval.ms": 900_000,  # a sink may be away for a while without the partitions going from hand to hand
    "queued.max.messages.kbytes": 16_384,  # fetched ahead; 64 MiB if nothing is said
    "reconnect.backoff.max.ms": 2_000,
    "socket.timeout.ms": 10_000,  # 60 s if nothing is said, which a run that is to end has not
}
EMPTY: Final = Failure("empty", "the Kafka record has no value, which marks its key as deleted")


@dataclass(slots=True)
class Records(Batch):
    """A batch that knows what it holds of each partition."""

    runs: tuple[Run, ...] = ()


class KafkaSource:
    """A member of a group that reads a topic; ``config`` is a file of properties, see ``address.read_properties``.

    Raises:
        ConfigError: for an address that is none.
    """

    def __init__(
        self,
        address: str,
        group: str,
        *,
        config: Path | None = None,
        at_most: int = AT_MOST,
        handover: float = HANDOVER,
    ) -> None:
        self._address = read_address(address, "source")
        self._group, self._config = group, config
        self._at_most, self._handover = max(2, at_most), handover
        self._ledger = Ledger()
        self._threads = ThreadPoolExecutor(3, "kafka-source")
        self._consumer: Consumer | None = None
        self._here = False
        self._stopped = False
        self._trouble: KafkaError | None = None

    @property
    def origin(self) -> str:
        return f"kafka:{self._address.topic}"

    async def open(self, position: Any) -> None:  # the group remembers
        """Make ready; nothing is asked of the broker before the first batch.

        Raises:
            ConfigError: for a file of properties that cannot be read, or that librdkafka does not take.
        """
        ours = {
            "bootstrap.servers": self._address.servers,
            "group.id": self._group,
            "enable.auto.commit": False,
            "error_cb": self._failed,
        }
        self._consumer = connected(Consumer, self._config, USUAL, ours)
        self._consumer.subscribe(
            [self._address.topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
        )

    async def batches(self) -> AsyncIterator[Batch | None]:
        """Batches in the order of each partition, until ``stop``.

        Raises:
            Unreachable: while no broker answers; call it again to go on.
            StateError: when there is no such topic, or it is refused.
        """
        while not self._stopped:
            if not self._here:
                await self._in_thread(self._look)
            batch = await self._in_thread(self._take)
            if not self._stopped:  # what was taken is not committed, so it comes again
                yield batch

    def stop(self) -> None:
        self._stopped = True

    async def done(self, batches: Sequence[Batch]) -> None:
        """Commit what is done without a gap.

        Raises:
            Unreachable: when no broker answers; calling it again with the same batches does no harm.
        """
        for batch in batches:
            if isinstance(batch, Records):
                self._ledger.finish(batch.runs)
        if self._ledger.due():
            await self._in_thread(self._commit_here)

    async def close(self) -> None:
        """Leave the group, so that the others need not wait for this one to be missed."""
        self._stopped, self._handover = True, 0.0
        await asyncio.to_thread(self._threads.shutdown)
        if self._consumer is not None:
            await asyncio.to_thread(self._consumer.close)
            self._consumer = None

    async def _in_thread(self, work: Callable[[Consumer], T]) -> T:
        if self._consumer is None:
            raise StateError("the Kafka source is not open; call open first")
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, self._consumer)

    def _look(self, consumer: Consumer) -> None:
        look(consumer, self._address.topic)
        self._here, self._trouble = True, None

    def _take(self, consumer: Consumer) -> Records | None:
        """What is there now, or None after IDLE seconds; ``consume`` alone would wait for a full batch."""
        first = consumer.poll(IDLE)
        found = [] if first is None else [first, *consumer.consume(self._at_most - 1, 0)]
        for message in found:
            self._note(message.error())
        mine = [message for message in found if message.error() is None and self._ledger.owns(_partition(message))]
        if mine:
            self._trouble = None  # it is over, or it comes again
            return self._batch(mine)
        if self._trouble is not None:
            self._here = False
            raise told(self._trouble, self._address.topic)
        return None

    def _batch(self, messages: Sequence[Message]) -> Records:
        places = [(_partition(message), _offset(message)) for message in messages]
        values = [message.value() for message in messages]
        return Records(
            events=[(value or b"").rstrip(b"\r\n") for value in values],
            position=None,
            origin=self.origin,
            ids=[f"{partition}-{offset}" for partition, offset in places],
            broken={n: EMPTY for n, value in enumerate(values) if value is None} or None,
            runs=self._ledger.take({partition: offset + 1 for partition, offset in places}),
        )

    def _note(self, error: KafkaError | None) -> None:
        if error is not None and error.code() != KafkaError._MAX_POLL_EXCEEDED:  # noqa: SLF001  # the group is joined again
            self._trouble = error

    def _failed(self, error: KafkaError) -> None:
        """Note what is wrong with all brokers; that one of them is away is librdkafka's own business."""
        if error.code() == KafkaError._ALL_BROKERS_DOWN or error.code() in REFUSING or error.fatal():  # noqa: SLF001
            self._trouble = error

    def _assigned(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._ledger.own(each.partition for each in partitions)

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Called in the midst of ``poll`` or ``close``: the group waits for this to end."""
        going = [each.partition for each in partitions]
        self._ledger.wait_until_done(going, self._handover)
        try:
            self._commit(consumer)
        except SpectraError:
            pass  # they come again
        finally:
            self._ledger.disown(going)

    def _lost(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._ledger.disown(each.partition for each in partitions)

    def _commit_here(self, consumer: Consumer) -> None:
        if self._trouble is not None or not self._here:
            self._look(consumer)  # a commit would wait longer for a broker that is away
        self._commit(consumer)

    def _commit(self, consumer: Consumer) -> None:
        due = self._ledger.due()
        if not due:
            return
        topic = self._address.topic
        try:
            answers = consumer.commit(
                offsets=[TopicPartition(topic, partition, offset) for partition, offset in due.items()],
                asynchronous=False,
            )
        except KafkaException as problem:
            self._unless_overtaken(error_of(problem))
            return
        for answer in answers:
            if answer.error is not None:
                self._unless_overtaken(answer.error)
            else:
                self._ledger.committed({answer.partition: answer.offset})

    def _unless_overtaken(self, error: KafkaError) -> None:
        if error.code() not in OVERTAKEN:
            raise told(error, self._address.topic)


def _partition(message: Message) -> int:
    return message.partition() or 0


def _offset(message: Message) -> int:
    return message.offset() or 0
