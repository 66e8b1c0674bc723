"""One hash's verdict: the classification of all three generations, and the deprecated cloud reputation."""

from connector.emulator.pages import shapes
from connector.emulator.pages.exchange import Answer, Request, as_json
from connector.emulator.product.classifying import Answered, ask_cloud, classify
from connector.emulator.product.hashes import kind_of
from connector.emulator.product.refusals import Invalid, NotHere
from connector.emulator.product.state import Product

_NOT_FOUND = "Hash not found."


async def classification_v3(product: Product, request: Request) -> Answer:
    """Current. A hash nobody knows is an answer of 200 without a classification."""
    any_hash = _hash(product, request)
    query = request.query
    local_only, av_scanners = _bit(query, "localonly"), _bit(query, "av_scanners")
    answered = classify(product, any_hash, local_only=local_only)
    if answered is None:
        if product.switches.hash_not_found_v3 == "404":
            raise NotHere(_NOT_FOUND)
        return as_json({"message": _NOT_FOUND, "hash_value": any_hash})
    body = shapes.current_classification(product, answered.sample, from_cloud=answered.from_cloud)
    if av_scanners:
        body["av_scanners"] = shapes.scanners(answered.sample)
    return as_json({"rl": body} if product.switches.classification_v3_body == "rl" else body)


async def classification_v2(product: Product, request: Request) -> Answer:
    """Between the two: the old words, on another path."""
    found = _found(product, request)
    return as_json(shapes.old_classification(product, found.sample, from_cloud=found.from_cloud))


async def classification_v1(product: Product, request: Request) -> Answer:
    """Deprecated; its body is documented nowhere, so a switch chooses the words."""
    found = _found(product, request)
    new = product.switches.classification_v1_vocabulary == "new"
    shape = shapes.current_classification if new else shapes.old_classification
    return as_json(shape(product, found.sample, from_cloud=found.from_cloud))


async def ticloud(product: Product, request: Request) -> Answer:
    """Deprecated: what the cloud says of a hash, whatever the appliance thinks."""
    any_hash = _hash(product, request)
    sample = ask_cloud(product, any_hash, local_too=False)
    if sample is None:
        if product.switches.ticloud_missing == "empty":
            return as_json({})
        raise NotHere("Report not found.")
    new = product.switches.ticloud_vocabulary == "new"
    return as_json((shapes.ticloud_new if new else shapes.ticloud_old)(product.switches, sample))


def _found(product: Product, request: Request) -> Answered:
    any_hash = _hash(product, request)
    answered = classify(product, any_hash, local_only=_bit(request.query, "localonly"))
    if answered is None:
        raise NotHere(_NOT_FOUND)
    return answered


def _hash(product: Product, request: Request) -> str:
    any_hash = request.arguments["hash"]
    if kind_of(any_hash) is None:
        kind = NotHere if product.switches.malformed_hash_status == 404 else Invalid
        raise kind("Invalid or malformed hash.")
    return any_hash.lower()


def _bit(query: dict[str, str], name: str) -> bool:
    value = query.get(name, "0").lower()
    if value not in {"0", "1", "true", "false", ""}:
        raise Invalid("Must be 0 or 1.", field=name)
    return value in {"1", "true"}
