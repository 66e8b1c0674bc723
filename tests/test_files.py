"""A file is read only from inside its folders: no name, no link and no swap leads out, and no descriptor stays open."""

import hashlib
import os
import socket
import sys
import threading
import tracemalloc
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector import files
from connector.errors import InputRefused
from connector.files import CHUNK, digest, opened
from connector.plan import Sent

pytestmark = pytest.mark.skipif(os.name != "posix", reason="links, FIFOs and devices as POSIX has them")

RACES = int(os.environ.get("PROVE_RACES", "300"))
INSIDE, OUTSIDE = b"inside", b"outside"
SHM = Path("/dev/shm")

# What each refusal says, by a part of its sentence.
GONE, OUT, NONE = "exists and can be read", "inside one of the folders", "names no folder"
LINK, KIND, HARD = "through a link", "regular file", "hard links"
DEVICE, EMPTY, MOVED = "same device", "at least one byte", "must not change"


class Small:
    """A root with two folders of one file each; beside it a file and a folder that must never be opened."""

    def __init__(self, folder):
        self.folder = folder.resolve()
        self.root, self.beside = self.folder / "data", self.folder / "data2"
        self.secret = self.beside / "secret"
        for place in (self.root / "sub", self.root / "real", self.beside / "sub"):
            place.mkdir(parents=True)
        for name in ("sub/file", "real/file"):
            (self.root / name).write_bytes(INSIDE)
        for name in ("secret", "sub/file"):
            (self.beside / name).write_bytes(OUTSIDE)

    def outside(self):
        """What identifies everything beside the root."""
        return {identity(path.stat()) for path in (self.beside, *self.beside.rglob("*"))}


class World(Small):
    """The same with whatever else a name can lead to."""

    def __init__(self, folder):
        super().__init__(folder)
        (self.root / "sub/deep").mkdir()
        for name in ("file", "sub/deep/file", "Ünï \u202e.exe", "..file", "-", "a b"):
            (self.root / name).write_bytes(INSIDE)
        (self.beside / "file").write_bytes(OUTSIDE)
        (self.root / "empty").touch()
        os.mkfifo(self.root / "pipe")
        self.links()

    def links(self):
        root, beside = self.root, self.beside
        there = {
            "link": self.secret,
            "relative": "../data2/secret",
            "own": root / "file",
            "own-relative": "file",
            "dangling": "nowhere",
            "loop": "loop",
            "ping": "pong",
            "pong": "ping",
            "folder-link": beside,
            "own-folder": "sub",
            "up": "..",
            "to-root": "/",
            "to-self": ".",
            "null": "/dev/null",
            "environ": "/proc/self/environ",
            "sub/link": "../../data2/secret",
            "sub/up": "../..",
        }
        for name, target in there.items():
            (root / name).symlink_to(target)
        os.link(self.secret, root / "hard")
        os.link(root / "real/file", root / "real/other")


def identity(found):
    return found.st_dev, found.st_ino


def descriptors():
    """The open descriptors of this process, and one for the look itself."""
    return len(list(Path("/dev/fd").iterdir()))


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


@pytest.fixture(autouse=True)
def closed():
    """Every test of this file leaves as many descriptors open as it found."""
    if not Path("/dev/fd").exists():
        yield
        return
    before = descriptors()
    yield
    assert descriptors() == before


@pytest.fixture
def touched(monkeypatch):
    """Everything that was opened since, by device and inode."""
    seen, real = set(), os.open

    def spy(*args, **more):
        descriptor = real(*args, **more)
        seen.add(identity(os.fstat(descriptor)))
        return descriptor

    monkeypatch.setattr(os, "open", spy)
    return seen


@pytest.fixture(params=["by descriptor", "by path"])
def either_way(request, monkeypatch):
    """As the platform opens files, and as one without openat does."""
    monkeypatch.setattr(files, "_BY_DESCRIPTOR", request.param == "by descriptor")


def content(path, roots):
    made = opened(Path(path), roots)
    with made.stream as stream:
        return stream.read()


def refusal(path, roots):
    with pytest.raises(InputRefused) as refused:
        opened(Path(path), roots)
    assert [found.pointer for found in refused.value.violations] == ["/file"]
    return refused.value.violations[0].message


