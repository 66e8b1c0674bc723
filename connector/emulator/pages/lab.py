"""The lab's own pages under `/_lab/`: arranging the appliance and reading what happened. No real one has them.

Open without a token, but to loopback clients only, and never to a page in a browser.
"""

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from connector.emulator.pages.bodies import read_object
from connector.emulator.pages.exchange import Answer, Request, as_json
from connector.emulator.pages.faults import FaultPlan
from connector.emulator.product.clock import fine_stamp, read_stamp
from connector.emulator.product.loading import load
from connector.emulator.product.refusals import Invalid
from connector.emulator.product.sample import Sample
from connector.emulator.product.state import Product
from connector.emulator.product.synth import synthesize
from connector.emulator.product.users import RIGHTS
from connector.emulator.switches import BadSwitch

_MAX_BODY = 256 << 20
_LISTS = {"/_lab/samples": "samples", "/_lab/faults": "faults"}  # what a bare list is there
_MAX_GENERATED = 1_000_000
_EARLIEST, _LATEST = 631_152_000, 7_258_118_400  # 1990 and 2200


@dataclass(frozen=True, slots=True)
class Lab:
    """What the lab's pages may touch."""

    product: Product
    faults: FaultPlan
    release: str


LabHandler = Callable[[Lab, Mapping[str, object]], object]


async def answer(lab: Lab, request: Request) -> Answer:
    if not _from_here(request):
        return as_json({"message": "The lab is open to loopback clients only."}, 403)
    key = f"{request.method} {request.path}"
    if handler := _READERS.get(key):
        return as_json(handler(lab))
    if writer := _WRITERS.get(key):
        return as_json(writer(lab, await read_object(request, _MAX_BODY, _LISTS.get(request.path))))
    menu = sorted([*_READERS, *_WRITERS])
    return as_json({"message": "No such lab page.", "routes": menu}, 404)


def _ledger(lab: Lab) -> object:
    product = lab.product
    cloud = {"used_today": product.quota.used, "total": product.quota.total}
    cloud["left"] = product.quota.left(product.resources.cloud_quota)
    faults = lab.faults.shown()
    return product.ledger.shown() | {"faults": faults, "cloud_quota": cloud}


def _clear_ledger(lab: Lab) -> object:
    lab.product.ledger.clear()
    return {"cleared": True}


def _show_faults(lab: Lab) -> object:
    return lab.faults.shown()


def _clear_faults(lab: Lab) -> object:
    lab.faults.clear()
    return lab.faults.shown()


def _show_switches(lab: Lab) -> object:
    return lab.product.switches.values()


def _show_state(lab: Lab) -> object:
    product = lab.product
    resources = product.resources
    numbers = {name: getattr(resources, name) for name in type(resources).__dataclass_fields__}
    held = {"samples": len(product.local), "cloud_samples": len(product.cloud), "queued": len(product.queue)}
    return {"release": lab.release, **numbers, **held, "clock": _show_clock(lab)}


def _plan_faults(lab: Lab, body: Mapping[str, object]) -> object:
    return {"planned": lab.faults.add(body)}


def _set_switches(lab: Lab, body: Mapping[str, object]) -> object:
    try:
        lab.product.switches = lab.product.switches.changed(body)
    except BadSwitch as error:
        raise Invalid(str(error)) from error
    return lab.product.switches.values()


def _set_state(lab: Lab, body: Mapping[str, object]) -> object:
    lab.product.resources = lab.product.resources.changed(dict(body))
    return {name: getattr(lab.product.resources, name) for name in body}


def _load_samples(lab: Lab, body: Mapping[str, object]) -> object:
    """Load described samples, or make up many: `{"samples": [...]}`, one sample, or `{"generate": 1000, "seed": 1}`."""
    if "generate" in body:
        return _generate(lab.product, body)
    body = body if "samples" in body else {"samples": [body] if body else None}
    entries = body["samples"]
    if set(body) != {"samples"} or not isinstance(entries, list):
        raise Invalid('Expected {"samples": [...]} or {"generate": n, "seed": s}.')
    if not all(isinstance(entry, dict) for entry in entries):
        raise Invalid("Every sample is an object.")
    return {"loaded": [_named(load(lab.product, entry)) for entry in entries]}


