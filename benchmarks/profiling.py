"""A mode under cProfile, for the figures that fall short: the functions that took most."""

import cProfile
import io
import pstats
import re
import subprocess
import sys
from importlib import import_module
from typing import Any

from benchmarks.harness import environment


def top(what: str, arguments: dict[str, Any], lines: int = 14) -> dict[str, Any]:
    """The first lines by time spent in the function itself, with paths cut down to the package."""
    module, _, function = what.partition(":")
    mode = getattr(import_module(f"benchmarks.{module}"), function)
    profile = cProfile.Profile()
    profile.runcall(mode, **arguments)
    text = io.StringIO()
    pstats.Stats(profile, stream=text).sort_stats("tottime").print_stats(lines)
    return {"profile": shortened(text.getvalue())}


def imports(lines: int = 14) -> dict[str, Any]:
    """What a cold look-up imports, by package: milliseconds of the modules themselves."""
    code = (
        "import connector.cli.run, connector.client, connector.exchange, httpcore; from connector.actions import find"
    )
    command = [sys.executable, "-X", "importtime", "-c", f"{code}; find('get_classification')"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment(), timeout=60)
    spent: dict[str, float] = {}
    for own, name in re.findall(r"import time:\s+(\d+) \|\s+\d+ \|\s*(\w+)", done.stderr):
        spent[name] = spent.get(name, 0.0) + int(own) / 1e3
    most = sorted(spent.items(), key=lambda pair: -pair[1])[:lines]
    return {"profile": "\n".join(f"{milliseconds:7.1f} ms  {name}" for name, milliseconds in most)}


def shortened(text: str) -> str:
    """Without empty lines, and without the paths of this machine."""
    text = re.sub(r"/\S*/(?:site-packages|python3\.\d+)/", "", text)
    text = re.sub(r"/\S*?/(connector|benchmarks)/", r"\1/", text)
    return "\n".join(line.rstrip() for line in text.splitlines() if line.strip())