# Relative names are below the root, absolute ones are as they are; {} is the folder of the world.
ESCAPES = [
    ("../data2/secret", OUT),
    ("../../../../../../../../etc/passwd", OUT),
    ("sub/../../data2/secret", OUT),
    ("sub/deep/../../../data2/secret", OUT),
    ("own-folder/../../data2/secret", OUT),
    ("./.././data2/./secret", OUT),
    ("..", OUT),
    ("../", OUT),
    ("{}/data2/secret", OUT),
    ("{}/data2", OUT),
    ("{}/data2/../data2/secret", OUT),
    ("/{}/data2/secret", OUT),
    ("//{}//data2//secret", OUT),
    ("{}/data/../data2/secret", OUT),
    ("{}/DATA/file", OUT),
    ("{}/dat", OUT),
    ("{}", OUT),
    ("/", OUT),
    ("//", OUT),
    ("/etc/passwd", OUT),
    ("/dev/null", OUT),
    ("/dev/zero", OUT),
    ("/dev/stdin", OUT),
    ("/dev/fd/0", OUT),
    ("/proc/self/environ", OUT),
    ("/proc/self/mem", OUT),
    ("/proc/self/maps", OUT),
    ("/proc/self/fd/0", OUT),
    ("/proc/self/root{}/data2/secret", OUT),
    ("/proc/self/cwd/file", OUT),
    ("/proc/kcore", OUT),
    ("~", OUT),
    ("~/.ssh/id_ed25519", OUT),
    ("~root/.profile", OUT),
    ("~nobody-of-this-name/x", GONE),
    ("link", LINK),
    ("relative", LINK),
    ("own", LINK),
    ("own-relative", LINK),
    ("dangling", LINK),
    ("loop", LINK),
    ("ping", LINK),
    ("null", LINK),
    ("environ", LINK),
    ("sub/link", LINK),
    ("sub/up", LINK),
    ("sub/up/data2/secret", LINK),
    ("folder-link", LINK),
    ("folder-link/secret", LINK),
    ("folder-link/sub/file", LINK),
    ("own-folder/file", LINK),
    ("up/data2/secret", LINK),
    ("up/data/file", LINK),
    ("to-root/etc/passwd", LINK),
    ("to-root/proc/self/environ", LINK),
    ("to-self/file", LINK),
    ("loop/file", "must "),  # Python versions differ in what they make of it without openat
    ("folder-link/", LINK),
    ("hard", HARD),
    ("real/file", HARD),
    ("real/other", HARD),
    ("pipe", KIND),
    ("pipe/", KIND),
    ("sub", KIND),
    ("sub/", KIND),
    ("", KIND),
    (".", KIND),
    ("sub/..", KIND),
    ("{}/data", KIND),
    ("{}/data/", KIND),
    ("empty", EMPTY),
    ("nothing", GONE),
    ("nothing/file", GONE),
    ("sub/nothing", GONE),
    ("file/file", GONE),
    ("pipe/file", GONE),
    ("file\0", GONE),
    ("file\0/../../data2/secret", GONE),
    ("\0", GONE),
    ("{}/data2/secret\0{}/data/file", GONE),
    ("n" * 256, GONE),
    ("n" * 5000, GONE),
    ("n/" * 5000 + "n", GONE),
    ("\ud800", GONE),
    ("\udcff", GONE),
    ("sub\udcc0\udcae\udcae/file", GONE),
    ("\u2025/data2/secret", GONE),
    ("\uff0e\uff0e/data2/secret", GONE),
    ("..\u2215data2\u2215secret", GONE),
    ("..\\data2\\secret", GONE),
    ("%2e%2e/data2/secret", GONE),
    ("file:///etc/passwd", GONE),
    ("file\n", GONE),
    ("file ", GONE),
    ("Unï \u202e.exe", GONE),
    ("$HOME/x", GONE),
    ("*", GONE),
]


@pytest.mark.parametrize(("name", "told"), ESCAPES, ids=lambda value: ascii(value)[:40])
def test_no_name_leads_out_of_the_root(world, monkeypatch, touched, either_way, name, told):
    monkeypatch.chdir(world.root)

    message = refusal(name.replace("{}", str(world.folder)), (world.root,))

    assert told in message
    assert not touched & world.outside(), "something outside was opened"
    assert str(world.folder) not in message


