"""A local file, opened so that only a file inside the allowed folders is ever read, and hashed as it stood at one time.

With roots, no part of a name below a root is followed where it is a link: every folder is opened relative to the one
above it (openat with O_NOFOLLOW, POSIX.1-2008), so nobody who swaps names meanwhile can lead out of the root. A name
outside the roots is refused by its letters alone; the file system is not asked about it.
"""

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import reduce
from operator import or_
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from connector.errors import InputRefused, Violation
from connector.plan import Sent

CHUNK: Final = 1 << 20
UNREADABLE: Final = "must be a file that exists and can be read"
OUTSIDE: Final = "must lie inside one of the folders of the setting file_roots"
NO_ROOTS: Final = "must be left out, as the setting file_roots names no folder; give content_base64 instead"
LINKED: Final = "must not be reached through a link below a folder of file_roots; name the real path instead"
IRREGULAR: Final = "must be a regular file, not a folder or a device"
HARD_LINKED: Final = "must have no other names (hard links); copy it and submit the copy"
ELSEWHERE: Final = "must be on the same device as its folder of file_roots; copy it there and submit the copy"
EMPTY: Final = "must hold at least one byte"
CHANGED: Final = "must not change while it is read; copy it elsewhere and submit the copy"

State = tuple[int, int, int, int, int, int]


def _flags(*names: str) -> int:
    """These flags of open, without those that the platform does not know."""
    return reduce(or_, (getattr(os, name, 0) for name in names))


# O_PATH: to pass through a folder takes the right to search it, not to list it (Linux, open(2)).
_FOLDER: Final = _flags("O_RDONLY", "O_PATH", "O_DIRECTORY", "O_CLOEXEC")
# O_NONBLOCK: a FIFO that was swapped in does not block. O_NOCTTY: a terminal does not become ours.
_FILE: Final = _flags("O_RDONLY", "O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY")
_NO_LINK: Final = _flags("O_NOFOLLOW")
_BY_DESCRIPTOR: bool = {os.open, os.stat} <= os.supports_dir_fd and bool(_NO_LINK)


@dataclass(frozen=True, slots=True)
class Opened:
    """A regular file that is open for reading: ``size`` in bytes when it was opened, at least 1.

    ``unchanged`` says whether the open file still has the device, inode, size, times of change and number of names
    it had then, and its name, where it can still be looked at without following a link, still means this file. A write
    within one tick of the file system's clock that keeps the size can go unnoticed. Whoever gets it closes ``stream``.
    """

    stream: BinaryIO
    size: int
    unchanged: Callable[[], bool]


class _Folder(NamedTuple):
    """Where the last part of a name is looked up: an open folder, or without one the path to put before it."""

    descriptor: int | None
    before: str
    device: int


def opened(path: Path, roots: tuple[Path, ...] | None) -> Opened:
    """Open a regular file for reading.

    roots None: any file, links followed, as the caller names its own files. Otherwise the path, made absolute and
    normalised by its letters, must lie below a root as written or below the real path of that root. The root may be
    reached through links; below it there must be none, and the file must be on the root's device and have one name.
    A path that begins with ``~`` begins with a home folder.

    Raises:
        InputRefused: naming ``/file``; no descriptor stays open.
    """
    try:
        return _anywhere(path) if roots is None else _within(*_placed(path, roots))
    except (OSError, ValueError, RuntimeError):  # ValueError: NUL or half a surrogate pair; RuntimeError: no such home
        raise _refused(UNREADABLE) from None


def digest(source: Path | bytes, roots: tuple[Path, ...] | None, go_on: Callable[[], None] = lambda: None) -> Sent:
    """The SHA-1, SHA-256 and size of a file or of bytes, a mebibyte at a time; ``go_on`` raises to break it off.

    Raises:
        InputRefused: naming ``/file`` as ``opened`` does, or because it changed meanwhile; or ``/content_base64``.
    """
    if isinstance(source, bytes):
        if not source:
            raise InputRefused.of([Violation("/content_base64", EMPTY)])
        view = memoryview(source)
        return _hashed((view[at : at + CHUNK] for at in range(0, len(view), CHUNK)), len(view), go_on)
    file = opened(source, roots)
    with file.stream:
        sent = _hashed(chunks(file), file.size, go_on)
        if not file.unchanged():
            raise _refused(CHANGED)
    return sent


def _hashed(chunks: Iterator[bytes | memoryview], size: int, go_on: Callable[[], None]) -> Sent:
    """Both hashes at once: SHA-256 in a thread of its own (hashlib lets go of the lock), one chunk behind at most."""
    sha1, sha256 = hashlib.sha1(usedforsecurity=False), hashlib.sha256()
    with ThreadPoolExecutor(1, "sha256") as beside:
        other: Future[None] | None = None
        for chunk in chunks:
            go_on()
            if other is not None:
                other.result()
            other = beside.submit(sha256.update, chunk)
            sha1.update(chunk)
    return Sent(sha1.hexdigest(), sha256.hexdigest(), size)


def chunks(file: Opened) -> Iterator[bytes]:
    """As many bytes as the file had when it was opened, a mebibyte at a time, however it grows meanwhile.

    Raises:
        InputRefused: naming ``/file``, when it cannot be read to that end.
    """
    left = file.size
    while left:
        try:
            chunk = file.stream.read(min(CHUNK, left))
        except OSError:
            raise _refused(UNREADABLE) from None
        if not chunk:
            raise _refused(CHANGED)
        left -= len(chunk)
        yield chunk


