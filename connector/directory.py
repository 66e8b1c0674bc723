"""A whole directory submitted: hash first, a bounded number at once, resumable, told file by file as it happens.

What the appliance has is not sent again. Each upload is in the manifest before it begins and when it has ended; what
was begun and has no outcome, because a run was killed or an answer was lost, is looked for by its hash before anything
is sent. So a run may be broken off at any point and started again with the same words.
"""

import threading
from collections.abc import Iterator

from connector.action import Context
from connector.actions import find
from connector.check import checked
from connector.errors import InputRefused, Violation
from connector.settings import Settings
from connector.submitting.index import Index
from connector.submitting.manifest import ManifestFile
from connector.submitting.options import Clocks, Options
from connector.submitting.run import Run
from connector.submitting.sender import Runs, Sender, Stop, Terms
from connector.submitting.values import FileEvent, Notice

__all__ = ["Clocks", "FileEvent", "Notice", "Options", "check", "submit_directory"]


def submit_directory(
    connector: Runs, settings: Settings, options: Options, *, stop: Stop | None = None, clocks: Clocks | None = None
) -> Iterator[FileEvent | Notice]:
    """Submit the files of a directory; events come as things happen, one of them final for each file.

    Args:
        connector: of these settings, whose file_roots must hold the directory.
        settings: of the appliance; its address is written in the manifest.
        options: what to submit and how.
        stop: set it to take no more files; those under way are finished and recorded.
        clocks: of the host, unless a test has its own.

    Raises:
        InputRefused: at once, for a directory, a rule or a parameter that is not accepted; nothing was sent.
        SpectraError: after the last event, when the appliance as a whole refused; run it again to go on.
    """
    check(options, settings)
    return _passes(connector, settings, options, stop or threading.Event(), clocks or Clocks())


def check(options: Options, settings: Settings) -> None:
    """Refuse what would be refused for every file, before anything is read or sent."""
    if not options.root.is_dir():
        what = "is not a directory" if options.root.exists() else "does not exist"
        raise InputRefused.of([Violation("/directory", f"{options.root} {what}; name a directory")])
    options.rules()
    action = find("submit_file")
    params = checked(action, {**options.params(), "file": "any"})
    context = Context(allow_cloud=settings.allow_cloud)
    next(action.plan(params, context))  # its first step only looks at the file; what it refuses, it refuses before


def _passes(
    connector: Runs, settings: Settings, options: Options, stop: Stop, clocks: Clocks
) -> Iterator[FileEvent | Notice]:
    terms = Terms(options.params(), options.at_once, options.patience)
    with (
        ManifestFile.open(options.manifest_path, settings.url) as manifest,
        Index.of(manifest) as index,
        Sender(connector, manifest, terms, stop, clocks.wall) as sender,
    ):
        if options.resubmit and not index.round_open:
            manifest.append({"state": "round", "at": round(clocks.wall(), 3)})
            index.forget()
        yield from Run(connector, manifest, index, sender, options, stop, clocks).events()
        if options.resubmit and not sender.closing:
            manifest.append({"state": "ended", "at": round(clocks.wall(), 3)})
    if sender.trouble is not None:
        raise sender.trouble