def test_the_table_of_escapes_is_long_enough():
    assert len({name for name, _ in ESCAPES}) >= 40


@pytest.mark.parametrize(
    "name",
    [
        *("file", "sub/file", "sub/deep/file", "./file", "sub//file", "sub/../file", "sub/deep/../file", "file/"),
        *(
            "..file",
            "-",
            "a b",
            "Ünï \u202e.exe",
            "../data/file",
            "{}/data/file",
            "/{}/data/file",
            "//{}/data/file",
            "own/../file",
        ),
        *("{}/data2/../data/file", "nothing/../file"),
    ],
)
def test_a_file_inside_is_opened_however_its_name_is_written(world, monkeypatch, either_way, name):
    monkeypatch.chdir(world.root)

    assert content(name.replace("{}", str(world.folder)), (world.root,)) == INSIDE


class TestRoots:
    def test_without_a_limit_every_regular_file_is_opened_and_links_are_followed(self, world, monkeypatch):
        monkeypatch.chdir(world.root)

        assert content(world.secret, None) == content("link", None) == content("folder-link/secret", None) == OUTSIDE
        assert content("hard", None) == OUTSIDE

    @pytest.mark.parametrize(
        ("name", "told"),
        [
            *(("pipe", KIND), ("sub", KIND), ("", KIND), ("/dev/null", KIND), ("/dev/zero", KIND), ("null", KIND)),
            *(("loop", GONE), ("ping", GONE), ("dangling", GONE), ("nothing", GONE), ("a\0", GONE), ("\ud800", GONE)),
            *(("empty", EMPTY), ("/proc/self/environ", EMPTY), ("/proc/self/mem", EMPTY), ("n" * 256, GONE)),
            *(("n/" * 5000, GONE), ("~nobody-of-this-name", GONE)),
        ],
    )
    def test_without_a_limit_only_what_can_be_a_sample_is_opened(self, world, monkeypatch, name, told):
        monkeypatch.chdir(world.root)

        assert told in refusal(name, None)

    def test_an_open_descriptor_can_be_named_where_there_is_no_limit(self, world):
        with (world.root / "file").open("rb") as stream:
            name = f"/proc/self/fd/{stream.fileno()}"

            assert content(name, None) == INSIDE
            assert OUT in refusal(name, (world.root,))

    def test_no_root_at_all_allows_nothing_and_says_what_to_do(self, world, either_way):
        for name in (world.root / "file", "/", "", "nothing"):
            assert NONE in refusal(name, ())
        assert "content_base64" in refusal("file", ())

    def test_a_root_may_be_reached_through_links_and_named_either_way(self, world, either_way):
        (world.folder / "alias").symlink_to("data")
        (world.folder / "way").symlink_to(".")
        root = world.folder / "way" / "alias"

        assert content(root / "sub/file", (root,)) == content(world.root / "sub/file", (root,)) == INSIDE
        assert LINK in refusal(root / "link", (root,))
        assert LINK in refusal(root / "own-folder" / "file", (root,))
        assert OUT in refusal(world.folder / "alias" / "file", (root,)), "a third name of the root was not configured"

    def test_a_root_with_dots_after_a_link_is_the_folder_that_the_system_means(self, world, either_way):
        (world.folder / "far").mkdir()
        (world.folder / "far" / "jump").symlink_to(world.root / "sub")
        root = world.folder / "far" / "jump" / ".."  # the parent of data/sub, which is data

        assert content(world.root / "file", (root,)) == INSIDE

    def test_a_relative_root_is_below_the_current_folder(self, world, monkeypatch, either_way):
        monkeypatch.chdir(world.folder)

        assert content("data/file", (Path("data"),)) == content(world.root / "file", (Path("data"),)) == INSIDE
        assert OUT in refusal("data2/secret", (Path("data"),))

    def test_a_home_folder_can_be_a_root_and_begin_a_name(self, world, monkeypatch, either_way):
        monkeypatch.setenv("HOME", str(world.root))

        assert content("~/file", (Path("~"),)) == content("~/file", (world.root,)) == content("~/file", None) == INSIDE

    def test_the_innermost_root_counts(self, world, either_way):
        inner = world.root / "own-folder"

        assert LINK in refusal(inner / "file", (world.root,))
        assert content(inner / "file", (world.root, inner)) == content(inner / "file", (inner, world.root)) == INSIDE

    def test_each_of_several_roots_allows_its_own(self, world, either_way):
        roots = (world.root / "sub", world.beside)

        assert content(world.root / "sub/file", roots) == INSIDE
        assert content(world.beside / "file", roots) == OUTSIDE
        assert OUT in refusal(world.root / "file", roots)

    def test_a_root_that_is_not_there_allows_nothing(self, world, either_way):
        for root in (world.folder / "missing", world.root / "loop", world.root / "dangling", world.root / "file"):
            assert GONE in refusal(root / "file", (root,))
            assert OUT in refusal(world.secret, (root,))

    def test_a_root_that_no_path_can_be_is_refused_as_any_other(self, world, either_way):
        for root in ("\0", "\ud800", "n" * 5000, "~nobody-of-this-name"):
            assert refusal(world.secret, (Path(root),)) in (files.UNREADABLE, files.OUTSIDE)

    def test_a_current_folder_that_is_gone_is_no_crash(self, world, monkeypatch, either_way):
        (world.folder / "gone").mkdir()
        monkeypatch.chdir(world.folder / "gone")
        (world.folder / "gone").rmdir()

        assert GONE in refusal("file", (world.root,))
        assert GONE in refusal("file", None)
        assert content(world.root / "file", (world.root,)) == INSIDE


