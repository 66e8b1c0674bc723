"""From the words of an order to the parts that they name; an extra is imported here, only when it is asked for."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from connector.client import stix_options
from connector.enrichment.budget import Terms
from connector.enrichment.limits import MemoryLimiter, SqliteLimiter
from connector.enrichment.no_cache import NoCache
from connector.enrichment.order import REDIS, STANDARD, Order, scheme_of
from connector.enrichment.ports import Cache, Format, Limiter, Packing, Sink, Source
from connector.enrichment.sinks.packed import PackedSink
from connector.enrichment.sqlite_cache import SqliteCache
from connector.errors import ConfigError, StateError
from connector.extras import require
from connector.journal_place import Unusable, make_folder
from connector.settings import IN_MEMORY, Settings, state_folder
from connector.stix import StixOptions

UPLOADS: Final = ("https", "http")
NO_CACHE: Final = "none"
FINDINGS: Final = "findings.sqlite3"


def source_of(order: Order) -> Source:
    scheme = scheme_of(order.source)
    if scheme in REDIS:
        require("redis", "redis", "a Redis stream")
        from connector.enrichment.redis_streams.entries import Bounds  # noqa: PLC0415  # an extra
        from connector.enrichment.redis_streams.source import RedisSource  # noqa: PLC0415

        bounds = Bounds(event=order.max_line)
        return RedisSource(order.source, str(order.group), order.consumer, claim_after=order.claim_after, bounds=bounds)
    if scheme == "kafka":
        require("confluent_kafka", "kafka", "a Kafka topic")
        from connector.enrichment.kafka_topics.source import KafkaSource  # noqa: PLC0415  # an extra

        return KafkaSource(order.source, str(order.group), config=_path(order.kafka_config))
    if scheme:
        raise _no_scheme("source", scheme, "redis, rediss, unix, kafka, or the name of a file")
    return _file_source(order)


def _file_source(order: Order) -> Source:
    """What reads a file, standard input or dead letters; what is too long for memory lies beside the dead letters."""
    from connector.enrichment.files.dead_letter import ReplaySource  # noqa: PLC0415
    from connector.enrichment.files.follow import FollowSource  # noqa: PLC0415
    from connector.enrichment.files.source import FileSource, StdinSource  # noqa: PLC0415
    from connector.enrichment.files.spill import SideFiles  # noqa: PLC0415

    spill, longest = SideFiles(letters_of(order)), order.max_line
    if order.source == STANDARD:
        return StdinSource(longest=longest, spill=spill)
    kind = ReplaySource if order.replay else FollowSource if order.follow else FileSource
    return kind(Path(order.source), longest=longest, spill=spill)


def letters_of(order: Order) -> Path:
    """Where the dead letters go: where it was said, beside the output, or into the current folder."""
    if order.dead_letter:
        return Path(order.dead_letter)
    if is_file(order.output):
        return Path(f"{order.output}.dead-letter.ndjson")
    return Path("spectra-enrich.dead-letter.ndjson")


def is_file(place: str) -> bool:
    """Whether a place is a file, there or to be made; a device or a pipe is none, and nothing is kept beside it."""
    return place != STANDARD and not scheme_of(place) and (not Path(place).exists() or Path(place).is_file())


def sink_of(order: Order, form: Format) -> Sink:
    scheme = scheme_of(order.output)
    maker = _SINKS.get(scheme)
    if maker is None:
        raise _no_scheme("output", scheme, f"{', '.join(name for name in _SINKS if name)}, or the name of a file")
    sink = maker(order, form)
    if isinstance(form, Packing) and scheme not in UPLOADS:
        return PackedSink(sink, form.pack)
    return sink


def _file_sink(order: Order, _: Format) -> Sink:
    from connector.enrichment.files.sink import FileSink  # noqa: PLC0415

    return FileSink(None if order.output == STANDARD else Path(order.output), append=order.append)


def _redis_sink(order: Order, _: Format) -> Sink:
    require("redis", "redis", "a Redis stream")
    from connector.enrichment.redis_streams.sink import RedisSink  # noqa: PLC0415  # an extra

    return RedisSink(order.output)


def _kafka_sink(order: Order, _: Format) -> Sink:
    require("confluent_kafka", "kafka", "a Kafka topic")
    from connector.enrichment.kafka_topics.sink import KafkaSink  # noqa: PLC0415  # an extra

    return KafkaSink(order.output, config=_path(order.kafka_config))


def _syslog_sink(order: Order, _: Format) -> Sink:
    from connector.enrichment.sinks.syslog import SyslogSink  # noqa: PLC0415

    return SyslogSink(order.output, ca=_path(order.ca_file), msgid=order.format)


def _taxii_sink(order: Order, _: Format) -> Sink:
    require("taxii2client", "taxii", "a TAXII collection")
    if order.format != "stix":
        raise ConfigError("output: a TAXII collection takes STIX; set format to stix")
    from connector.enrichment.sinks.taxii import TaxiiSink  # noqa: PLC0415  # an extra

    user, password = os.environ.get("SPECTRA_TAXII_USER"), os.environ.get("SPECTRA_TAXII_PASSWORD")
    return TaxiiSink(order.output, user, password, ca=_path(order.ca_file))


def _upload_sink(order: Order, form: Format) -> Sink:
    from connector.enrichment.sinks.upload import UploadSink  # noqa: PLC0415

    token = os.environ.get("SPECTRA_OUTPUT_TOKEN")
    return UploadSink(order.output, token, ca=_path(order.ca_file), form=form)


_SINKS: Final[dict[str, Callable[[Order, Format], Sink]]] = {
    "": _file_sink,
    **dict.fromkeys(REDIS, _redis_sink),
    "kafka": _kafka_sink,
    **dict.fromkeys(("syslog+tcp", "syslog+tls"), _syslog_sink),
    **dict.fromkeys(("taxii+https", "taxii+http"), _taxii_sink),
    **dict.fromkeys(UPLOADS, _upload_sink),
}


def cache_of(order: Order, settings: Settings, wall: Callable[[], float]) -> Cache:
    """The cache of an order; ``scope`` keeps the answers of appliances and actions apart."""
    scope = f"{order.action} {settings.url}"
    if order.cache == NO_CACHE:
        return NoCache()
    if order.cache and scheme_of(order.cache) in REDIS:
        require("redis", "redis", "a shared cache")
        from connector.enrichment.redis_streams.cache import RedisCache  # noqa: PLC0415  # an extra

        return RedisCache(order.cache, scope)
    return SqliteCache(_beside(order, settings, FINDINGS), scope, wall)


def limiter_of(order: Order, settings: Settings, wall: Callable[[], float]) -> Limiter:
    """The limiter that all workers share who share the cache."""
    terms = Terms(rate=order.rate, quota=order.quota)
    if order.cache and scheme_of(order.cache) in REDIS:
        from connector.enrichment.redis_streams.limiter import RedisLimiter  # noqa: PLC0415  # an extra

        return RedisLimiter(order.cache, settings.url, terms)
    if (order.quota is None and order.rate is None) or order.cache == NO_CACHE:
        return MemoryLimiter(terms, wall)
    return SqliteLimiter(_beside(order, settings, "limits.sqlite3"), terms, wall)


def format_of(order: Order, settings: Settings) -> Format:
    """The format of an order."""
    from connector.enrichment.formats import cef, ecs, ocsf, sentinel, splunk, stix  # noqa: PLC0415  # one is used

    told: dict[str, Any] = {"tlp": order.tlp, "appliance": settings.url}
    made: dict[tuple[str, str], Callable[[], Format]] = {
        ("ecs", "events"): lambda: ecs.events(**told),
        ("ecs", "indicators"): lambda: ecs.indicators(**told),
        ("ocsf", "events"): lambda: ocsf.events(**told),
        ("ocsf", "indicators"): lambda: ocsf.inventory(**told),
        ("ocsf", "findings"): lambda: ocsf.findings(**told),
        ("splunk", "events"): lambda: splunk.events(**told),
        ("splunk", "indicators"): lambda: splunk.rows(**told),
        ("sentinel", "indicators"): lambda: sentinel.indicators(tlp=order.tlp),
        ("stix", "indicators"): lambda: stix.bundles(_stix(order, settings)),
        ("cef", "findings"): cef.events,
    }
    return made[order.format, order.emits]()


def is_once(order: Order) -> bool:
    """Whether a document says something of a subject, and is written once for it, not for each event."""
    return order.emits == "indicators"


def _stix(order: Order, settings: Settings) -> StixOptions:
    target = {"stix_target": "taxii"} if scheme_of(order.output).startswith("taxii") else {}
    profile = "core" if settings.stix_profile == "none" else settings.stix_profile
    options = stix_options(settings.model_copy(update={"stix_profile": profile, "tlp": order.tlp} | target))
    assert options is not None  # noqa: S101  # a profile is set
    return options


def _beside(order: Order, settings: Settings, name: str) -> Path:
    """Where a database lies: beside the cache that was named, or in the folder of the setting ``state``."""
    if order.cache:
        path = Path(order.cache)
        return path if name == FINDINGS else path.with_name(f"{path.name}.{name}")
    return state_place(settings) / name


def state_place(settings: Settings) -> Path:
    """The folder of what an enrichment remembers, made where it is missing."""
    folder = state_folder(None if settings.state == IN_MEMORY else settings.state) / "enrichment"
    try:
        make_folder(folder)
    except (OSError, Unusable) as problem:
        raise StateError(
            f"the folder of the enrichment's state cannot be used: {problem}",
            hint="name another folder with the setting state, or a file with --cache",
        ) from None
    return folder


def _path(value: str | None) -> Path | None:
    return None if value is None else Path(value)


def _no_scheme(place: str, scheme: str, taken: str) -> ConfigError:
    return ConfigError(f"{place}: nothing is known of {scheme}://; it can be {taken}")
