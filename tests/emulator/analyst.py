"""Someone with a token, an HTTP client and access to the lab: how tests talk to an appliance."""

import hashlib
from typing import Any

import httpx

from connector.emulator import Product, RunningAppliance


class Analyst:
    """Someone with a token and access to the lab."""

    def __init__(self, appliance: RunningAppliance) -> None:
        self.appliance = appliance
        self.http = httpx.Client(
            base_url=appliance.url, headers={"Authorization": f"Token {appliance.token}"}, timeout=30, trust_env=False
        )

    @property
    def product(self) -> Product:
        return self.appliance.product

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.http.get(path, **more)

    def post(self, path: str, **more: Any) -> httpx.Response:
        return self.http.post(path, **more)

    def delete(self, path: str, **more: Any) -> httpx.Response:
        return self.http.request("DELETE", path, **more)

    def lab(self, page: str, **values: Any) -> Any:
        answer = self.http.post(f"/_lab/{page}", json=values)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def ledger(self) -> Any:
        ledger = self.get("/_lab/ledger").json()
        assert ledger["failures"] == []
        return ledger

    def load(self, **values: Any) -> str:
        """Load one sample and give its SHA1."""
        if not {"sha1", "sha256", "md5", "content_base64", "url"} & set(values):
            values["sha1"] = hashlib.sha1(repr(sorted(values.items())).encode()).hexdigest()
        return str(self.lab("samples", samples=[values])["loaded"][0]["sha1"])

    def upload(
        self, content: bytes = b"content", *, name: str = "a.bin", path: str = "/api/uploads/", **data: Any
    ) -> Any:
        return self.post(path, files={"file": (name, content)}, data=data)

    def wait(self, seconds: float = 5) -> None:
        self.lab("clock", advance=seconds)

    def search(self, query: str, version: str = "v3", **more: Any) -> Any:
        answer = self.post(f"/api/samples/{version}/search/", json={"query": query, **more})
        assert answer.status_code == 200, answer.text
        return answer.json()["rl"]["web_search_api"]