class TestKinds:
    def test_a_socket_is_no_file(self, world, monkeypatch, either_way):
        monkeypatch.chdir(world.root)  # the address of a socket is short
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind("socket")

            assert KIND in refusal("socket", (world.root,))
            assert KIND in refusal("socket", None)

    def test_a_device_inside_the_root_is_no_file_and_is_not_even_opened(self, world, touched, either_way):
        try:
            os.mknod(world.root / "zero", 0o20666, os.makedev(1, 5))
        except PermissionError:
            pytest.skip("making a device takes a right that is missing here")

        assert KIND in refusal(world.root / "zero", (world.root,))
        assert identity((world.root / "zero").stat()) not in touched

    def test_a_fifo_with_a_writer_is_left_alone(self, world, touched, either_way):
        writer = os.open(world.root / "pipe", os.O_RDWR | os.O_NONBLOCK)
        os.write(writer, b"x")
        touched.clear()

        assert KIND in refusal(world.root / "pipe", (world.root,))
        assert KIND in refusal(world.root / "pipe", None)
        assert identity(os.fstat(writer)) not in touched
        os.close(writer)

    def test_a_file_on_another_device_is_refused(self, either_way):
        if not SHM.is_dir() or SHM.stat().st_dev == Path("/").stat().st_dev or not os.access(SHM, os.W_OK):
            pytest.skip("there is no second device to write to")
        place = SHM / f"spectra-test-{os.getpid()}"
        place.write_bytes(OUTSIDE)
        try:
            assert DEVICE in refusal(place, (Path("/"),))
            assert content(place, (SHM,)) == OUTSIDE
        finally:
            place.unlink()

    def test_what_the_system_tells_of_a_process_is_refused_even_where_it_lies_in_a_root(self):
        own = Path(f"/proc/{os.getpid()}")
        if not own.is_dir():
            pytest.skip("there is no /proc")

        assert DEVICE in refusal(own / "environ", (Path("/"),))
        assert LINK in refusal("/proc/self/environ", (Path("/"),))
        assert EMPTY in refusal(own / "environ", (own,))
        assert EMPTY in refusal(own / "mem", (Path("/proc"),))
        for name in ("fd/0", "root/etc/passwd", "cwd/file", "exe"):
            assert LINK in refusal(own / name, (own,))

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_a_file_or_a_folder_that_may_not_be_read_is_refused(self, world, either_way):
        (world.root / "file").chmod(0)
        (world.root / "sub").chmod(0)

        assert GONE in refusal(world.root / "file", (world.root,))
        assert GONE in refusal(world.root / "sub/file", (world.root,))
        (world.root / "sub").chmod(0o700)

    @pytest.mark.skipif(os.geteuid() == 0 or not hasattr(os, "O_PATH"), reason="root may list every folder")
    def test_a_folder_that_may_be_searched_but_not_listed_is_passed_through(self, world):
        (world.root / "sub").chmod(0o100)

        assert content(world.root / "sub/file", (world.root,)) == INSIDE
        (world.root / "sub").chmod(0o700)


