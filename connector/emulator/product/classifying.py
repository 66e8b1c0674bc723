"""One sample's verdict, from the appliance or from the cloud, and what asking the cloud costs."""

from dataclasses import dataclass, replace

from connector.emulator.product.clock import fine_stamp
from connector.emulator.product.ledger import hidden_userinfo
from connector.emulator.product.refusals import CloudUnavailable
from connector.emulator.product.sample import Sample
from connector.emulator.product.state import Product


@dataclass(frozen=True, slots=True)
class Answered:
    """A verdict with the place it came from."""

    sample: Sample
    from_cloud: bool


def classify(product: Product, any_hash: str, *, local_only: bool) -> Answered | None:
    """Look on the appliance; ask the cloud, unless told not to, for what is not there or not classified there."""
    local = product.local.find(any_hash)
    if local is not None and (local_only or local.verdict.known):
        return Answered(local, from_cloud=False)
    if local_only:
        return None
    cloud = ask_cloud(product, any_hash, local_too=local is not None)
    if local is None:
        return Answered(cloud, from_cloud=True) if cloud else None
    local = replace(local, cloud_lookup=product.clock.now())
    if cloud is not None and cloud.verdict.known:
        local = replace(local, verdict=cloud.verdict, av_match=cloud.av_match)
    return Answered(local, from_cloud=cloud is not None and cloud.verdict.known)


def ask_cloud(product: Product, any_hash: str, *, local_too: bool) -> Sample | None:
    """Spend one query. When the day's are spent, a hash the appliance has is answered from there alone."""
    if product.resources.cloud_available and local_too and not product.quota.left(product.resources.cloud_quota):
        return None
    _spend(product, "hash_value", any_hash)
    return product.cloud.find(any_hash)


def ask_about_url(product: Product, url: str) -> Sample | None:
    """Spend one query. The cloud knows of a URL what the lab loaded for it, and of every other one nothing."""
    _spend(product, "url", hidden_userinfo(url))
    return product.sites.get(url)


def _spend(product: Product, kind: str, asked: str) -> None:
    if not product.resources.cloud_available:
        raise CloudUnavailable("Spectra Intelligence API error: Unauthorized.")
    if not product.quota.left(product.resources.cloud_quota):
        raise product.quota.refusal()
    product.quota.spend()
    product.ledger.cloud_queries.append({"at": fine_stamp(product.clock.now()), kind: asked})
