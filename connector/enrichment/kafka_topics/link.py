"""Clients of librdkafka, made of an address and a file of properties, that say nothing on standard error."""

import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer

from connector.enrichment.kafka_topics.address import read_properties
from connector.enrichment.kafka_topics.failing import UNKNOWN, error_of, missing, told
from connector.errors import ConfigError

C = TypeVar("C", Consumer, Producer)
LOOK: Final = 3.0  # seconds that a broker may take to say what it has
_NAMED: Final = re.compile(r'(?:property|property:) "?([a-z0-9._]+)"?')
_log: Final = logging.getLogger("connector.enrichment.kafka_topics")
_log.addHandler(logging.NullHandler())  # without a logger librdkafka prints to standard error


def connected(make: Callable[..., C], config: Path | None, usual: dict[str, Any], ours: dict[str, Any]) -> C:
    """A client: ``usual`` gives way to the file of properties, ``ours`` does not. Nothing is sent yet.

    Raises:
        ConfigError: naming the property that librdkafka does not take, not its value.
    """
    try:
        return make(usual | read_properties(config) | ours, logger=_log)
    except (KafkaException, TypeError, ValueError) as problem:
        named = _NAMED.search(str(problem))
        what = f"the property {named[1]}" if named else "a property, or what one property says beside another,"
        raise ConfigError(
            f"kafka_config: {what} is not taken; names and values are in librdkafka's CONFIGURATION.md"
        ) from None


def look(client: Consumer | Producer, topic: str) -> None:
    """Ask for the topic. Blocks for LOOK seconds at most.

    Raises:
        StateError: when there is no such topic, or it is refused.
        Unreachable: when nobody answers.
    """
    try:
        found = client.list_topics(topic, timeout=LOOK).topics.get(topic)
    except KafkaException as problem:
        raise told(error_of(problem), topic) from None
    problem_of: KafkaError | None = found.error if found is not None else None
    if found is None or (problem_of is not None and problem_of.code() in UNKNOWN):
        raise missing(topic)
    if problem_of is not None:
        raise told(problem_of, topic)