PARTS = st.sampled_from(
    [
        *("", ".", "..", "/", "~", "~root", "\0", "\ud800", "C:", "\\"),
        *("data", "data2", "sub", "file", "secret", "link", "up", "own-folder", "loop", "pipe", "hard", "to-root"),
        *("proc", "self", "fd", "0", "etc", "passwd", "dev", "null"),
    ]
)
NAMES = st.text(st.characters(exclude_categories=()), max_size=40) | st.lists(PARTS, max_size=8).map("/".join)


class TestNames:
    @given(name=NAMES | st.binary(max_size=40).map(os.fsdecode))
    def test_no_name_does_anything_but_open_a_file_inside_or_be_refused(self, world, either_way, monkeypatch, name):
        monkeypatch.chdir(world.root)
        before = descriptors()
        try:
            made = content(name, (world.root,))
        except InputRefused:
            made = INSIDE

        assert made == INSIDE
        assert descriptors() == before

    @given(name=NAMES)
    def test_without_a_limit_no_name_raises_anything_else(self, world, monkeypatch, name):
        monkeypatch.chdir(world.root)
        try:
            opened(Path(name), None).stream.close()
        except InputRefused:
            return

    @given(root=NAMES)
    def test_no_root_raises_anything_else(self, world, monkeypatch, root):
        monkeypatch.chdir(world.root)
        try:
            opened(world.root / "file", (Path(root),)).stream.close()
        except InputRefused:
            return


class Stage:
    """The module os as the code sees it, with swaps before the n-th time that it asks the system."""

    def __init__(self, swaps):
        self.swaps, self.asked, self.opened = swaps, [], set()

    def __getattr__(self, name):
        real = getattr(os, name)
        if name not in {"open", "stat", "fstat", "lstat"}:
            return real

        def asking(*args, **more):
            for swap in self.swaps.get(len(self.asked), ()):
                swap()
            self.asked.append(name)
            made = real(*args, **more)
            if name == "open":
                self.opened.add(identity(os.fstat(made)))
            return made

        return asking


class Swaps:
    """What somebody who may write below the root can do to root/sub/file between two questions."""

    def __init__(self, world):
        self.world, self.leaf, self.sub = world, world.root / "sub/file", world.root / "sub"
        self.spare = iter(world.root / f"spare{n}" for n in range(1000))

    def _put(self, make):
        made = next(self.spare)
        make(made)
        if self.sub.is_symlink():
            self.sub.unlink()
            (self.world.root / "kept").rename(self.sub)
        made.replace(self.leaf)

    def link(self):
        self._put(lambda made: made.symlink_to(self.world.secret))

    def hard(self):
        self._put(lambda made: os.link(self.world.secret, made))

    def pipe(self):
        self._put(os.mkfifo)

    def socket(self):
        self._put(lambda made: os.mknod(made, 0o140600))

    def back(self):
        self._put(lambda made: made.write_bytes(INSIDE))

    def gone(self):
        self.leaf.unlink(missing_ok=True)

    def _folder(self, target):
        if not self.sub.is_symlink():
            self.sub.rename(self.world.root / "kept")
            self.sub.symlink_to(target)

    def folder(self):
        self._folder(self.world.beside / "sub")

    def own_folder(self):
        self._folder("real")


def staged(world, monkeypatch, swaps, roots=True):
    """What comes of root/sub/file while these swaps happen, content or the sentence of the refusal; and the stage."""
    stage = Stage(swaps)
    with monkeypatch.context() as patched:
        patched.setattr(files, "os", stage)
        try:
            return content(world.root / "sub/file", (world.root,) if roots else None), stage
        except InputRefused as refused:
            return refused.violations[0].message, stage