def _generate(product: Product, body: Mapping[str, object]) -> object:
    count, seed = body["generate"], body.get("seed", 0)
    if type(count) is not int or type(seed) is not int or not 0 < count <= _MAX_GENERATED:
        raise Invalid(f"generate is a number from 1 to {_MAX_GENERATED}, seed a number.")
    if not {"generate", "seed", "local", "cloud"}.issuperset(body):
        raise Invalid("Beside generate only seed, local and cloud are known.")
    samples = list(synthesize(product, count, seed))
    if body.get("local", True):
        product.local.put_all(samples)
    if body.get("cloud", False):
        product.cloud.put_all(samples)
    return {"generated": len(samples)}


def _set_clock(lab: Lab, body: Mapping[str, object]) -> object:
    clock = lab.product.clock
    if not body or not {"set", "advance", "freeze", "run"}.issuperset(body):
        raise Invalid("The clock knows set, advance, freeze and run.")
    target = _moment(body["set"]) if "set" in body else clock.time()
    target += _seconds(body.get("advance", 0))
    if not _EARLIEST <= target <= _LATEST:
        raise Invalid("The clock goes from 1990 to 2200.")
    if body.get("freeze") is True:
        clock.freeze()
    if body.get("run") is True:
        clock.run()
    if not {"set", "advance"}.isdisjoint(body):
        clock.advance(target - clock.time())
    return _show_clock(lab)


def _add_user(lab: Lab, body: Mapping[str, object]) -> object:
    name, password, token = body.get("username"), body.get("password"), body.get("token")
    rights, active = body.get("rights", sorted(RIGHTS)), body.get("active", True)
    if not isinstance(name, str) or not isinstance(password, str) or not isinstance(token, str | None):
        raise Invalid("A user has a username, a password, and perhaps a token.")
    if not isinstance(rights, list) or not RIGHTS.issuperset(map(str, rights)) or not isinstance(active, bool):
        raise Invalid(f"rights are a list of {', '.join(sorted(RIGHTS))}; active is true or false.")
    user = lab.product.users.add(name, password, token=token, rights=frozenset(map(str, rights)), active=active)
    return {"id": user.id, "username": user.name, "token": user.token}


def _show_clock(lab: Lab) -> dict[str, object]:
    return {"now": fine_stamp(lab.product.clock.now()), "frozen": lab.product.clock.frozen}


def _moment(value: object) -> float:
    try:
        return read_stamp(value if isinstance(value, str) else "").timestamp()
    except ValueError as error:
        raise Invalid("set is an ISO 8601 time.") from error


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Invalid("advance is a number of seconds.")
    return float(value)


def _named(sample: Sample) -> dict[str, str]:
    h = sample.hashes
    return {"md5": h.md5, "sha1": h.sha1, "sha256": h.sha256, "sha512": h.sha512}


def _from_here(request: Request) -> bool:
    if "origin" in request.headers:
        return False
    try:
        return request.client is None or ipaddress.ip_address(request.client).is_loopback
    except ValueError:
        return False


_READERS: Mapping[str, Callable[[Lab], object]] = {
    "GET /_lab/ledger": _ledger,
    "DELETE /_lab/ledger": _clear_ledger,
    "GET /_lab/faults": _show_faults,
    "DELETE /_lab/faults": _clear_faults,
    "GET /_lab/switches": _show_switches,
    "GET /_lab/state": _show_state,
}
_WRITERS: Mapping[str, LabHandler] = {
    "POST /_lab/faults": _plan_faults,
    "POST /_lab/samples": _load_samples,
    "POST /_lab/switches": _set_switches,
    "POST /_lab/state": _set_state,
    "POST /_lab/clock": _set_clock,
    "POST /_lab/users": _add_user,
}