def _anywhere(path: Path) -> Opened:
    place = path.expanduser().absolute()
    _check(os.stat(place))  # noqa: PTH116  # first, as to open a device or a FIFO can do something
    stream, state = _taken(os.open(place, _FILE))
    real = os.path.realpath(place)
    return _watched(stream, state, lambda: os.lstat(real))


def _placed(path: Path, roots: tuple[Path, ...]) -> tuple[Path, tuple[str, ...]]:
    """The innermost root that a path lies in, to be opened as it is written, and the names from there."""
    if "\0" in str(path):  # os.path.normpath of Python 3.11.0 to 3.11.4 ends there (CVE-2023-41105)
        raise _refused(UNREADABLE)
    place = _normalised(path.expanduser())
    bases = [(base, root.absolute()) for root in map(Path.expanduser, roots) for base in _bases(root)]
    found = [
        (len(base.parts), root, place.relative_to(base).parts) for base, root in bases if place.is_relative_to(base)
    ]
    if not found:
        raise _refused(OUTSIDE if roots else NO_ROOTS)
    _, root, names = max(found)
    return root, names


def _bases(root: Path) -> tuple[Path, Path]:
    return _normalised(root), Path(os.path.realpath(root))


def _normalised(path: Path) -> Path:
    """Absolute, without ``.``, ``..`` and a double slash at the front, which POSIX leaves to the system."""
    text = os.path.abspath(path)  # noqa: PTH100  # pathlib does not remove ..
    return Path("/" + text.lstrip("/") if text.startswith("//") else text)


def _within(root: Path, names: tuple[str, ...]) -> Opened:
    """Open a file below a root.

    It is looked at before, while and after it is opened, and all must agree: a hard link to a file elsewhere could
    be put there, opened and taken away again, and the open file would then have one name, but not this one.
    """
    if not names:
        raise _refused(IRREGULAR)

    def look() -> os.stat_result:
        with _folder(root, names[:-1]) as folder:
            return _named(folder, names[-1])

    with ExitStack() as held:
        with _folder(root, names[:-1]) as folder:
            first = _named(folder, names[-1])
            _check(first, folder.device)
            descriptor = os.open(folder.before + names[-1], _FILE | _NO_LINK, dir_fd=folder.descriptor)
            stream, state = _taken(descriptor, folder.device)
            held.enter_context(stream)
        if not _state(first) == state == _state(look()):
            raise _refused(CHANGED)
        held.pop_all()
    return _watched(stream, state, look)


@contextmanager
def _folder(root: Path, names: tuple[str, ...]) -> Iterator[_Folder]:
    """The folder below a root by its names, none of which may be a link; one descriptor is open at a time or two."""
    if not _BY_DESCRIPTOR:
        yield _folder_by_path(root, names)
        return
    folder = os.open(root, _FOLDER)
    try:
        device = os.fstat(folder).st_dev
        for name in names:
            below = _entered(folder, name)
            os.close(folder)
            folder = below
        yield _Folder(folder, "", device)
    finally:
        os.close(folder)


def _entered(folder: int, name: str) -> int:
    try:
        return os.open(name, _FOLDER | _NO_LINK, dir_fd=folder)
    except OSError:
        _named(_Folder(folder, "", 0), name)  # a link is told apart from what is no folder
        raise


def _folder_by_path(root: Path, names: tuple[str, ...]) -> _Folder:
    """As _folder where nothing can be opened relative to a folder (Windows): links are seen by resolving the path.

    A link that is swapped in and out again between two looks can go unnoticed there.
    """
    base = root.resolve(strict=True)
    place = base.joinpath(*names)
    if place.resolve() != place:
        raise _refused(LINKED)
    return _Folder(None, os.path.join(place, ""), base.stat().st_dev)  # noqa: PTH118  # for its separator


def _named(folder: _Folder, name: str) -> os.stat_result:
    """What a name in a folder means; a link is refused."""
    found = os.stat(folder.before + name, dir_fd=folder.descriptor, follow_symlinks=False)
    if stat.S_ISLNK(found.st_mode):
        raise _refused(LINKED)
    return found


def _taken(descriptor: int, device: int | None = None) -> tuple[BinaryIO, State]:
    """The stream of a descriptor and its state; a descriptor of what may not be read is closed."""
    try:
        found = os.fstat(descriptor)
        _check(found, device)
        return os.fdopen(descriptor, "rb", buffering=0), _state(found)
    except BaseException:
        os.close(descriptor)
        raise


def _check(found: os.stat_result, device: int | None = None) -> None:
    """Refuse what may not be read; with the device of a root, also what may come from outside of it."""
    if not stat.S_ISREG(found.st_mode):
        raise _refused(IRREGULAR)
    if device is not None and found.st_dev != device:
        raise _refused(ELSEWHERE)
    if device is not None and found.st_nlink > 1:
        raise _refused(HARD_LINKED)
    if found.st_size == 0:
        raise _refused(EMPTY)


def _watched(stream: BinaryIO, state: State, look: Callable[[], os.stat_result]) -> Opened:
    def unchanged() -> bool:
        try:
            if _state(os.fstat(stream.fileno())) != state:
                return False
        except (OSError, ValueError):  # ValueError: it was closed
            return False
        try:
            return _state(look()) == state
        except (OSError, InputRefused):  # the name moved away, or is behind a link by now: what is open still counts
            return True

    return Opened(stream, state[2], unchanged)


def _state(found: os.stat_result) -> State:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_nlink


def _refused(message: str) -> InputRefused:
    return InputRefused.of([Violation("/file", message)])
