"""The documented fields that name a file by its hashes, or a URL, one table for each shape of event.

In the order in which they are told: what an event is about before what took part in it. A file is one row, however
many hashes of it an event gives. Left out: fields that hold indicators of others, such as ``threat.indicator.*``, lists
that repeat hashes apart from their files, such as ``related.hash``, hashes of certificates and of network
fingerprints, and IMPHASH, TLSH, ssdeep and the like, which name no file.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from connector.enrichment.extraction.paths import Row
from connector.enrichment.extraction.requests import suricata_rule, zeek_rule
from connector.enrichment.extraction.rules import (
    file_rule,
    hash_rule,
    observables_rule,
    prints_rule,
    spare_rule,
    url_rule,
    windows_rule,
)
from connector.enrichment.extraction.shapes import JsonShape

_HASHES: Final = ("sha256", "sha1", "md5", "sha512")

# ECS 9 (elastic/ecs, generated/csv/fields.csv): the field set "hash" and where it is reused; url.full and url.original.
# winlog.event_data.*: Winlogbeat, exported fields; there Sysmon's hashes are where its module did not run.
_ECS_FILES: Final = ("file", "process", "process.parent", "dll", "email.attachments.file")
_ECS_URLS: Final = ("url.full", "url.original")
_WINLOG: Final = ("winlog.event_data.Hashes", "winlog.event_data.Hash")

# OCSF 1.5 (schema.ocsf.io): objects file (hashes: fingerprint[]), process, module, kernel_driver, job, script, startup
# item, email, evidences, malware; url (url_string); observables by their type_id.
_OCSF_FILES: Final = (
    *("file", "file_result", "process.file", "module.file", "driver.file", "job.file", "script", "script.file"),
    *("email.files", "malware.files", "process.parent_process.file"),
    *("actor.process.file", "actor.process.parent_process.file"),
    *("startup_item.driver.file", "startup_item.job.file", "startup_item.process.file"),
    *("evidences.file", "evidences.process.file", "evidences.process.parent_process.file"),
    *("evidences.actor.process.file", "evidences.job.file"),
)
_OCSF_URLS: Final = (
    *("url.url_string", "http_request.url.url_string", "file.url.url_string", "email.urls.url_string"),
    *("evidences.url.url_string", "evidences.http_request.url.url_string"),
)

# Splunk Common Information Model 6 (data models Endpoint, Malware, Email, Updates, Web), as fields of an exported
# search result (REST reference, search/v2/jobs/export: "result") and of an HTTP Event Collector event ("event") too.
_CIM_HASHES: Final = ("file_hash", "process_hash", "parent_process_hash", "service_hash", "service_dll_hash")
_CIM_PLACES: Final = ("", "result.", "event.")

# Microsoft: Sentinel ASIM schemas (File, Process and Web Session events), Defender XDR advanced hunting tables
# (Device*Events, Email*, UrlClickEvents; streamed, a row is in "properties"), CommonSecurityLog and SecurityEvent
# (FileHash, RequestURL), and the columns that Sentinel's rules map to entities (FileHashCustomEntity, URLCustomEntity).
_ASIM_FILES: Final = (
    *("", "TargetFile", "SrcFile", "File", "TargetProcess", "ActingProcess", "ParentProcess", "InitiatingProcess"),
)
_ASIM_URLS: Final = (
    *("Url", "UrlOriginal", "RemoteUrl", "FileOriginUrl", "FileOriginReferrerUrl", "RequestURL", "URLCustomEntity"),
)

# Suricata's etc/schema.json (EVE JSON): fileinfo, files in an alert, http.
_EVE_FILES: Final = ("fileinfo", "files")

# Zeek's files.log (base/frameworks/files, with policy/frameworks/files/hash-all-files) and http.log.
_ZEEK_HASHES: Final = ("sha256", "sha1", "md5")

# Sysmon's manifest: Hashes of events 1, 6, 7, 23 to 29, and Hash of event 15; as XML made JSON, or flat.
_SYSMON: Final = ("Hashes", "Hash")


def _ecs(*, urls: bool) -> Iterator[Row]:
    for at in _ECS_FILES:
        yield Row(f"{at}.hash", file_rule(f"{at}.hash", _HASHES), _HASHES)
    for at in _ECS_URLS if urls else ():
        yield Row(at, url_rule(at))
    for at in _WINLOG:
        yield Row(at, hash_rule(at))


def _ocsf(*, urls: bool) -> Iterator[Row]:
    for at in _OCSF_FILES:
        yield Row(f"{at}.hashes", prints_rule(f"{at}.hashes"))
    for at in _OCSF_URLS if urls else ():
        yield Row(at, url_rule(at))
    yield Row("observables", observables_rule("observables", urls=urls))


def _splunk(*, urls: bool) -> Iterator[Row]:
    for place in _CIM_PLACES:
        for name in _CIM_HASHES:
            yield Row(place + name, hash_rule(place + name))
        if urls:
            yield Row(f"{place}url", url_rule(f"{place}url"))


def _sentinel(*, urls: bool) -> Iterator[Row]:
    for place in ("", "properties"):
        before = f"{place}." if place else ""
        for name in _ASIM_FILES:
            yield Row(place, file_rule(place, [name + kind for kind in ("SHA256", "SHA1", "MD5", "SHA512")]))
        for name in _ASIM_URLS if urls else ():
            yield Row(before + name, url_rule(before + name))
    for name in ("FileHash", "FileHashCustomEntity"):
        yield Row(name, spare_rule(name))


def _suricata(*, urls: bool) -> Iterator[Row]:
    for at in _EVE_FILES:
        yield Row(at, file_rule(at, ("sha256", "sha1", "md5")))
    if urls:
        yield Row("http", suricata_rule)


def _zeek(*, urls: bool) -> Iterator[Row]:
    yield Row("", file_rule("", _ZEEK_HASHES))
    if urls:
        yield Row("", zeek_rule)


def _sysmon(*, urls: bool) -> Iterator[Row]:  # Sysmon names no URL; all tables are called alike
    for at in ("Event.EventData", "EventData"):
        yield Row(at, windows_rule(at, _SYSMON))
    for at in (*_SYSMON, *_WINLOG):
        yield Row(at, hash_rule(at))


def rows(shape: JsonShape, *, urls: bool) -> Iterable[Row]:
    """The paths of a shape's fields, each with what takes subjects from it."""
    tables = {
        "ecs": _ecs,
        "ocsf": _ocsf,
        "splunk": _splunk,
        "sentinel": _sentinel,
        "suricata": _suricata,
        "zeek": _zeek,
        "sysmon": _sysmon,
    }
    return tables[shape](urls=urls)
