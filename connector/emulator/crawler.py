"""The crawler: fetches what a URL submission points at, from loopback hosts only, in the background.

An emulator must not reach out into networks. What lies behind any other URL is what the lab loaded for it; if that
is nothing, the submission ends in an error that says so.
"""

import asyncio
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from urllib.parse import urldefrag, urljoin, urlsplit

import httpx
from bs4 import BeautifulSoup

from connector.emulator.product.analysis import Findings, children_of, examine, sample_from
from connector.emulator.product.content import Content, Intake
from connector.emulator.product.processing import complete_task, fail_task
from connector.emulator.product.reach import NO_ROUTE, is_loopback
from connector.emulator.product.refusals import TooLarge
from connector.emulator.product.state import Product, UrlTask

MAX_LINKS = 50
_TRIES = 3  # the vendor's number of attempts for each download
_TIMEOUT = httpx.Timeout(30.0)
_MAX_REDIRECTS = 5
_MAX_PAGE = 8 << 20
_OLDEST = (1980, 1, 1, 0, 0, 0)  # the same content gives the same ZIP


class CrawlError(Exception):
    """Why a URL could not be brought in; its text becomes the submission's `message`."""


@dataclass(frozen=True, slots=True)
class Fetched:
    url: str
    is_page: bool
    content: Content
    path: Path


class Crawls:
    """Starts the crawls that are due, and lets them end in their own time."""

    def __init__(self, product: Product) -> None:
        self._product = product
        self._running: dict[int, asyncio.Task[None]] = {}

    def start_due(self) -> None:
        waiting = self._product.queue.crawling - self._running.keys()
        for number in waiting:
            task = asyncio.get_running_loop().create_task(self._crawl(self._product.url_tasks[number]))
            self._running[number] = task

    async def _crawl(self, task: UrlTask) -> None:
        product = self._product
        try:
            findings, name = await bring_in(product, task)
            sample = replace(sample_from(product, findings, (name,)), source_url=task.url)
            complete_task(product, task.id, sample, children_of(product, findings))
        except CrawlError as error:
            fail_task(product, task.id, str(error))
        finally:
            self._running.pop(task.id, None)


async def bring_in(product: Product, task: UrlTask) -> tuple[Findings, str]:
    """Fetch a URL: a page becomes a ZIP with what it links to, a file stays as it is."""
    fetcher = _Fetcher(product, product.resources.max_crawl_bytes)
    files: list[Fetched] = []
    try:
        async with httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False, verify=False) as client:  # noqa: S501 - loopback
            files.append(await fetcher.fetch(client, task.url))
            if files[0].is_page:
                files += await _linked(client, fetcher, files[0])
        return await asyncio.to_thread(_examined, product, task, files)
    finally:
        for file in files:
            file.path.unlink(missing_ok=True)


def links_of(page: str, base: str) -> list[str]:
    """List what a page refers to, one level deep, loopback only, without repeating anything."""
    soup = BeautifulSoup(page, "html.parser")
    found = (str(tag.get(key)) for tag in soup.find_all(True) for key in ("href", "src") if tag.get(key))
    absolute = (urldefrag(urljoin(base, link)).url for link in found)
    wanted = (url for url in absolute if url.startswith(("http://", "https://")) and is_loopback(url))
    return [url for url in dict.fromkeys(wanted) if url != urldefrag(base).url][:MAX_LINKS]


class _Fetcher:
    """Downloads to disk, with one budget of bytes for the whole submission."""

    def __init__(self, product: Product, budget: int) -> None:
        self._product = product
        self._left = budget

    async def fetch(self, client: httpx.AsyncClient, url: str) -> Fetched:
        for _ in range(_TRIES - 1):
            try:
                return await self._fetch_once(client, url)
            except httpx.HTTPError:
                continue
        try:
            return await self._fetch_once(client, url)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise CrawlError("The URL could not be downloaded.") from error

    async def _fetch_once(self, client: httpx.AsyncClient, url: str) -> Fetched:
        for _ in range(_MAX_REDIRECTS):
            async with client.stream("GET", url) as response:
                if response.has_redirect_location:
                    url = urljoin(url, response.headers["location"])
                    if not is_loopback(url):
                        raise CrawlError(NO_ROUTE)
                    continue
                if not response.is_success:
                    raise CrawlError(f"The URL answered with status {response.status_code}.")
                return await self._store(response, url)
        raise CrawlError("The URL redirects too often.")

    async def _store(self, response: httpx.Response, url: str) -> Fetched:
        path = self._product.workshop / f"crawl-{next(self._product.ids.jobs)}"
        intake = Intake(self._product.workshop, f"{path.name}-archive", self._left)
        try:
            with path.open("wb") as file:
                async for chunk in response.aiter_bytes():
                    intake.write(chunk)
                    file.write(chunk)
        except (TooLarge, httpx.HTTPError) as error:
            intake.abandon()
            path.unlink(missing_ok=True)
            if isinstance(error, TooLarge):
                raise CrawlError("The URL holds more data than the configured maximum.") from error
            raise
        content = intake.done()
        content.discard()
        self._left -= content.size
        is_page = "html" in response.headers.get("content-type", "")
        return Fetched(url, is_page, replace(content, path=path if content.path else None), path)


async def _linked(client: httpx.AsyncClient, fetcher: _Fetcher, page: Fetched) -> list[Fetched]:
    with page.path.open("rb") as file:
        text = file.read(_MAX_PAGE).decode("utf-8", "replace")
    files = []
    for url in links_of(text, page.url):
        try:
            files.append(await fetcher.fetch(client, url))
        except CrawlError:
            continue
    return files


def _examined(product: Product, task: UrlTask, files: list[Fetched]) -> tuple[Findings, str]:
    first = files[0]
    if not first.is_page:
        return examine(first.content), PurePosixPath(urlsplit(first.url).path).name or "download"
    path = product.workshop / f"site-{task.id}.zip"
    try:
        _zip(files, path)
        intake = Intake(product.workshop, f"site-{task.id}-archive", 4 * product.resources.max_crawl_bytes)
        with path.open("rb") as file:
            while chunk := file.read(1 << 18):
                intake.write(chunk)
        content = intake.done()
        try:
            return examine(content), f"{urlsplit(task.url).hostname}.zip"
        finally:
            content.discard()
    finally:
        path.unlink(missing_ok=True)


def _zip(files: list[Fetched], path: Path) -> None:
    taken: set[str] = set()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, file in enumerate(files):
            name = PurePosixPath(urlsplit(file.url).path).name or "index.html"
            name = f"{number}-{name}" if name in taken else name
            taken.add(name)
            entry = zipfile.ZipInfo(name, _OLDEST)
            entry.compress_type = zipfile.ZIP_DEFLATED
            with file.path.open("rb") as source, archive.open(entry, "w") as target:
                while chunk := source.read(1 << 18):
                    target.write(chunk)
