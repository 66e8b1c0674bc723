"""What happens to a submission when its time has come: verdicts, merging with what was known, going public."""

from collections.abc import Iterable
from dataclasses import replace

from connector.emulator.product.queue import Job
from connector.emulator.product.reach import NO_ROUTE, is_loopback
from connector.emulator.product.sample import Sample, Verdict, merged
from connector.emulator.product.state import Product, UrlTask

URL_LIMIT_SECONDS = 45 * 60  # the vendor's limit for a whole URL submission


def settle(product: Product) -> None:
    """Bring the appliance up to its clock. Every request begins with this."""
    now = product.clock.time()
    for job in product.queue.due(now):
        if job.sample is not None:
            absorb(product, job.sample, to_cloud=job.to_cloud, children=job.children)
        elif job.task is not None:
            _begin_task(product, product.url_tasks[job.task])
    for number in [n for n in product.queue.crawling if _overdue(product, n)]:
        fail_task(product, number, "The URL submission timed out.")


def enqueue_file(product: Product, sample: Sample, *, to_cloud: bool, children: Iterable[Sample] = ()) -> None:
    product.queue.push(Job(_due(product), next(product.ids.jobs), sample, tuple(children), to_cloud))


def enqueue_task(product: Product, number: int) -> None:
    product.queue.push(Job(_due(product), next(product.ids.jobs), task=number))


def absorb(product: Product, sample: Sample, *, to_cloud: bool = False, children: Iterable[Sample] = ()) -> Sample:
    """Take an analysed sample in. Sent to the cloud, it is public, and carries the cloud's verdict."""
    sample = _with_known_verdict(product, sample)
    if to_cloud:
        sample = _published(product, sample)
        children = [_published(product, child) for child in children]
    old = product.local.find(sample.hashes.sha1)
    if old is not None:
        sample = _joined(old, sample)
    product.local.put_all((*(c for c in children if not product.local.find(c.hashes.sha1)), sample))
    return sample


def complete_task(product: Product, number: int, sample: Sample, children: Iterable[Sample] = ()) -> None:
    """End a URL task with the sample that it brought."""
    product.queue.crawling.discard(number)
    task = product.url_tasks[number]
    if task.state == "pending":
        kept = absorb(product, sample, to_cloud=task.crawler == "cloud", children=children)
        product.url_tasks[number] = replace(task, state="complete", sha1=kept.hashes.sha1)


def fail_task(product: Product, number: int, message: str) -> None:
    product.queue.crawling.discard(number)
    task = product.url_tasks[number]
    if task.state == "pending":
        product.url_tasks[number] = replace(task, state="error", message=message)


def _due(product: Product) -> float:
    return product.clock.time() + product.resources.processing_seconds


def _begin_task(product: Product, task: UrlTask) -> None:
    site = product.sites.get(task.url)
    if site is not None:
        now = product.clock.now()
        complete_task(product, task.id, replace(site, last_seen=now, source_url=task.url))
    elif task.crawler == "local" and is_loopback(task.url):
        product.queue.crawling.add(task.id)
    else:
        fail_task(product, task.id, NO_ROUTE)


def _overdue(product: Product, number: int) -> bool:
    return product.clock.time() - product.url_tasks[number].created.timestamp() > URL_LIMIT_SECONDS


def _with_known_verdict(product: Product, sample: Sample) -> Sample:
    loaded = product.verdicts.get(sample.hashes.sha1)
    return replace(sample, verdict=loaded) if loaded else sample


def _published(product: Product, sample: Sample) -> Sample:
    known = product.cloud.find(sample.hashes.sha1)
    if known is None:
        product.cloud.put(replace(sample, user_tags=(), comments=()))
        return replace(sample, cloud_lookup=product.clock.now())
    verdict = _stronger(sample.verdict, known.verdict)
    return replace(sample, verdict=verdict, cloud_lookup=product.clock.now(), av_match=known.av_match)


def _stronger(local: Verdict, cloud: Verdict) -> Verdict:
    return cloud if cloud.known else local


def _joined(old: Sample, new: Sample) -> Sample:
    return replace(
        new,
        id=old.id,
        names=merged(old.names, new.names),
        user_tags=merged(old.user_tags, new.user_tags),
        comments=(*old.comments, *new.comments),
        first_seen=min(old.first_seen, new.first_seen),
        last_seen=max(old.last_seen, new.last_seen),
        verdict=new.verdict if new.verdict.known else old.verdict,
        only_extracted=old.only_extracted and new.only_extracted,
        properties=new.properties or old.properties,
    )
