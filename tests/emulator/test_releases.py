"""Each release has its pages, and a client can find out which without doing anything."""

from collections.abc import Callable

import pytest

from connector.emulator import serve
from tests.emulator.analyst import Analyst

Opener = Callable[..., Analyst]
NOBODY = "0" * 40
DEPRECATED = {
    ("POST", "/api/uploads/"),
    ("GET", f"/api/samples/{NOBODY}/classification/"),
    ("GET", f"/api/samples/{NOBODY}/ticloud/"),
    ("POST", "/api/samples/delete_bulk/"),
    ("POST", "/api/samples/v2/search/"),
}
CURRENT = {("POST", "/api/submit/file/"), ("POST", "/api/submit/url/"), ("POST", "/api/samples/v3/search/total-count")}
ALWAYS = {
    ("GET", "/api/uploads/v2/url-samples/1"),
    ("GET", f"/api/v2/samples/{NOBODY}/classification/"),
    ("GET", f"/api/samples/v3/{NOBODY}/classification/"),
    ("POST", "/api/samples/v2/delete_bulk/"),
    ("GET", "/api/samples/v2/delete_bulk/status/"),
    ("DELETE", f"/api/samples/{NOBODY}/"),
    ("POST", "/api/samples/v3/search/"),
    ("POST", "/api/samples/status/"),
    ("POST", "/api/samples/list/"),
    ("POST", "/api/samples/v2/list/"),
    ("POST", "/api/samples/v2/list/details/"),
    ("POST", "/api/samples/v2/analyze_bulk/"),
    ("GET", f"/api/tag/{NOBODY}/"),
}


@pytest.mark.parametrize(
    ("release", "there", "gone"),
    [
        ("9.1", ALWAYS | DEPRECATED, CURRENT),
        ("9.6", ALWAYS | DEPRECATED | CURRENT, set()),
        ("next", ALWAYS | CURRENT, DEPRECATED),
    ],
)
def test_a_probe_with_the_wrong_method_tells_what_a_release_has(
    open_appliance: Opener, release: str, there: set[tuple[str, str]], gone: set[tuple[str, str]]
) -> None:
    analyst = open_appliance(release=release)
    for method, path in there:
        answer = analyst.http.request("PUT", path)
        assert answer.status_code == 405, path
        assert answer.json() == {"detail": 'Method "PUT" not allowed.'}
        assert method in answer.headers["allow"]
    for _, path in gone:
        answer = analyst.http.request("PUT", path)
        assert answer.status_code == 404, path
        assert "text/html" in answer.headers["content-type"]
    assert analyst.ledger()["submissions"] == []


def test_a_probe_by_get_of_the_submission_endpoints(open_appliance: Opener) -> None:
    old, new = open_appliance(release="9.1"), open_appliance(release="next")
    assert (old.get("/api/uploads/").status_code, old.get("/api/submit/file/").status_code) == (405, 404)
    assert (new.get("/api/uploads/").status_code, new.get("/api/submit/file/").status_code) == (404, 405)


def test_a_wrong_method_without_a_token_is_403_first_as_in_django_rest_framework(analyst: Analyst) -> None:
    assert analyst.get("/api/uploads/", headers={"Authorization": ""}).status_code == 403
    assert analyst.get("/api/nothing/", headers={"Authorization": ""}).status_code == 404


@pytest.mark.parametrize(
    ("setting", "status", "kind"),
    [("html404", 404, "text/html"), ("json404", 404, "application/json"), ("login_redirect", 302, "")],
)
def test_a_missing_page_can_answer_in_three_ways(analyst: Analyst, setting: str, status: int, kind: str) -> None:
    analyst.lab("switches", missing_route=setting)
    answer = analyst.get("/api/nothing/")
    assert answer.status_code == status
    assert answer.headers.get("content-type", "").startswith(kind)


def test_a_missing_slash_can_redirect(analyst: Analyst) -> None:
    assert analyst.get("/api/uploads").status_code == 404
    analyst.lab("switches", missing_slash="redirect")
    answer = analyst.get("/api/uploads")
    assert (answer.status_code, answer.headers["location"]) == (301, "/api/uploads/")


def test_an_unknown_release_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Known: 9\.1, 9\.6, next"), serve(release="8"):
        pass
