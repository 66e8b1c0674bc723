"""ZIP files: the password-protected one of a submission, and what unpacking finds in an open one."""

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pyzipper

from connector.emulator.product.content import Content, Intake
from connector.emulator.product.refusals import Invalid

_CHUNK = 1 << 18
_MAX_MEMBERS = 100
_MAX_MEMBER_BYTES = 32 << 20
_MAX_TOTAL_BYTES = 128 << 20
_UNREADABLE = (
    zipfile.BadZipFile,
    pyzipper.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    OSError,
)


def unpack_only_file(content: Content, password: str, intake: Intake) -> tuple[str, Content]:
    """Take the one file out of a password-protected ZIP; the vendor demands exactly one. Returns its name too."""
    if content.path is None:
        raise Invalid("The file is not a ZIP archive.", field="archive_password")
    try:
        with pyzipper.AESZipFile(content.path) as archive:
            members = [item for item in archive.infolist() if not item.is_dir()]
            if len(members) != 1:
                raise Invalid("The archive must contain exactly one file.", field="archive_password")
            with archive.open(members[0], pwd=password.encode()) as stream:
                _pour(stream, intake)
            return Path(members[0].filename).name, intake.done()
    except _UNREADABLE as error:
        intake.abandon()
        raise Invalid("The archive cannot be unpacked with this password.", field="archive_password") from error


def members_of(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the readable files of a ZIP, within bounds; encrypted or broken ones are passed over."""
    left = _MAX_TOTAL_BYTES
    try:
        with zipfile.ZipFile(path) as archive:
            for item in [i for i in archive.infolist() if not i.is_dir()][:_MAX_MEMBERS]:
                if item.flag_bits & 1 or item.file_size > min(_MAX_MEMBER_BYTES, left):
                    continue
                with archive.open(item) as stream:
                    data = stream.read(item.file_size)
                left -= len(data)
                yield item.filename, data
    except _UNREADABLE:
        return


def _pour(stream: IO[bytes], intake: Intake) -> None:
    while chunk := stream.read(_CHUNK):
        intake.write(chunk)
