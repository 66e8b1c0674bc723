"""Every route of the appliance that the actions use, both generations, with what each status code means there.

Sources: the vendor's page "Deprecated Endpoints" (Spectra Analyze 9.6.1) for the deprecated ones, the API pages and
the vendor's SDK 2.15 (a1000.py) for their successors.
"""

from typing import Final

from connector.endpoint import Endpoint, Meanings
from connector.errors import (
    AuthError,
    BadRequest,
    CapacityError,
    FileTooLarge,
    InUse,
    MaintenanceError,
    QuotaError,
    ServerError,
    StorageFull,
)
from connector.plan import Call

_SUBMISSION: Final[Meanings] = {
    400: BadRequest,
    403: AuthError,
    405: MaintenanceError,
    413: FileTooLarge,
    429: CapacityError,
    503: StorageFull,
}
_LOOK_UP: Final[Meanings] = {403: AuthError, 429: QuotaError, 503: ServerError}
_ACCEPTED: Final = frozenset({200, 201})
_TASK: Final = frozenset({200, 202})
_CHANGED: Final = frozenset({200, 201, 204})
_NO_HASH: Final = "0" * 40

UPLOADS: Final = Endpoint(
    name="uploads",
    generation="legacy",
    method="POST",
    path="/api/uploads/",
    success=_ACCEPTED,
    meanings=_SUBMISSION,
    successor="/api/submit/file/ and /api/submit/url/",
    effect="submit",
)
SUBMIT_FILE: Final = Endpoint(
    name="submit_file",
    generation="current",
    method="POST",
    path="/api/submit/file/",
    success=_ACCEPTED,
    meanings=_SUBMISSION,
    effect="submit",
)
SUBMIT_URL: Final = Endpoint(
    name="submit_url",
    generation="current",
    method="POST",
    path="/api/submit/url/",
    success=_ACCEPTED,
    meanings=_SUBMISSION,
    cannot={"archive_password": "only /api/uploads/ takes it; set api_generation to legacy, or leave it out"},
    effect="submit",
)
URL_STATUS: Final = Endpoint(
    name="url_status",
    generation="both",
    method="GET",
    path="/api/uploads/v2/url-samples/{id}",
    missing_is_answer=True,
)
CLASSIFICATION_V3: Final = Endpoint(
    name="classification_v3",
    generation="current",
    method="GET",
    path="/api/samples/v3/{hash}/classification/",
    meanings=_LOOK_UP,
    missing_is_answer=True,
    probe=Call("GET", f"/api/samples/v3/{_NO_HASH}/classification/", (("localonly", "1"), ("av_scanners", "0"))),
)
CLASSIFICATION_V1: Final = Endpoint(
    name="classification_v1",
    generation="legacy",
    method="GET",
    path="/api/samples/{hash}/classification/",
    meanings=_LOOK_UP,
    successor="/api/samples/v3/{hash}/classification/",
    missing_is_answer=True,
    cannot={"av_scanners": "only the current endpoint returns scanner counts; set api_generation to current"},
)
TICLOUD: Final = Endpoint(
    name="ticloud",
    generation="legacy",
    method="GET",
    path="/api/samples/{hash}/ticloud/",
    meanings=_LOOK_UP,
    successor="/api/samples/v3/{hash}/classification/?localonly=0",
    missing_is_answer=True,
)
SEARCH_V3: Final = Endpoint(name="search_v3", generation="current", method="POST", path="/api/samples/v3/search/")
SEARCH_V2: Final = Endpoint(
    name="search_v2",
    generation="legacy",
    method="POST",
    path="/api/samples/v2/search/",
    successor="/api/samples/v3/search/",
    cannot={
        "start_search_date": "V2 does not know search dates; set api_generation to current, or leave it out",
        "end_search_date": "V2 does not know search dates; set api_generation to current, or leave it out",
    },
)
COUNT_V3: Final = Endpoint(
    name="search_count_v3",
    generation="current",
    method="POST",
    path="/api/samples/v3/search/total-count",
    missing_is_answer=True,
)
COUNT_V3_OTHER: Final = Endpoint(
    name="search_count_v3", generation="current", method="POST", path="/api/samples/v3/search/totalcount/"
)
DELETE_V2: Final = Endpoint(
    name="delete_bulk_v2",
    generation="current",
    method="POST",
    path="/api/samples/v2/delete_bulk/",
    success=_TASK,
    meanings={405: InUse},
    effect="destroy",
)
DELETE_V1: Final = Endpoint(
    name="delete_bulk_v1",
    generation="legacy",
    method="POST",
    path="/api/samples/delete_bulk/",
    meanings={405: InUse},
    successor="/api/samples/v2/delete_bulk/",
    lenient=True,
    effect="destroy",
)
DELETE_STATUS: Final = Endpoint(
    name="delete_bulk_status",
    generation="both",
    method="GET",
    path="/api/samples/v2/delete_bulk/status/",
    success=_TASK,
    lenient=True,
    missing_is_answer=True,
)
FILE_STATUS: Final = Endpoint(
    name="file_status", generation="both", method="POST", path="/api/samples/status/", or_list=True
)
LIST_V2: Final = Endpoint(name="list_v2", generation="current", method="POST", path="/api/samples/v2/list/")
LIST_V1: Final = Endpoint(
    name="list_v1",
    generation="legacy",
    method="POST",
    path="/api/samples/list/",
    successor="/api/samples/v2/list/",
    cannot={"fields": "only /api/samples/v2/list/ chooses fields; set api_generation to current, or leave it out"},
)
# The vendor's page "Tags API" gives the routes and the list; no source shows what a change answers.
TAGS: Final = Endpoint(
    name="tags", generation="both", method="GET", path="/api/tag/{hash}/", or_list=True, missing_is_answer=True
)
ADD_TAGS: Final = Endpoint(
    name="add_tags",
    generation="both",
    method="POST",
    path="/api/tag/{hash}/",
    success=_CHANGED,
    lenient=True,
    effect="submit",
)
REMOVE_TAGS: Final = Endpoint(
    name="remove_tags",
    generation="both",
    method="DELETE",
    path="/api/tag/{hash}/",
    success=_CHANGED,
    lenient=True,
    effect="submit",
)
# The vendor's page "Network Threat Intelligence API" documents the 200 only.
URL_REPUTATION: Final = Endpoint(
    name="url_reputation",
    generation="both",
    method="GET",
    path="/api/network-threat-intel/url/",
    meanings=_LOOK_UP,
    missing_is_answer=True,
)
TOKEN: Final = Endpoint(name="token", generation="both", method="POST", path="/api-token-auth/")
