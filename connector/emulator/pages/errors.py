"""How a refusal looks on the wire: its status code, its body, its Retry-After."""

import math
from datetime import timedelta
from email.utils import format_datetime

from connector.emulator.pages.exchange import Answer, as_html, as_json, as_text
from connector.emulator.product import refusals
from connector.emulator.product.state import Product
from connector.emulator.switches import Switches

_STATUS: dict[type[refusals.Refusal], int] = {
    refusals.Invalid: 400,
    refusals.Forbidden: 403,
    refusals.NotHere: 404,
    refusals.InMaintenance: 405,
    refusals.StillProcessing: 405,
    refusals.TooLarge: 413,
    refusals.Depleted: 429,
    refusals.DiskFull: 503,
    refusals.CloudUnavailable: 503,
}
_WAITABLE = frozenset({429, 503})
_DJANGO_404 = (
    '<!doctype html>\n<html lang="en">\n<head>\n  <title>Not Found</title>\n</head>\n<body>\n'
    "  <h1>Not Found</h1><p>The requested resource was not found on this server.</p>\n</body>\n</html>\n"
)


def refused(product: Product, refusal: refusals.Refusal) -> Answer:
    switches = product.switches
    if isinstance(refusal, refusals.NoCredentials):
        return as_json({"detail": refusal.text}, switches.credentials_status)
    status = _STATUS[type(refusal)]
    headers = _retry_after(product, refusal) if status in _WAITABLE else ()
    if switches.error_body == "plain":
        return as_text(refusal.text, status, headers)
    return as_json(_body(switches, status, refusal), status, headers)


def wrong_method(method: str, allowed: str) -> Answer:
    """Refuse as Django REST Framework does; a page that exists says so even to the wrong method."""
    return as_json({"detail": f'Method "{method}" not allowed.'}, 405, (("allow", allowed),))


def missing_route(switches: Switches, path: str) -> Answer:
    """Answer for a page that this release does not have."""
    if switches.missing_route == "json404":
        return as_json({"detail": "Not found."}, 404)
    if switches.missing_route == "login_redirect":
        return Answer(302, b"", (("location", f"/login/?next={path}"),))
    return as_html(_DJANGO_404, 404)


def _body(switches: Switches, status: int, refusal: refusals.Refusal) -> object:
    if switches.error_body == "fields":
        return {refusal.field or "non_field_errors": [refusal.text]}
    if switches.error_body == "message":
        text = f"{refusal.field}: {refusal.text}" if refusal.field else refusal.text
        return {"code": status, "message": text}
    return {switches.error_body: refusal.text}


def _retry_after(product: Product, refusal: refusals.Refusal) -> tuple[tuple[str, str], ...]:
    seconds = math.ceil(refusal.wait_seconds or product.switches.retry_after_seconds)
    if product.switches.retry_after == "seconds":
        return (("retry-after", str(seconds)),)
    if product.switches.retry_after == "date":
        moment = product.clock.now() + timedelta(seconds=seconds)
        return (("retry-after", format_datetime(moment, usegmt=True)),)
    return ()
