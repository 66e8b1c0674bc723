"""Deleting samples: one, many at once, and many by a task whose end is asked for later."""

from dataclasses import dataclass, replace

from connector.emulator.product.clock import fine_stamp
from connector.emulator.product.hashes import Hashes
from connector.emulator.product.refusals import Forbidden, NotHere, Refusal, StillProcessing
from connector.emulator.product.state import Product, Removal
from connector.emulator.product.users import User

DELETED = "Sample deleted successfully."


@dataclass(frozen=True, slots=True)
class Removed:
    """What became of one hash; `hashes` only when a sample was really removed."""

    hash_value: str
    hashes: Hashes | None
    refusal: Refusal | None = None


def delete_one(product: Product, any_hash: str, user: User, *, endpoint: str) -> Removed:
    if "delete" not in user.rights:
        raise Forbidden("You do not have permission to perform this action.")
    outcome = _remove(product, any_hash, user, endpoint)
    if outcome.refusal is not None:
        raise outcome.refusal
    return outcome


def delete_now(product: Product, hash_values: list[str], user: User, *, endpoint: str) -> list[Removed]:
    """Delete each hash at once: what the deprecated bulk delete seems to do, as it answers 200 and gives no task."""
    _may_delete_many(user)
    return [_remove(product, value, user, endpoint) for value in hash_values]


def delete_later(product: Product, hash_values: list[str], user: User) -> Removal:
    """Accept a bulk delete; the samples go when the task is due."""
    _may_delete_many(user)
    due = product.clock.time() + product.resources.processing_seconds
    removal = Removal(next(product.ids.removals), due, tuple(hash_values), user)
    product.removals[removal.id] = removal
    product.removals_to_do.append(removal.id)
    return removal


def carry_out_due(product: Product, *, endpoint: str) -> None:
    now = product.clock.time()
    for removal in [product.removals[number] for number in product.removals_to_do]:
        if removal.done_at > now:
            continue
        product.removals_to_do.remove(removal.id)
        product.removals[removal.id] = replace(removal, carried_out=True)
        for value in removal.hash_values:
            _remove(product, value, removal.user, endpoint, task=removal.id)


def _may_delete_many(user: User) -> None:
    if "delete_bulk" not in user.rights:
        raise Forbidden("You do not have permission to perform this action.")


def _remove(product: Product, any_hash: str, user: User, endpoint: str, *, task: int | None = None) -> Removed:
    sample = product.local.find(any_hash)
    refusal = _why_not(product, any_hash)
    if sample is not None and refusal is None:
        product.local.remove(sample)
    product.ledger.deletes.append(
        {
            "at": fine_stamp(product.clock.now()),
            "endpoint": endpoint,
            "hash_value": any_hash,
            "sha1": sample.hashes.sha1 if sample and refusal is None else None,
            "user": user.id,
            "task": task,
            "result": "deleted" if refusal is None else refusal.text,
        }
    )
    return Removed(any_hash, sample.hashes if sample and refusal is None else None, refusal)


def _why_not(product: Product, any_hash: str) -> Refusal | None:
    """Say 405 by SHA1 and 404 by MD5 or SHA256 for a sample in process or only extracted, as the vendor's page does."""
    sample = product.local.find(any_hash)
    busy = product.queue.holds(any_hash.lower()) or (sample is not None and sample.only_extracted)
    if busy and len(any_hash) == 40:
        return StillProcessing("The sample is being processed or exists only as an extracted file.")
    if busy or sample is None:
        return NotHere("Sample not found.")
    return None
