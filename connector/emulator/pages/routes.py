"""The pages of each release: which path takes which method, and which handler answers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

from connector.emulator.pages import access, classification, deletion, lists, network, search, submissions, tags
from connector.emulator.pages.exchange import Handler
from connector.emulator.switches import Switches

Release = Literal["9.1", "9.6", "next"]
RELEASES: tuple[Release, ...] = ("9.1", "9.6", "next")
_DEPRECATED: tuple[Release, ...] = ("9.1", "9.6")
_CURRENT: tuple[Release, ...] = ("9.6", "next")


@dataclass(frozen=True, slots=True)
class Page:
    """One path with its handlers by method; `{name}` stands for one segment."""

    path: str
    methods: Mapping[str, Handler]
    releases: tuple[Release, ...] = RELEASES
    open_to_all: bool = False

    @property
    def allowed(self) -> str:
        return ", ".join(self.methods)


PAGES = (
    Page("/api-token-auth/", {"POST": access.get_token}, open_to_all=True),
    Page("/api/uploads/", {"POST": submissions.uploads}, _DEPRECATED),
    Page("/api/submit/file/", {"POST": submissions.submit_file_page}, _CURRENT),
    Page("/api/submit/url/", {"POST": submissions.submit_url_page}, _CURRENT),
    Page("/api/uploads/v2/url-samples/{id}", {"GET": submissions.url_status}),
    Page("/api/samples/{hash}/classification/", {"GET": classification.classification_v1}, _DEPRECATED),
    Page("/api/v2/samples/{hash}/classification/", {"GET": classification.classification_v2}),
    Page("/api/samples/v3/{hash}/classification/", {"GET": classification.classification_v3}),
    Page("/api/samples/{hash}/ticloud/", {"GET": classification.ticloud}, _DEPRECATED),
    Page("/api/samples/delete_bulk/", {"POST": deletion.delete_bulk_v1}, _DEPRECATED),
    Page("/api/samples/v2/delete_bulk/", {"POST": deletion.delete_bulk_v2}),
    Page("/api/samples/v2/delete_bulk/status/", {"GET": deletion.delete_status}),
    Page("/api/samples/{hash}/", {"DELETE": deletion.delete_single}),
    Page("/api/samples/v2/search/", {"POST": search.search_v2}, _DEPRECATED),
    Page("/api/samples/v3/search/", {"POST": search.search_v3}),
    Page("/api/samples/v3/search/total-count", {"POST": search.total_count}, _CURRENT),
    Page("/api/samples/v3/search/totalcount/", {"POST": search.total_count}, _CURRENT),
    Page("/api/samples/status/", {"POST": lists.status}),
    Page("/api/samples/list/", {"POST": lists.old_summary}),
    Page("/api/samples/v2/list/", {"POST": lists.summary}),
    Page("/api/samples/v2/list/details/", {"POST": lists.details}),
    Page("/api/samples/v2/analyze_bulk/", {"POST": lists.analyze_bulk}),
    Page("/api/network-threat-intel/url/", {"GET": network.url_reputation}),
    Page("/api/tag/{hash}/", {"GET": tags.get_tags, "POST": tags.add_tags, "DELETE": tags.remove_tags}),
)
_SEGMENTS = {"{hash}": r"(?P<hash>[0-9A-Za-z]+)", "{id}": r"(?P<id>[^/]+)"}
_BARE_HASH = "/api/samples/{hash}/"  # only real hashes here, or it would swallow the named endpoints


@dataclass(frozen=True, slots=True)
class Routes:
    """The pages of one release, ready to be looked up."""

    fixed: Mapping[str, Page]
    patterns: tuple[tuple[re.Pattern[str], Page], ...]

    def find(self, path: str) -> tuple[Page, Mapping[str, str]] | None:
        page = self.fixed.get(path)
        if page is not None:
            return page, {}
        for pattern, candidate in self.patterns:
            if match := pattern.fullmatch(path):
                return candidate, match.groupdict()
        return None


@cache
def routes_of(release: str) -> Routes:
    pages = [page for page in PAGES if release in page.releases]
    fixed = {page.path: page for page in pages if "{" not in page.path}
    patterns = tuple((_pattern(page.path), page) for page in pages if "{" in page.path)
    return Routes(fixed, patterns)


def switched_off(switches: Switches, page: Page) -> bool:
    """Say whether a page that the release has is hidden by a switch: the total count has two possible paths."""
    chosen = switches.total_count_path
    if chosen == "both" or "/search/total" not in page.path:
        return False
    return page.path.rstrip("/").rsplit("/", 1)[-1] != chosen


def _pattern(path: str) -> re.Pattern[str]:
    text = path
    for name, expression in _SEGMENTS.items():
        text = text.replace(name, r"(?P<hash>[0-9a-fA-F]{32,128})" if path == _BARE_HASH else expression)
    return re.compile(text)
