"""Which endpoints an appliance has, asked without effect, and which release that shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from connector.actions import every
from connector.endpoint import Endpoint
from connector.plan import Call, Plan, Reply, ask

T = TypeVar("T")
NO_HASH: Final = "0" * 40


class Executes(Protocol):
    """What is needed of a Connector: run a plan, logged in."""

    def execute(self, plan: Plan[T]) -> T: ...


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What was found of the endpoints that exist in one generation only; None where the answer did not tell."""

    there: Mapping[str, bool | None]

    @property
    def missing(self) -> list[str]:
        return sorted(path for path, found in self.there.items() if found is False)

    @property
    def any(self) -> bool:
        return any(self.there.values())

    @property
    def release(self) -> str:
        """The release that has these, by when the vendor added and will remove the submission endpoints."""
        submit, uploads = self.there.get("/api/submit/file/"), self.there.get("/api/uploads/")
        if submit and uploads:
            return "release 9.5 or later, with both generations"
        if uploads:
            return "release 9.1 to 9.3, with deprecated uploads only"
        return "a later release, without deprecated uploads" if submit else "an unknown release"

    def __str__(self) -> str:
        found = sum(there is True for there in self.there.values())
        told = f"{self.release}; {found} of {len(self.there)} endpoints found"
        return told + (f"; not there: {', '.join(self.missing)}" if self.missing else "")


def endpoints(connector: Executes) -> Endpoints:
    """Ask for each endpoint that belongs to one generation."""
    asked = [endpoint for endpoint in registered().values() if endpoint.generation != "both"]
    return Endpoints({endpoint.path: connector.execute(probe(endpoint)) for endpoint in asked})


def registered() -> dict[str, Endpoint]:
    """Every endpoint of every action by its path, once."""
    return {endpoint.path: endpoint for action in every() for endpoint in action.endpoints}


def probe(endpoint: Endpoint) -> Plan[bool | None]:
    """Whether this endpoint exists, or None where the answer does not tell.

    A route that exists answers a GET, with 405 where it takes POST only. A route with a hash in its path answers 404
    to a hash that it does not know, so it is asked for its OPTIONS.
    """
    path = endpoint.path.replace("{hash}", NO_HASH).replace("{id}", "0")
    reply = yield from ask(Call("GET" if path == endpoint.path else "OPTIONS", path))
    return _tells(reply)


def _tells(reply: Reply) -> bool | None:
    if reply.status == 404 or 300 <= reply.status < 400:
        return False
    html = "html" in reply.content_type.lower()
    return True if reply.status in {200, 202, 204, 400, 401, 403, 405, 415} and not html else None
