"""A route that comes from elsewhere, with what the OpenAPI document says of it."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route


class ToldRoute(Route):
    """A route of one method with its operation, an Operation Object of OpenAPI 3.1 (section 4.8.10)."""

    def __init__(
        self,
        method: str,
        path: str,
        endpoint: Callable[[Request], Awaitable[Response]],
        operation: Mapping[str, Any],
    ) -> None:
        super().__init__(path, endpoint, methods=[method])
        self.told = {path: {method.lower(): dict(operation)}}


def paths_of(routes: Iterable[BaseRoute]) -> dict[str, Any]:
    """The Paths Object of the routes that say what they are."""
    made: dict[str, Any] = {}
    for route in routes:
        if isinstance(route, ToldRoute):
            made |= {path: made.get(path, {}) | item for path, item in route.told.items()}
    return made