SWAPS = ["link", "hard", "folder", "own_folder", "pipe", "socket", "gone", "back"]


class TestSwaps:
    """Every order of one or two swaps and the questions that the code asks the system, without chance."""

    @pytest.fixture
    def questions(self, tmp_path, monkeypatch):
        made, stage = staged(Small(tmp_path / "quiet"), monkeypatch, {})
        assert made == INSIDE
        return range(len(stage.asked))

    @pytest.fixture
    def one_each(self, tmp_path, monkeypatch, questions):
        """What comes of one swap before each of the questions."""

        def found(name):
            for at in questions:
                world = Small(tmp_path / f"{name}-{at}")
                outside = world.outside()
                made, stage = staged(world, monkeypatch, {at: [getattr(Swaps(world), name)]})
                assert name == "hard" or not stage.opened & outside, "something outside was opened"
                yield made

        return found

    @pytest.mark.parametrize(
        ("name", "told"),
        [
            *(("link", files.LINKED), ("folder", files.LINKED), ("own_folder", files.LINKED), ("back", files.CHANGED)),
            *(("hard", files.HARD_LINKED), ("pipe", files.IRREGULAR), ("socket", files.IRREGULAR)),
            ("gone", files.UNREADABLE),
        ],
    )
    def test_one_swap_at_any_question_reads_and_opens_nothing_outside(self, one_each, name, told):
        made = list(one_each(name))

        assert OUTSIDE not in made
        assert told in made

    def test_a_file_that_is_replaced_after_the_first_look_at_it_is_refused(self, world, monkeypatch, one_each):
        asked = staged(world, monkeypatch, {})[1].asked
        first, last = asked.index("stat"), len(asked) - 1
        assert asked[first : first + 3] == ["stat", "open", "fstat"]
        assert asked[last] == "stat"

        assert list(one_each("back")) == [INSIDE] * (first + 1) + [files.CHANGED] * (last - first)

    @pytest.mark.parametrize("first", SWAPS)
    def test_two_swaps_at_any_two_questions_read_nothing_outside(self, tmp_path, monkeypatch, questions, first):
        for one, two in combinations(questions, 2):
            for second in ("gone", "back", "hard"):
                world = Small(tmp_path / f"{one}-{two}-{second}")
                swaps = Swaps(world)
                plan = {one: [getattr(swaps, first)], two: [getattr(swaps, second)]}
                assert staged(world, monkeypatch, plan)[0] != OUTSIDE, (one, two, second)

    def test_a_hard_link_that_comes_and_goes_around_each_question_is_never_read(self, tmp_path, monkeypatch, questions):
        """When its names are counted, the open file has one, which is outside."""
        for ats in combinations(questions, 3):
            world = Small(tmp_path / "-".join(map(str, ats)))
            swaps = Swaps(world)
            plan = dict(zip(ats, ([swaps.hard], [swaps.gone], [swaps.hard]), strict=True))
            assert staged(world, monkeypatch, plan)[0] != OUTSIDE, ats

    @pytest.mark.parametrize("name", ["pipe", "socket", "gone"])
    def test_without_a_limit_what_is_swapped_in_is_a_regular_file_or_refused(self, tmp_path, monkeypatch, name):
        quiet, stage = staged(Small(tmp_path / "quiet"), monkeypatch, {}, roots=False)
        found = set()
        for at in range(len(stage.asked)):
            world = Small(tmp_path / str(at))
            found.add(staged(world, monkeypatch, {at: [getattr(Swaps(world), name)]}, roots=False)[0])

        assert quiet == INSIDE
        assert found <= {INSIDE, files.IRREGULAR, files.UNREADABLE}
        assert len(found) >= 2


