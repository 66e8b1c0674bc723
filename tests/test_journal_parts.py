"""The parts of the journal by themselves: private places, and who holds an operation."""

import os
import stat
from uuid import uuid4

import pytest

from connector.journal_owner import Owner
from connector.journal_place import (
    Unusable,
    make_file,
    make_folder,
    require_private_file,
    require_private_folder,
    sync_folder,
)


class TestPlaces:
    def test_a_file_is_made_once_and_for_its_owner_alone(self, tmp_path):
        before = os.umask(0)
        try:
            assert make_file(tmp_path / "a") is True
        finally:
            os.umask(before)

        assert make_file(tmp_path / "a") is False
        assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600

    def test_a_dangling_link_is_no_place_for_a_file(self, tmp_path):
        (tmp_path / "a").symlink_to(tmp_path / "elsewhere")

        assert make_file(tmp_path / "a") is False
        assert not (tmp_path / "elsewhere").exists()

    def test_what_is_wrong_with_a_file_is_told_with_its_name(self, tmp_path):
        (tmp_path / "real").touch(0o600)
        (tmp_path / "link").symlink_to("real")
        (tmp_path / "open").touch(0o600)
        (tmp_path / "open").chmod(0o666)
        os.link(tmp_path / "real", tmp_path / "twin")

        for name, told in (
            ("link", "is a link or no regular file"),
            ("twin", "a second name"),
            ("open", "written by others"),
        ):
            with pytest.raises(Unusable, match=f"the file {name} .*{told}") as refused:
                require_private_file(tmp_path / name)
            assert str(refused.value) == refused.value.what
        assert require_private_file(tmp_path / "nowhere") is None

    def test_what_belongs_to_another_is_told_with_its_name(self, tmp_path, monkeypatch):
        (tmp_path / "a").touch(0o600)
        monkeypatch.setattr("os.geteuid", lambda: os.getuid() + 1)

        with pytest.raises(Unusable, match="the file a of the journal belongs to another user"):
            require_private_file(tmp_path / "a")
        with pytest.raises(Unusable, match="the folder of the journal belongs to another user"):
            require_private_folder(tmp_path)

    def test_a_folder_that_cannot_be_synced_is_no_failure(self, tmp_path):
        sync_folder(tmp_path / "nowhere")

    def test_folders_above_are_made_as_well(self, tmp_path):
        make_folder(tmp_path / "a" / "b")

        assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == stat.S_IMODE((tmp_path / "a/b").stat().st_mode) == 0o700


class TestOwners:
    @pytest.fixture
    def folder(self, tmp_path):
        return tmp_path / "owners"

    def test_it_lives_from_its_first_hold_to_its_close(self, folder):
        one, other = Owner(folder), Owner(folder)
        text = one.hold()

        assert one.hold() == text
        assert (one.is_mine(text), other.is_mine(text), one.is_mine(None)) == (True, False, False)
        assert (one.is_alive(text), other.is_alive(text), other.is_alive(None)) == (True, True, False)
        one.close()
        one.close()
        assert other.is_alive(text) is False
        assert list(folder.iterdir()) == []

    def test_its_process_is_told_and_nothing_where_there_is_none(self, folder):
        one = Owner(folder)
        assert Owner(folder).process_of(one.hold()) == str(os.getpid())
        one.close()
        assert (Owner(folder).process_of(None), Owner(folder).process_of("")) == ("", "")

    def test_two_that_look_at_a_dead_one_at_once_agree(self, folder):
        folder.mkdir(0o700)
        dead = str(uuid4())
        (folder / dead).touch(0o600)

        assert [Owner(folder).is_alive(f"{dead}:1") for _ in range(2)] == [False, False]
        assert not (folder / dead).exists()

    def test_one_that_is_looked_at_by_others_is_not_taken_for_alive(self, folder):
        import fcntl

        folder.mkdir(0o700)
        dead = folder / str(uuid4())
        dead.touch(0o600)
        with dead.open("r+") as looking:
            fcntl.flock(looking, fcntl.LOCK_SH | fcntl.LOCK_NB)

            assert Owner(folder).is_alive(f"{dead.name}:1") is False

    def test_a_link_in_its_place_is_not_followed(self, folder, tmp_path):
        folder.mkdir(0o700)
        (tmp_path / "outside").touch(0o600)
        name = str(uuid4())
        (folder / name).symlink_to(tmp_path / "outside")

        with pytest.raises(OSError, match="symbolic link"):
            Owner(folder).is_alive(f"{name}:1")
        Owner(folder).sweep()
        assert (tmp_path / "outside").exists()

    def test_a_fifo_in_its_place_is_not_waited_for(self, folder):
        folder.mkdir(0o700)
        name = str(uuid4())
        os.mkfifo(folder / name)

        Owner(folder).sweep()

    def test_what_is_no_owner_is_damage(self, folder):
        with pytest.raises(Unusable, match="names an owner that is none") as damaged:
            Owner(folder).is_alive("nobody")
        assert damaged.value.hint

    def test_in_memory_there_is_no_other(self):
        one = Owner(None)

        assert one.is_alive(one.hold())
        assert not one.is_alive(f"{uuid4()}:1")

    def test_a_lock_that_is_taken_again_and_again_is_an_error(self, folder, monkeypatch):
        monkeypatch.setattr("connector.journal_owner._locked", lambda path: None)

        with pytest.raises(OSError, match="the lock of a new file is taken"):
            Owner(folder).hold()
