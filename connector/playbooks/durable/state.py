"""Where runs are kept: one SQLite file, or a PostgreSQL database that several machines share."""

import re
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from uuid import uuid4

from connector.errors import ConfigError, StateError
from connector.journal_place import Unusable, make_file, make_folder
from connector.settings import IN_MEMORY, state_folder

FILE: Final = "playbooks.sqlite"
PLACE: Final = "place"


@dataclass(frozen=True, slots=True)
class State:
    """``url`` is the database's, as SQLAlchemy has it; ``folder`` is this machine's, for locks and for its name."""

    url: str
    folder: Path

    @classmethod
    def of(cls, given: str | None, settings_state: str | None = None) -> Self:
        """The state that a person named: nothing (the user's own folder), a folder, a file, or a URL.

        Raises:
            ConfigError: when it is none of these.
        """
        own = state_folder(None if settings_state == IN_MEMORY else settings_state)
        if given is None:
            return cls(_sqlite(own / FILE), own)
        if re.match(r"postgres(ql)?(\+psycopg)?://", given):
            return cls(re.sub(r"^postgres(ql)?(\+psycopg)?://", "postgresql://", given), own)
        if given.startswith("sqlite:///"):
            file = Path(given.removeprefix("sqlite:///")).absolute()
            return cls(_sqlite(file), file.parent)
        if "://" in given:
            raise ConfigError("--state takes a folder, sqlite:///FILE or postgresql://USER@HOST/DATABASE")
        folder = Path(given).expanduser().absolute()
        return cls(_sqlite(folder / FILE), folder)

    @property
    def is_file(self) -> bool:
        return self.url.startswith("sqlite:")

    @property
    def file(self) -> Path:
        return Path(self.url.removeprefix("sqlite:///"))

    def shown(self) -> str:
        """The state as it may be shown: without a password."""
        return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", self.url)

    def exists(self) -> bool:
        """Whether there may be runs; a database on a server is asked when it is used."""
        return not self.is_file or self.file.exists()

    def prepare(self) -> None:
        """Make the folder, and the file with a write-ahead log, which lets others read while a run writes.

        Raises:
            StateError: when that cannot be had; nothing was run.
        """
        try:
            make_folder(self.folder)
            if self.is_file:
                make_file(self.file)
                with closing(sqlite3.connect(self.file, timeout=30)) as database:
                    database.execute("PRAGMA journal_mode=WAL")
        except Unusable as error:
            raise StateError(f"the state of playbooks cannot be used: {error.what}", hint=error.hint) from None
        except (OSError, sqlite3.Error) as error:
            told = f"the state of playbooks at {self.shown()} cannot be used ({type(error).__name__})"
            raise StateError(told, hint="name another one with --state") from None


def _sqlite(file: Path) -> str:
    return f"sqlite:///{file}"


def journal_place(settings_state: str | None) -> str:
    """This machine's name for itself, as far as its journal reaches: made once, and kept beside the journal.

    What was begun where another journal is kept is in doubt here. A journal in memory is a place of its own each time.

    Raises:
        StateError: when the folder cannot be used.
    """
    if settings_state == IN_MEMORY:
        return uuid4().hex
    folder = state_folder(settings_state)
    file, new = folder / PLACE, folder / f"{PLACE}.{uuid4().hex}"
    try:
        make_folder(folder)
        if not file.exists():
            make_file(new)
            new.write_text(uuid4().hex, "ascii")
            with suppress(FileExistsError):  # another process was quicker
                file.hardlink_to(new)
            new.unlink()
        return file.read_text("ascii")
    except Unusable as error:
        raise StateError(f"the folder of the journal cannot be used: {error.what}", hint=error.hint) from None
    except OSError as error:
        raise StateError(f"the folder of the journal cannot be used ({type(error).__name__})") from None
