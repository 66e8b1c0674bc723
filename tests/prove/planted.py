"""Planted defects: each is put into a copy of the tree, and the gate that guards against it must fail there.

A proof that cannot fail proves nothing. Every defect is a small change of the product that a tired hand could make;
its gate is named by the tests to run. The copy is thrown away; the checkout is never touched.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import click

ROOT = Path(__file__).parents[2]
COPIED = (
    "connector",
    "tests",
    "schemas",
    "playbooks",
    "docs",
    "manifest.json",
    "pyproject.toml",
    "README.md",
    "CHANGELOG.md",
)
LONGEST = 600


@dataclass(frozen=True, slots=True)
class Planted:
    """One defect: what it is, where it goes, the text that it replaces, and the tests of its gate."""

    gate: str
    defect: str
    file: str
    sound: str
    broken: str
    tests: tuple[str, ...]
    choose: str = ""


DEFECTS = (
    Planted(
        "operation ids of playbooks",
        "a call that is made again has another operation id",
        "playbooks/walk.py",
        'f"{self.run}:{key}"',
        '__import__("uuid").uuid4().hex',
        ("tests/playbooks/test_kills.py",),
    ),
    Planted(
        "values in the path of a call",
        "a value is not escaped for the path",
        "playbooks/filling.py",
        'made = _replaced(part, values, lambda value: quote(value, safe=""))',
        "made = _replaced(part, values, lambda value: value)",
        ("tests/playbooks/test_filling.py",),
    ),
    Planted(
        "scopes of the action server",
        "a key without the scope of an action may run it",
        "server/actions.py",
        "    allow(key, action.effect)\n",
        "",
        ("tests/server/test_keys.py",),
    ),
    Planted(
        "retry by action",
        "a submission whose answer was lost is sent again",
        "retry.py",
        'return call.effect == "read" or error.outcome == "not_sent" or throttled',
        "return True",
        ("tests/test_plans.py", "tests/faults"),
        "unknown or sent_again or matrix or UPU",
    ),
    Planted(
        "redirects (blocking lane)",
        "a redirect is followed",
        "driver.py",
        "response = connection.handle_request(request)",
        "response = httpx.Client(transport=connection, follow_redirects=True, trust_env=False).send(request, stream=True)",
        ("tests/test_driver.py", "tests/secrecy"),
        "redirect",
    ),
    Planted(
        "redirects (fast lane)",
        "a redirect of a read is followed",
        "fast.py",
        "allow_redirects=False",
        "allow_redirects=True",
        ("tests/test_driver.py", "tests/secrecy"),
        "redirect",
    ),
    Planted(
        "STIX patterns",
        "a quote in a value is no longer escaped",
        "stix_text.py",
        """.replace("'", "\\\\'") + "'\"""",
        """ + "'\"""",
        ("tests/test_stix_text.py", "tests/test_stix.py", "tests/test_stix_valid.py"),
    ),
    Planted(
        "the intent journal",
        "the intent is written after the send",
        "driver.py",
        """            if call.effect != "read":
                self.intents.intend(run.current)
            response = connection.handle_request(request)
""",
        """            response = connection.handle_request(request)
            if call.effect != "read":
                self.intents.intend(run.current)
""",
        ("tests/test_recording.py",),
    ),
    Planted(
        "one operation, one effect",
        "the stored outcome of an operation is not looked at",
        "recording.py",
        'if kept is not None and kept.state == "done":',
        "if False:",
        ("tests/test_recording.py", "tests/test_sequences.py"),
    ),
    Planted(
        "a doubt is looked at, not sent",
        "what an interrupted run may have sent is sent again",
        "recording.py",
        'kept.state in {"intent", "unknown"})',
        "False)",
        ("tests/test_recording.py",),
    ),
    Planted(
        "the strict reader",
        "of a name that comes twice the last one is believed",
        "reader.py",
        "return value, orjson.dumps(nested).count(b'\"') == body.count(b'\"')",
        "return value, bool(orjson.dumps(nested))",
        ("tests/test_reader.py",),
    ),
    Planted(
        "truncation under gzip",
        "a compressed answer that ends early is believed",
        "reader.py",
        "if self._gzip is not None and not self._gzip.eof:",
        "if False:",
        ("tests/test_reader.py", "tests/test_driver.py"),
    ),
    Planted(
        "the answer to the question",
        "a verdict on another hash is believed",
        "steps.py",
        "if isinstance(answered, str) and answered.lower() != hash_value:",
        "if False:",
        ("tests/test_plans.py",),
    ),
    Planted(
        "one total deadline",
        "an exchange may go on five seconds past its deadline",
        "network.py",
        "return self.left() > 0",
        "return self.left() > -5",
        ("tests/test_network.py", "tests/test_sequences.py"),
    ),
    Planted(
        "what is under way at a death",
        "the system goes on sending an upload whose process is gone",
        "network.py",
        "        self._drop_if_closed(unanswered=True)\n",
        "",
        ("tests/test_network.py",),
    ),
    Planted(
        "the double opt-in",
        "the argument alone makes a submission public",
        "steps.py",
        "if not context.allow_cloud:",
        "if False:",
        ("tests/test_actions.py", "tests/test_sequences.py"),
        "public or privacy or Privacy or sequence",
    ),
    Planted(
        "marked input stays private",
        "what is marked TLP:AMBER may become public",
        "privacy.py",
        'if tlp is not None and _rank(tlp) >= _rank("amber"):',
        "if False:",
        ("tests/test_privacy.py", "tests/test_sequences.py"),
    ),
    Planted(
        "the confirmed plan",
        "any digest confirms a deletion",
        "actions/bulk_delete.py",
        "if not hmac.compare_digest(seal(context, params.hash_values, issued), digest):",
        "if False:",
        ("tests/test_plans.py", "tests/test_sequences.py"),
        "elet or digest or sequence",
    ),
    Planted(
        "internal URLs",
        "the loopback in its numeral forms counts as public",
        "actions/submit_url.py",
        "if inside and not context.allow_internal_urls:",
        "if False:",
        ("tests/test_sequences.py", "tests/test_actions.py"),
    ),
    Planted(
        "file roots",
        "a link below a root is followed",
        "files.py",
        "return os.open(name, _FOLDER | _NO_LINK, dir_fd=folder)",
        "return os.open(name, _FOLDER, dir_fd=folder)",
        ("tests/test_files.py",),
    ),
    Planted(
        "the pin",
        "the pinned certificate is not compared",
        "tls.py",
        "if shown != pin:",
        "if False:",
        ("tests/test_driver.py", "tests/secrecy"),
        "pin or tls or Tls",
    ),
    Planted(
        "secrets",
        "the appliance's words are told with the token in them",
        "endpoint.py",
        'found = found.replace(form, "***")',
        "pass",
        ("tests/secrecy",),
    ),
    Planted(
        "Retry-After",
        "it is believed on any status",
        "retry.py",
        "if value is None or reply.status not in RETRY_AFTER_STATUSES:",
        "if value is None:",
        ("tests/test_retry_after.py",),
    ),
    Planted(
        "breakers",
        "a breaker never opens",
        "health.py",
        "if self.failures >= most or self.until is not None:",
        "if False:",
        ("tests/test_health.py",),
    ),
    Planted(
        "the retry budget",
        "a retry costs nothing",
        "health.py",
        "self.tokens -= cost",
        "pass",
        ("tests/test_health.py", "tests/test_sequences.py"),
    ),
)