class TestRace:
    """The same by chance, against a thread that swaps as fast as it can."""

    @pytest.fixture(autouse=True)
    def _busy(self):
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-5)
        yield
        sys.setswitchinterval(interval)

    @pytest.mark.parametrize("way", ["leaf", "folder", "hard link"])
    def test_no_byte_from_outside_is_read_while_names_are_swapped(self, world, way):
        stop = threading.Event()
        swapper = threading.Thread(target=getattr(self, way.replace(" ", "_")), args=(world, stop))
        place, roots = world.root / "sub/file", (world.root,)
        good = digest(INSIDE, None)
        swapper.start()
        try:
            found = [self.read(place, roots) for _ in range(RACES)]
        finally:
            stop.set()
            swapper.join()

        assert set(found) <= {INSIDE, good, "refused"}

    count = 0

    def read(self, place, roots):
        self.count += 1
        try:
            return digest(place, roots) if self.count % 2 else content(place, roots)
        except InputRefused:
            return "refused"

    @staticmethod
    def leaf(world, stop):
        leaf, spare = world.root / "sub/file", world.root / "spare"
        while not stop.is_set():
            spare.symlink_to(world.secret)
            spare.replace(leaf)
            spare.write_bytes(INSIDE)
            spare.replace(leaf)

    @staticmethod
    def folder(world, stop):
        sub, kept = world.root / "sub", world.root / "kept"
        while not stop.is_set():
            sub.rename(kept)
            sub.symlink_to(world.beside / "sub")
            sub.unlink()
            kept.rename(sub)

    @staticmethod
    def hard_link(world, stop):
        leaf, spare = world.root / "sub/file", world.root / "spare"
        while not stop.is_set():
            os.link(world.secret, spare)
            spare.replace(leaf)
            leaf.unlink()
            spare.write_bytes(INSIDE)
            spare.replace(leaf)


class TestUnchanged:
    """The file that is open, and its name."""

    @pytest.fixture(params=["limited", "unlimited"])
    def roots(self, request, world):
        return (world.root,) if request.param == "limited" else None

    @pytest.fixture
    def held(self, world, roots):
        made = opened(world.root / "sub/file", roots)
        assert made.unchanged()
        with made.stream:
            yield made

    def test_reading_it_changes_nothing(self, held):
        assert (held.stream.read(), held.size) == (INSIDE, len(INSIDE))
        assert held.unchanged()

    def test_a_longer_file_is_changed(self, world, held):
        (world.root / "sub/file").write_bytes(INSIDE * 2)

        assert not held.unchanged()

    def test_a_shorter_file_is_changed(self, world, held):
        os.truncate(world.root / "sub/file", 1)

        assert not held.unchanged()

    def test_another_time_of_change_is_a_change(self, world, held):
        os.utime(world.root / "sub/file", ns=(1, 1))

        assert not held.unchanged()

    def test_another_file_of_this_name_is_a_change(self, world, held):
        (world.root / "new").write_bytes(INSIDE)
        (world.root / "new").replace(world.root / "sub/file")

        assert not held.unchanged()

    def test_another_folder_of_this_name_is_a_change(self, world, held):
        (world.root / "sub").rename(world.root / "away")
        (world.root / "sub").mkdir()
        (world.root / "sub/file").write_bytes(INSIDE)

        assert not held.unchanged()

    def test_a_second_name_is_a_change(self, world, held):
        os.link(world.root / "sub/file", world.root / "second")

        assert not held.unchanged()

    def test_a_name_that_cannot_be_looked_at_any_more_says_nothing_about_the_open_file(self, world, held):
        (world.root / "sub").rename(world.root / "away")

        assert held.unchanged()
        assert held.stream.read() == INSIDE

    def test_a_closed_file_counts_as_changed(self, held):
        held.stream.close()

        assert not held.unchanged()

    def test_a_name_behind_a_link_is_not_looked_at(self, world):
        with opened(world.root / "sub/file", (world.root,)).stream as stream:
            pass
        made = opened(world.root / "sub/file", (world.root,))
        (world.root / "sub").rename(world.root / "away")
        (world.root / "sub").symlink_to(world.beside / "sub")
        with made.stream as stream:
            assert made.unchanged()
            assert stream.read() == INSIDE


