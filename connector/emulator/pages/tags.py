"""User tags of one sample: read, add, remove."""

from dataclasses import replace

from connector.emulator.pages.bodies import read_object
from connector.emulator.pages.exchange import Answer, Request, as_json
from connector.emulator.product.clock import fine_stamp
from connector.emulator.product.hashes import kind_of
from connector.emulator.product.refusals import Invalid, NotHere
from connector.emulator.product.sample import Sample, merged
from connector.emulator.product.state import Product


async def get_tags(product: Product, request: Request) -> Answer:
    return _tags(product, _sample(product, request))


async def add_tags(product: Product, request: Request) -> Answer:
    sample = _sample(product, request)
    return _change(product, sample, merged(sample.user_tags, await _given(request)), "Tags added.")


async def remove_tags(product: Product, request: Request) -> Answer:
    """Take tags off; the DELETE carries a body, as the vendor's client sends it."""
    sample, gone = _sample(product, request), await _given(request)
    return _change(product, sample, tuple(t for t in sample.user_tags if t not in gone), "Tags removed.")


def _change(product: Product, sample: Sample, tags: tuple[str, ...], done: str) -> Answer:
    changed = replace(sample, user_tags=tags)
    product.local.put(changed)
    product.ledger.tag_changes.append(
        {"at": fine_stamp(product.clock.now()), "sha1": sample.hashes.sha1, "tags": list(tags)}
    )
    shape = product.switches.tags_change_body
    if shape == "tags":
        return _tags(product, changed)
    return as_json({"message": done}) if shape == "message" else Answer(200)


def _tags(product: Product, sample: Sample) -> Answer:
    tags = list(sample.user_tags)
    return as_json(tags if product.switches.tags_body == "list" else {"tags": tags})


def _sample(product: Product, request: Request) -> Sample:
    any_hash = request.arguments["hash"]
    if kind_of(any_hash) in {None, "sha512"}:
        raise NotHere("Invalid or malformed hash.")
    sample = product.local.find(any_hash)
    if sample is None:
        raise NotHere("Sample not found.")
    return sample


async def _given(request: Request) -> tuple[str, ...]:
    tags = (await read_object(request)).get("tags")
    if not isinstance(tags, list) or not tags or not all(isinstance(tag, str) and tag for tag in tags):
        raise Invalid("Expected a list of tags.", field="tags")
    return tuple(tags)
