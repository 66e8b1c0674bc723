"""Which of the known shapes an event has, told by the names of its own members."""

from collections.abc import Mapping
from typing import Any, Final, Literal

JsonShape = Literal["ecs", "ocsf", "splunk", "sentinel", "suricata", "zeek", "sysmon"]
Shape = Literal["auto", "ecs", "ocsf", "splunk", "sentinel", "suricata", "zeek", "sysmon", "list", "csv"]

_ZEEK: Final = frozenset({"fuid", "id.orig_h", "_path"})
_SENTINEL: Final = frozenset({"TimeGenerated", "EventSchema", "ReportId"})
_SYSMON: Final = frozenset({"Event", "EventData", "EventID", "Hashes"})
_SPLUNK: Final = frozenset(
    {"_time", "_raw", "sourcetype", "result"}
    | {"file_hash", "process_hash", "parent_process_hash", "service_hash", "service_dll_hash"}
)


def shape_of(event: Mapping[str, Any]) -> JsonShape:
    """The shape whose marks the event bears. What bears none is read as ECS, whose fields say enough by themselves.

    - ECS: ``ecs.version``, which the schema requires (a shipper's ``@timestamp`` alone says nothing of what it ships);
    - OCSF: ``class_uid``, which the base event requires; EVE: ``event_type`` beside ``timestamp``, its common section;
    - Zeek: a file's ``fuid``, a connection's ``id.orig_h``, or the ``_path`` that shippers add;
    - Sentinel: ``TimeGenerated`` (every table of Log Analytics), ``EventSchema`` (ASIM), ``ReportId`` (Defender XDR),
      or a streamed record, whose category starts with AdvancedHunting;
    - Windows: an ``Event``, its ``EventData``, or both made flat; Splunk: its own fields, or those of the CIM alone.
    """
    if "ecs" in event or "ecs.version" in event or "winlog" in event:
        return "ecs"
    if "class_uid" in event:
        return "ocsf"
    if "event_type" in event and "timestamp" in event:
        return "suricata"
    if not _ZEEK.isdisjoint(event):
        return "zeek"
    if not _SENTINEL.isdisjoint(event) or str(event.get("category", "")).startswith("AdvancedHunting"):
        return "sentinel"
    if not _SYSMON.isdisjoint(event):
        return "sysmon"
    return "ecs" if _SPLUNK.isdisjoint(event) else "splunk"
