"""The endpoints that take many hashes: processing status, summary, details, reanalysis."""

from collections.abc import Callable

from connector.emulator.pages import reports
from connector.emulator.pages.bodies import Values, flag, hashes_in, only, read_values
from connector.emulator.pages.exchange import Answer, Request, as_json
from connector.emulator.product.hashes import kind_of
from connector.emulator.product.reanalysis import ENGINES, note, reanalyze
from connector.emulator.product.refusals import Invalid
from connector.emulator.product.sample import Sample
from connector.emulator.product.state import Product

Shape = Callable[[Product, Sample, list[str]], dict[str, object]]
_STATUSES = ("processed", "not_found")


async def status(product: Product, request: Request) -> Answer:
    """Say which hashes have an analysis, perhaps an older one; there are only two words for it."""
    wanted = request.query.get("status")
    if wanted is not None and wanted not in _STATUSES:
        raise Invalid("Supported values: processed, not_found.", field="status")
    hashes = hashes_in(await read_values(request), "hash_values", product.switches)
    results = []
    for text in hashes:
        found = product.local.find(text) is not None
        word = "processed" if found else "not_found"
        hidden = not found and product.switches.status_missing == "omitted"
        if not hidden and wanted in {None, word}:
            results.append({"hash_value": text, "status": word})
    if product.switches.status_body == "list":
        return as_json(results)
    return as_json({"hash_type": kind_of(hashes[0]), "results": results})


async def summary(product: Product, request: Request) -> Answer:
    values = await read_values(request)
    fields = _fields(values, frozenset(reports.FIELDS))
    return _listed(product, values, fields, reports.summary)


async def details(product: Product, request: Request) -> Answer:
    values = await read_values(request)
    fields = _fields(values, reports.DETAIL_FIELDS)
    return _listed(product, values, fields, reports.details)


async def old_summary(product: Product, request: Request) -> Answer:
    """The first list, in the old words; it knows no choice of fields."""
    values = await read_values(request)
    return _listed(product, values, [], lambda p, s, _: reports.old_summary(p, s))


async def analyze_bulk(product: Product, request: Request) -> Answer:
    """Queue samples again; each engine's own code stands inside the 200."""
    values = await read_values(request)
    engines = [name.strip() for name in (only(values, "analysis") or "").split(",") if name.strip()]
    if not engines or not ENGINES.issuperset(engines):
        raise Invalid(f"Supported values: {', '.join(sorted(ENGINES))}.", field="analysis")
    if "rl_cloud_sandbox" in engines and not only(values, "rl_cloud_sandbox_platform"):
        raise Invalid("This field is required with rl_cloud_sandbox.", field="rl_cloud_sandbox_platform")
    results = []
    for sample in _samples(product, values, "hash_value"):
        queued = reanalyze(product, sample, engines)
        analysis = [{"name": q.name, "code": q.code, "message": q.message} for q in queued]
        results.append({"detail": _all_hashes(sample), "analysis": analysis})
    return as_json({"results": results})


def _listed(product: Product, values: Values, fields: list[str], shape: Shape) -> Answer:
    samples = _samples(product, values, "hash_values")
    if not flag(values, "skip_reanalysis", default=False):
        for sample in samples:
            note(product, sample, trigger="list", public=[])
    results = [shape(product, sample, fields) for sample in samples]
    return as_json({"count": len(results), "next": None, "previous": None, "results": results})


def _samples(product: Product, values: Values, key: str) -> list[Sample]:
    found = (product.local.find(text) for text in hashes_in(values, key, product.switches))
    return [sample for sample in found if sample is not None]


def _fields(values: Values, known: frozenset[str]) -> list[str]:
    fields = [str(item) for item in values.get("fields", [])]
    if unknown := sorted(set(fields) - known):
        raise Invalid(f"Invalid field name: {', '.join(unknown)}.", field="fields")
    if flag(values, "include_networkthreatintelligence", default=False):
        needed = {"networkthreatintelligence", "domainthreatintelligence"}
        if fields and not needed.issubset(fields):
            raise Invalid(f"Must include {' and '.join(sorted(needed))}.", field="fields")
    return fields


def _all_hashes(sample: Sample) -> dict[str, str | None]:
    h = sample.hashes
    return {"sha1": h.sha1, "sha256": h.sha256, "sha512": h.sha512, "md5": h.md5, "imphash": sample.imphash}
