"""The ASGI application: finds the page, checks the token, applies planned faults, and writes the ledger's line."""

import asyncio
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from email.utils import formatdate
from typing import Any

from connector.emulator.crawler import Crawls
from connector.emulator.pages import lab
from connector.emulator.pages.access import signed_in
from connector.emulator.pages.errors import missing_route, refused, wrong_method
from connector.emulator.pages.exchange import Answer, ClientGone, Message, Receive, Request, as_json
from connector.emulator.pages.faults import Fault, FaultPlan
from connector.emulator.pages.routes import routes_of, switched_off
from connector.emulator.product.processing import settle
from connector.emulator.product.refusals import Refusal
from connector.emulator.product.removing import carry_out_due
from connector.emulator.product.state import Product

Scope = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]


class Application:
    """Serves one appliance of one release. `dated` adds the Date header from the appliance's own clock."""

    def __init__(self, product: Product, *, release: str, dated: bool = False) -> None:
        self.product = product
        self.faults = FaultPlan()
        self.crawls = Crawls(product)
        self._routes = routes_of(release)
        self._release = release
        self._dated = dated
        self._date = (0, "")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = _request(scope, receive)
        fault: Fault | None = None
        with suppress(ClientGone):
            if request.path.startswith("/_lab/"):
                answer = await self._lab(request)
            else:
                fault = self.faults.strike(request) if self.faults else None
                answer = await (self._faulty(fault, request) if fault else self._page(request))
                self._note(request, answer, cut=fault is not None and fault.cut != "never")
            await self._send(send, scope, answer, fault)

    async def _page(self, request: Request) -> Answer:
        """Answer as the appliance would; what goes wrong inside is a 500 that the ledger explains."""
        try:
            self._bring_up_to_date()
            return await self._handled(request)
        except Refusal as refusal:
            return refused(self.product, refusal)
        except ClientGone:
            raise
        except Exception:  # noqa: BLE001 - a server answers, whatever broke
            self.product.ledger.failures.append({"path": request.path, "trace": traceback.format_exc()})
            return as_json({"detail": "Internal server error."}, 500)

    async def _handled(self, request: Request) -> Answer:
        """Look up in the order of Django REST Framework: the path, then the credentials, then the method."""
        product = self.product
        found = self._routes.find(request.path)
        if found is None or switched_off(product.switches, found[0]):
            return self._missing(request)
        page, request.arguments = found
        if not page.open_to_all:
            request.signed_in = signed_in(product, request)
        handler = page.methods.get(request.method)
        if handler is None:
            return wrong_method(request.method, page.allowed)
        return await handler(product, request)

    def _bring_up_to_date(self) -> None:
        settle(self.product)
        carry_out_due(self.product, endpoint="/api/samples/v2/delete_bulk/")
        self.crawls.start_due()

    def _missing(self, request: Request) -> Answer:
        slashed = f"{request.path}/"
        if self.product.switches.missing_slash == "redirect" and self._routes.find(slashed):
            return Answer(301, b"", (("location", slashed),))
        return missing_route(self.product.switches, request.path)

    async def _lab(self, request: Request) -> Answer:
        try:
            self._bring_up_to_date()
            answer = await lab.answer(lab.Lab(self.product, self.faults, self._release), request)
            self._bring_up_to_date()
        except Refusal as refusal:
            return as_json({"message": refusal.text}, 400)
        return answer

    async def _faulty(self, fault: Fault, request: Request) -> Answer:
        real = await self._page(request) if fault.apply or fault.answer(None) is None else None
        if fault.delay_seconds:
            await asyncio.sleep(fault.delay_seconds)
        return fault.answer(real) or Answer(500)

    def _note(self, request: Request, answer: Answer, *, cut: bool) -> None:
        record: dict[str, object] = {
            "method": request.method,
            "path": request.path,
            "query_keys": sorted(request.query),
            "user_agent": request.headers.get("user-agent"),
        }
        status = 0 if cut else answer.status
        self.product.ledger.note_request(record, status, request.bytes_received, len(answer.body))

    async def _send(self, send: Send, scope: Scope, answer: Answer, fault: Fault | None) -> None:
        connection = scope.get("connection")
        if fault is not None and fault.cut == "before" and connection is not None:
            connection.abort()
            return
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
        headers.append((b"content-length", str(len(answer.body)).encode()))
        if self._dated:
            headers.append((b"date", self._date_header()))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        if fault is not None and fault.cut == "halfway" and connection is not None:
            await send({"type": "http.response.body", "body": answer.body[: len(answer.body) // 2], "more_body": True})
            connection.close()
            return
        await send({"type": "http.response.body", "body": answer.body})

    def _date_header(self) -> bytes:
        now = int(self.product.clock.time())
        if self._date[0] != now:
            self._date = (now, formatdate(now, usegmt=True))
        return self._date[1].encode()


def _request(scope: Scope, receive: Receive) -> Request:
    path: str = scope["path"]
    client = scope.get("client")
    return Request(
        method=scope["method"],
        path=path.removeprefix(scope.get("root_path") or ""),
        query_string=scope.get("query_string", b"").decode("latin-1"),
        headers={name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
        receive=receive,
        client=client[0] if client else None,
    )
