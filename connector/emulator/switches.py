"""Every point on which nothing public says what a real appliance does, each one a switch with a stated default.

Nobody here has tried an appliance. A client is right when it works under every setting, so none of these may be
relied upon. Where sources disagree, the default is the one with the better evidence.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from types import UnionType
from typing import Any, Literal, Self, Union, get_args, get_origin, get_type_hints


class BadSwitch(ValueError):
    """A switch that does not exist, or a value that it does not take."""


@dataclass(frozen=True, slots=True)
class Switches:
    """Settings of the unknown; `POST /_lab/switches` changes them while the appliance runs."""

    # --- errors and credentials
    error_body: Literal["message", "detail", "error", "description", "fields", "plain"] = "message"
    """Body of a refusal: one string under that key, DRF's `{"field": ["text"]}`, or plain text."""
    credentials_status: Literal[403, 401] = 403
    """Status of a missing or invalid token; 403 is documented, 401 is what proxies and peers expect."""
    retry_after: Literal["none", "seconds", "date"] = "none"
    """Whether 429 and 503 carry Retry-After; no source mentions the header."""
    retry_after_seconds: int = 2
    """What Retry-After says where the appliance's state gives no better number."""
    missing_route: Literal["html404", "json404", "login_redirect"] = "html404"
    """Answer of a path that this release does not have: Django's page, DRF's JSON, or the login form."""
    missing_slash: Literal["not_found", "redirect"] = "not_found"
    """A path without its final slash: not found, or Django's 301 to the right one."""
    malformed_hash_status: Literal[404, 400] = 404
    """Status for a path whose hash is no hash; list endpoints answer 400 in any case."""

    # --- submissions
    upload_success_code: Literal[201, 200] = 201
    """201 on the vendor's page and in captures, 200 in the vendor's OpenAPI file."""
    href: Literal["query", "path"] = "query"
    """`/?q=<sha1>` as in all captures, or `/<sha1>` as in the documentation's example."""
    crawler_default_uploads: Literal["cloud", "local"] = "cloud"
    """Crawler of `/api/uploads/` when none is sent; an administrator can change it."""
    crawler_default_submit: Literal["cloud", "local"] = "local"
    """Crawler of `/api/submit/url/` when none is sent."""
    uppercase_tags: Literal["refused", "accepted"] = "refused"
    """The documentation gives a lowercase charset, and an example in capitals."""
    too_large: Literal["early", "drained"] = "early"
    """Answer 413 from the announced length at once, or after reading the body."""

    # --- status of submissions
    pending_word: str = "processing"
    """`processing_status` of a URL that is not done; only `complete` and `error` are known."""
    url_report_pending: Literal["null", "absent", "empty"] = "null"
    """`report` while the URL is not done."""
    url_report_shape: Literal["flat", "sample_summary"] = "flat"
    """`report` when done: flat (capture of 2024), or under `sample_summary` (a peer's view)."""
    url_unknown_status: Literal[404, 400, 200] = 404
    """Answer for a task id that does not exist; 200 carries `processing_status` `error`."""
    status_missing: Literal["not_found", "omitted"] = "not_found"
    """A hash nobody has, in `/api/samples/status/`: named as not found, or left out of `results`."""
    status_body: Literal["object", "list"] = "object"
    """`{"hash_type", "results"}` as captured, or the bare list."""
    duplicate_hashes: Literal["once", "repeated"] = "once"
    """Whether a hash sent twice comes back once."""
    mixed_hash_types: Literal["refused", "accepted"] = "refused"
    """Hashes of several types in one bulk request; the documentation asks for one type."""
    max_hashes_per_request: int | None = None
    """Largest bulk request; None is no limit. Peers send 100."""

    # --- verdicts
    classification_v1_vocabulary: Literal["old", "new"] = "old"
    """Words of the deprecated classification: `threat_status` and its kin, or `classification` and its kin."""
    classification_v3_body: Literal["flat", "rl"] = "flat"
    """Flat as captured, or wrapped in `rl`, which one peer tolerates."""
    hash_not_found_v3: Literal["message", "404"] = "message"
    """200 with "Hash not found." (vendor staff), or 404."""
    ticloud_vocabulary: Literal["old", "new"] = "old"
    """Words of `/ticloud/`; the list's sub-object had the old ones in 2018 and the new ones in 2022."""
    ticloud_missing: Literal["404", "empty"] = "404"
    """A hash the cloud does not know: 404, or 200 with an empty object."""
    cloud_data_source: str = "TICLOUD"
    """`data_source` of a verdict that came from the cloud; captures only show `LOCAL`."""
    url_nobody_knows: Literal["unknown", "404", "empty"] = "unknown"
    """A URL the cloud does not know: 200 with the classification unknown and no analysis, which a capture of 2023 may
    show; 404, or 200 with an empty object."""
    vocabulary_case: Literal["documented", "lower", "upper", "capitalized"] = "documented"
    """Letters of classification words; `documented` is lowercase, and uppercase in the old classification."""

    # --- deletion
    delete_missing: Literal["404_empty", "404_message", "200_empty"] = "404_empty"
    """Deleting a sample that is not there; the documentation says only "empty response"."""
    delete_wrapped: bool = True
    """Whether a single deletion's answer lies under `results` (2024), or flat (2018)."""
    delete_v1_body: Literal["results", "flat", "message", "empty"] = "results"
    """Answer of the deprecated bulk delete: a list under `results`, the bare list, one message, or nothing."""
    delete_v2_id: Literal["int", "str"] = "int"
    """Type of the task id."""
    delete_v2_body: Literal["id", "message", "detail"] = "id"
    """Body of the 202: the id alone, with code and message, or under `detail`."""
    delete_status_body: Literal["message", "status", "empty"] = "message"
    """Body of a bulk delete's status: a sentence, a word and the id, or nothing."""
    delete_unknown_status: Literal[404, 400, 200] = 404
    """Status for a task id that does not exist."""

    # --- search
    records_per_page_default: int = 20
    """Page size when none is sent; the vendor's client always sends 20."""
    sort_default: str = "firstseen desc"
    """Order when none is sent."""
    next_page_on_last: Literal["absent", "null", "present"] = "absent"
    """`next_page` when there are no more pages."""
    page_beyond_end: Literal["empty", "last", "400", "404"] = "empty"
    """Asking for a page after the last one."""
    empty_page: int | None = None
    """Number of a page that comes back empty though more pages follow, as a cloud cut-off may do."""
    local_entries: Literal["v2", "wide", "v1", "cloud"] = "v2"
    """Keys of local entries: the seven that a vendor's view shows, those and plausible others, the Solr
    document of v1, or the cloud's keys."""
    total_count_in_cloud: bool = True
    """Whether cloud pages carry `total_count`; a vendor's README shows it, a vendor's view hides it."""
    cloud_cursor_keys: bool = False
    """Whether cloud pages carry `end_of_dataset` and `last_search_date`."""
    total_count_body: Literal["rl", "flat"] = "rl"
    """Answer of the total count: in the search's envelope, or `{"total_count": n}`."""
    total_count_path: Literal["total-count", "totalcount", "both"] = "total-count"
    """Path of the total count; one unofficial client tries the first, then the second."""
    search_date_field: Literal["lastseen", "firstseen"] = "lastseen"
    """Which date `start_search_date` and `end_search_date` bound."""
    dates_with_ticloud: Literal["optional", "required"] = "optional"
    """Whether v3 needs both dates with `ticloud`, as the vendor's client thinks."""
    query_max_length: int = 7000
    """Longest query; 7,000 is the cloud's limit, the appliance's box takes 1,024."""
    cloud_results_limit: int = 100_000
    """How far cloud results can be paged through before 400 "Max limit reached"."""
    clean_in_queries: bool = False
    """Whether `classification:clean` is a word for goodware."""

    # --- tags
    tags_body: Literal["list", "object"] = "list"
    """User tags as a list (documentation), or under `tags`."""
    tags_change_body: Literal["tags", "message", "empty"] = "message"
    """Answer after adding or removing tags."""

    def changed(self, values: Mapping[str, object]) -> Self:
        """Copy with some switches set, each name and value checked."""
        known = _types()
        for name, value in values.items():
            if name not in known:
                raise BadSwitch(f"Unknown switch '{name}'. Known: {', '.join(sorted(known))}.")
            if not _takes(known[name], value):
                raise BadSwitch(f"Switch '{name}' takes {_spelled(known[name])}.")
        return replace(self, **values)  # type: ignore[arg-type] # every value was checked against its type

    def values(self) -> dict[str, object]:
        return {item.name: getattr(self, item.name) for item in fields(self)}


@cache
def _types() -> dict[str, Any]:
    return get_type_hints(Switches)


def _takes(kind: Any, value: object) -> bool:
    if get_origin(kind) is Literal:
        return any(type(value) is type(option) and value == option for option in get_args(kind))
    if get_origin(kind) in {Union, UnionType}:
        return any(_takes(part, value) for part in get_args(kind))
    if kind is int:
        return type(value) is int and value >= 1
    return type(value) is kind


def _spelled(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return " | ".join(repr(option) for option in get_args(kind))
    if get_origin(kind) in {Union, UnionType}:
        return " or ".join(_spelled(part) for part in get_args(kind))
    return {int: "a whole number from 1", type(None): "null", bool: "true or false", str: "text"}[kind]
