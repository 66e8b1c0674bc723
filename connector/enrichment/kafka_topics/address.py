"""The address of a topic, kafka://HOST[:PORT][,HOST[:PORT]]/TOPIC, and the file of what else a broker wants to know."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from connector.errors import ConfigError

SCHEME: Final = "kafka://"
PORT: Final = 9092  # IANA has none; the example of Kafka's own quick start
OURS: Final = frozenset(
    {
        *("bootstrap.servers", "metadata.broker.list", "group.id", "enable.auto.commit", "enable.auto.offset.store"),
        *("auto.commit.enable", "acks", "request.required.acks", "log.queue", "enabled_events"),
    }
)
_HOST: Final = re.compile(r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?\Z")
_TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,249}\Z")  # org.apache.kafka.common.internals.Topic
_SHAPE: Final = "it is kafka://HOST[:PORT][,HOST[:PORT]]/TOPIC"


@dataclass(frozen=True, slots=True)
class Address:
    """A topic: ``servers`` as bootstrap.servers takes them, ``topic`` by its name."""

    servers: str
    topic: str


def read_address(text: str, place: str) -> Address:
    """Read an address; ``place`` is what an error calls it, such as source.

    Raises:
        ConfigError: saying what is wrong with it, without a user or password that may be in it.
    """
    if not text.startswith(SCHEME):
        raise ConfigError(f"{place}: not the address of a Kafka topic; {_SHAPE}")
    hosts, slash, topic = text.removeprefix(SCHEME).partition("/")
    if "@" in hosts:
        raise ConfigError(f"{place}: a user and a password do not belong into the address; put them into kafka_config")
    if not slash or not _TOPIC.match(topic) or topic in {".", ".."}:
        raise ConfigError(
            f"{place}: after the hosts comes one topic: 1 to 249 of a-z, A-Z, 0-9, dot, _ and -; {_SHAPE}"
        )
    return Address(",".join(_server(host, place) for host in hosts.split(",")), topic)


def _server(text: str, place: str) -> str:
    found = _HOST.match(text)
    port = int(found["port"] or PORT) if found else 0
    if not found or not 0 < port < 65536:
        raise ConfigError(f"{place}: a broker is HOST or HOST:PORT, with a port of 1 to 65535; {_SHAPE}")
    return f"{found['host']}:{port}"


def read_properties(path: Path | None) -> dict[str, str]:
    """The properties of a file, NAME=VALUE a line, by the names of librdkafka's CONFIGURATION.md; # begins a comment.

    Raises:
        ConfigError: naming the line; never a value, which may be a password.
    """
    if path is None:
        return {}
    try:
        lines = path.expanduser().read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise ConfigError("kafka_config: the file cannot be read as UTF-8 text; name another, or none") from None
    pairs = (_property(number, line) for number, line in enumerate(lines, 1))
    return {name: value for name, value in pairs if name}


def _property(number: int, line: str) -> tuple[str, str]:
    told = line.strip()
    if not told or told.startswith("#"):
        return "", ""
    name, equals, value = told.partition("=")
    if not equals or not name.strip():
        raise ConfigError(f"kafka_config: line {number} is not NAME=VALUE")
    if name.strip() in OURS:
        raise ConfigError(f"kafka_config: line {number} sets {name.strip()}, which is set here; leave it out")
    return name.strip(), value.strip()