def planted(defect: Planted, folder: Path) -> Path:
    """A copy of the tree with the defect in it; a defect that fits nowhere, or twice, is an error of this list."""
    for name in COPIED:
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy2
        copy(source, folder / name)
    file = folder / "connector" / defect.file
    text = file.read_text("utf-8")
    if text.count(defect.sound) != 1:
        raise ValueError(f"{defect.defect}: its text stands {text.count(defect.sound)} times in {defect.file}")
    file.write_text(text.replace(defect.sound, defect.broken), "utf-8")
    return folder


def caught(defect: Planted) -> dict[str, object]:
    """Run the gate on the defect; the first test that fails has caught it."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        tree = planted(defect, Path(folder))
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--tb=no", *defect.tests]
        command += ["-k", defect.choose] if defect.choose else []
        ended = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False, timeout=LONGEST)
    by = re.search(r"^(?:FAILED|ERROR) (\S.*?)(?: - .*)?$", ended.stdout, re.MULTILINE)
    return {
        "gate": defect.gate,
        "defect": defect.defect,
        "caught": ended.returncode == 1 and by is not None,
        "by": by[1] if by else ended.stdout[-300:],
        "seconds": round(time.monotonic() - began, 1),
    }


@click.command()
@click.option("--only", default="", help="Part of the name of a gate.")
@click.option("--at-once", default=2)
def main(only: str, at_once: int) -> None:
    """Plant every defect and say which test caught it."""
    chosen = [defect for defect in DEFECTS if only in defect.gate]
    with ThreadPoolExecutor(at_once) as pool:
        rows = list(pool.map(caught, chosen))
    for row in rows:
        click.echo(json.dumps(row), err=True)
    missed = [row["gate"] for row in rows if not row["caught"]]
    click.echo(json.dumps({"planted": len(rows), "caught": len(rows) - len(missed), "missed": missed, "rows": rows}))
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
