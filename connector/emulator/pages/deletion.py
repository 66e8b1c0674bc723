"""Deleting samples: the deprecated bulk delete, the asynchronous one with its status, and a single one."""

from connector.emulator.pages.bodies import hashes_in, read_values
from connector.emulator.pages.exchange import Answer, Request, as_json
from connector.emulator.product.hashes import Hashes, kind_of
from connector.emulator.product.refusals import Invalid, NotHere, StillProcessing
from connector.emulator.product.removing import DELETED, Removed, delete_later, delete_now, delete_one
from connector.emulator.product.state import Product

_DONE = "Bulk delete is finished. This does not guarantee that every sample was removed."
_RUNNING = "Bulk delete is in progress."


async def delete_bulk_v1(product: Product, request: Request) -> Answer:
    """Deprecated: the key is `hash_value`; 200 and no task, so it seems to delete at once."""
    hashes = hashes_in(await read_values(request), "hash_value", product.switches)
    removed = delete_now(product, hashes, request.user, endpoint=request.path)
    shape = product.switches.delete_v1_body
    if shape == "empty":
        return Answer(200)
    if shape == "message":
        return as_json({"code": 200, "message": "Samples deleted successfully."})
    items = [_item(outcome) for outcome in removed]
    return as_json({"results": items} if shape == "results" else items)


async def delete_bulk_v2(product: Product, request: Request) -> Answer:
    """Current: the key is `hash_values`; 202 and a task id."""
    hashes = hashes_in(await read_values(request), "hash_values", product.switches)
    removal = delete_later(product, hashes, request.user)
    number: object = removal.id if product.switches.delete_v2_id == "int" else str(removal.id)
    shape = product.switches.delete_v2_body
    if shape == "detail":
        return as_json({"code": 202, "message": _RUNNING, "detail": {"id": number}}, 202)
    return as_json({"id": number} if shape == "id" else {"id": number, "code": 202, "message": _RUNNING}, 202)


async def delete_status(product: Product, request: Request) -> Answer:
    """Status of a bulk delete: 202 while it runs, 200 when done."""
    text = request.query.get("id", "")
    removal = product.removals.get(int(text)) if text.isascii() and text.isdigit() else None
    if removal is None:
        unknown = product.switches.delete_unknown_status
        if unknown == 200:
            return as_json({"message": "Task not found."})
        raise NotHere("Task not found.") if unknown == 404 else Invalid("Task not found.", field="id")
    code = 200 if removal.carried_out else 202
    if product.switches.delete_status_body == "empty":
        return Answer(code)
    if product.switches.delete_status_body == "status":
        return as_json({"id": removal.id, "status": "finished" if code == 200 else "running"}, code)
    return as_json({"code": code, "message": _DONE if code == 200 else _RUNNING}, code)


async def delete_single(product: Product, request: Request) -> Answer:
    any_hash = request.arguments["hash"].lower()
    if kind_of(any_hash) is None:
        raise NotHere("Invalid or malformed hash.")
    try:
        removed = delete_one(product, any_hash, request.user, endpoint=request.path)
    except NotHere:
        missing = product.switches.delete_missing
        if missing == "404_message":
            raise
        return Answer(404 if missing == "404_empty" else 200)
    body = _item(removed)
    return as_json({"results": body} if product.switches.delete_wrapped else body)


def _item(outcome: Removed) -> dict[str, object]:
    if outcome.hashes is not None:
        return {"code": 200, "detail": _named(outcome.hashes), "message": DELETED}
    code = 405 if isinstance(outcome.refusal, StillProcessing) else 404
    text = outcome.refusal.text if outcome.refusal else ""
    return {"code": code, "detail": {kind_of(outcome.hash_value) or "hash": outcome.hash_value}, "message": text}


def _named(hashes: Hashes) -> dict[str, str]:
    return {"sha1": hashes.sha1, "sha256": hashes.sha256, "sha512": hashes.sha512, "md5": hashes.md5}
