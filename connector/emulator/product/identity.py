"""What kind of file some bytes are, in the appliance's words, from what puremagic recognises."""

import puremagic

from connector.emulator.product.sample import Identity

_BY_EXTENSION = {
    ".zip": Identity("archive", "Binary", "Archive", "ZIP", "Generic"),
    ".7z": Identity("archive", "Binary", "Archive", "7ZIP", "Generic"),
    ".rar": Identity("archive", "Binary", "Archive", "RAR", "Generic"),
    ".gz": Identity("archive", "Binary", "Archive", "GZIP", "Generic"),
    ".pdf": Identity("documents", "Document", "None", "PDF", "Generic"),
    ".png": Identity("media", "Image", "None", "PNG", "Generic"),
    ".jpg": Identity("media", "Image", "None", "JPEG", "Generic"),
    ".gif": Identity("media", "Image", "None", "GIF", "Generic"),
    ".rtf": Identity("documents", "Document", "None", "RTF", "Generic"),
    ".doc": Identity("documents", "Document", "None", "MSOffice", "Generic"),
    ".xml": Identity("text", "Text", "XML", "XML", "Generic"),
}
_EXE = Identity("application", "PE", "Exe", "Unknown", "")
_ELF = Identity("application", "ELF64 Little", "Exe", "Unknown", "")
_HTML = Identity("text", "Text", "HTML", "HTML", "Generic")
_SCRIPT = Identity("text", "Text", "Shell", "Unknown", "")
_TEXT = Identity("text", "Text", "None", "Unknown", "")
_BINARY = Identity()
_LOOK = 4096


def identify(head: bytes) -> Identity:
    if head.startswith(b"MZ"):
        return _EXE
    if head.startswith(b"\x7fELF"):
        return _ELF
    if head.startswith(b"PK\x03\x04"):
        return _BY_EXTENSION[".zip"]
    if head.startswith(b"#!"):
        return _SCRIPT
    if head.lstrip()[:15].lower().startswith((b"<!doctype html", b"<html")):
        return _HTML
    return _by_magic(head) or (_TEXT if _is_text(head[:_LOOK]) else _BINARY)


def _by_magic(head: bytes) -> Identity | None:
    if not head:
        return None
    try:
        return _BY_EXTENSION.get(puremagic.from_string(head[:_LOOK]))
    except puremagic.PureError:
        return None


def _is_text(head: bytes) -> bool:
    if not head or b"\0" in head:
        return False
    try:
        head[: _LOOK - 4].decode()
    except UnicodeDecodeError:
        return False
    return True
