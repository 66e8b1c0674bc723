"""What an error of librdkafka means here: wait and try again, or stop and mend something first."""

from typing import Final

from confluent_kafka import KafkaError, KafkaException

from connector.errors import SpectraError, StateError, Unreachable

REFUSING: Final = frozenset(
    {
        *(KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED),  # noqa: SLF001  # public codes of librdkafka
        *(KafkaError.UNSUPPORTED_SASL_MECHANISM, KafkaError.ILLEGAL_SASL_STATE),
        *(KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED),
        *(KafkaError.CLUSTER_AUTHORIZATION_FAILED, KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED),
        *(KafkaError.INCONSISTENT_GROUP_PROTOCOL, KafkaError.INVALID_GROUP_ID, KafkaError.POLICY_VIOLATION),
        *(KafkaError.FENCED_INSTANCE_ID, KafkaError.GROUP_MAX_SIZE_REACHED),
    }
)
UNKNOWN: Final = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError.TOPIC_EXCEPTION})  # noqa: SLF001
OVERTAKEN: Final = frozenset(  # the partition is no longer, or not now, ours: its events come again, here or elsewhere
    {
        *(KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID, KafkaError.REBALANCE_IN_PROGRESS),
        *(KafkaError._NO_OFFSET, KafkaError._STATE, KafkaError._ASSIGNMENT_LOST, KafkaError._FENCED),  # noqa: SLF001
        *(KafkaError.STALE_MEMBER_EPOCH, KafkaError.FENCED_MEMBER_EPOCH),
    }
)
TOO_LARGE: Final = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})
UNFIT: Final = TOO_LARGE | {KafkaError.INVALID_RECORD, KafkaError.INVALID_MSG_SIZE, KafkaError._BAD_MSG}  # noqa: SLF001


def told(error: KafkaError, topic: str) -> SpectraError:
    """The error to raise. It names librdkafka's code only: its sentence may hold what the file of properties holds."""
    if error.code() in REFUSING:
        return StateError(
            f"the Kafka broker refuses the topic {topic} ({error.name()})",
            hint="look at the user, the password and the mechanism in the file of --kafka-config, and at its rights",
        )
    if error.fatal():
        return StateError(f"the Kafka client cannot go on ({error.name()})", hint="run the same command again")
    return Unreachable(
        f"the Kafka broker of the topic {topic} is away ({error.name()})",
        hint="look at the broker and the network; what was not confirmed is tried again",
    )


def missing(topic: str) -> StateError:
    return StateError(
        f"the Kafka broker has no topic {topic}", hint="look at the name in the address, or create the topic first"
    )


def error_of(problem: KafkaException) -> KafkaError:
    """The error that an exception of the client holds."""
    found = problem.args[0]
    assert isinstance(found, KafkaError)  # noqa: S101  # documented so
    return found