class TestDigest:
    @pytest.mark.parametrize("size", [1, 2, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
    def test_a_file_and_its_bytes_have_the_same_hashes_at_every_edge(self, tmp_path, size):
        made = os.urandom(size)
        (tmp_path / "a").write_bytes(made)
        told = Sent(hashlib.sha1(made).hexdigest(), hashlib.sha256(made).hexdigest(), size)

        assert digest(tmp_path / "a", None) == digest(tmp_path / "a", (tmp_path,)) == digest(made, ()) == told

    @given(made=st.binary(min_size=1, max_size=2000))
    def test_any_bytes_are_hashed(self, made):
        assert digest(made, ()) == Sent(hashlib.sha1(made).hexdigest(), hashlib.sha256(made).hexdigest(), len(made))

    def test_no_bytes_are_refused_by_the_name_of_their_parameter(self):
        with pytest.raises(InputRefused) as refused:
            digest(b"", None)

        assert refused.value.violations[0].pointer == "/content_base64"
        assert EMPTY in refused.value.message

    def test_an_empty_file_is_refused(self, world):
        with pytest.raises(InputRefused, match=EMPTY):
            digest(world.root / "empty", None)

    def test_it_asks_before_each_mebibyte_whether_to_go_on(self, tmp_path):
        (tmp_path / "a").write_bytes(bytes(2 * CHUNK + 1))
        asked = []

        digest(tmp_path / "a", None, lambda: asked.append("file"))
        digest(bytes(2 * CHUNK), None, lambda: asked.append("bytes"))

        assert asked == ["file"] * 3 + ["bytes"] * 2

    @pytest.mark.parametrize("error", [TimeoutError, ValueError, KeyboardInterrupt])
    def test_what_breaks_it_off_passes_through_and_closes_the_file(self, world, error):
        def stop():
            raise error

        with pytest.raises(error):
            digest(world.root / "file", (world.root,), stop)

    @pytest.mark.parametrize("roots", ["limited", "unlimited"])
    @pytest.mark.parametrize("what", ["grow", "shrink", "touch", "replace"])
    def test_a_file_that_changes_while_it_is_read_is_refused(self, tmp_path, what, roots):
        place, spare = tmp_path / "a", tmp_path / "b"
        place.write_bytes(bytes(3 * CHUNK))
        spare.write_bytes(bytes(3 * CHUNK))
        change = {
            "grow": lambda: os.truncate(place, 4 * CHUNK),
            "shrink": lambda: os.truncate(place, CHUNK),
            "touch": lambda: os.utime(place, ns=(1, 1)),
            "replace": lambda: spare.exists() and spare.replace(place),
        }

        with pytest.raises(InputRefused, match=MOVED):
            digest(place, (tmp_path,) if roots == "limited" else None, change[what])

    def test_a_file_that_grows_without_end_ends_all_the_same(self, tmp_path):
        place, asked = tmp_path / "a", []
        place.write_bytes(bytes(CHUNK))

        def grow():
            asked.append(1)
            os.truncate(place, place.stat().st_size + CHUNK)

        with pytest.raises(InputRefused, match=MOVED):
            digest(place, None, grow)
        assert len(asked) == 1

    def test_a_disk_that_fails_to_read_is_refused(self, world, monkeypatch):
        class Broken:
            def read(self, size):
                raise OSError(5, "Input/output error", "/a/path")

            def __enter__(self):
                return self

            def __exit__(self, *_):
                pass

        monkeypatch.setattr(files, "opened", lambda *_: files.Opened(Broken(), 1, lambda: True))

        with pytest.raises(InputRefused, match=GONE):
            digest(world.root / "file", None)

    def test_a_large_file_takes_no_more_memory_than_a_small_one(self, tmp_path):
        with (tmp_path / "a").open("wb") as stream:
            stream.truncate(64 * CHUNK)
        tracemalloc.start()
        try:
            digest(tmp_path / "a", (tmp_path,))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert peak < 4 * CHUNK


def test_many_refusals_and_openings_leave_no_descriptor(world, monkeypatch):
    monkeypatch.chdir(world.root)
    before = descriptors()
    for name, _ in ESCAPES:
        for roots in ((world.root,), ()):
            with pytest.raises(InputRefused):
                opened(Path(name.replace("{}", str(world.folder))), roots)
    for _ in range(100):
        digest(world.root / "sub/deep/file", (world.root,))

    assert descriptors() == before


def test_a_stream_that_cannot_be_made_leaves_no_descriptor(world, monkeypatch):
    def fail(*_, **__):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "fdopen", fail)

    assert GONE in refusal(world.root / "file", (world.root,))
    assert GONE in refusal(world.root / "file", None)
