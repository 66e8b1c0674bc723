"""The cost of starting: ``spectra --help``, one cold look-up, and the same look-up with the SDK in a script."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.harness import TOKEN, environment

HASH = "d1aff4d205b59b1ae3edf152603fa2ae5a7c6cc5"
HEAVY = ("httpx", "stix2", "jsonschema", "pydantic")
SDK_SCRIPT = """
import sys
from ReversingLabs.SDK.a1000 import A1000
appliance = A1000(sys.argv[1], token=sys.argv[2], verify=sys.argv[3])
print(appliance.get_classification_v3(sys.argv[4], local_only=True).text)
"""


def commands(url: str, ca: str, count: int) -> dict[str, Any]:
    """Wall and CPU milliseconds of each command, taken in turns."""
    spectra = str(Path(sys.executable).with_name("spectra"))
    lines = {
        "bare": [sys.executable, "-c", "pass"],
        "help": [spectra, "--help"],
        "look_up": [spectra, "run", "get_classification", f'{{"hash_value": "{HASH}"}}'],
        "sdk": [sys.executable, "-c", SDK_SCRIPT, url, TOKEN, ca, HASH],
    }
    variables = environment(SPECTRA_URL=url, SPECTRA_TOKEN=TOKEN, SPECTRA_CA_FILE=ca, SPECTRA_API_GENERATION="current")
    for line in lines.values():
        once(line, variables)  # compiles what is not compiled yet
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in lines}
    for _ in range(count):
        for name, line in lines.items():
            found[name].append(once(line, variables))
    return {"found": found}


def once(line: list[str], variables: dict[str, str]) -> tuple[float, float]:
    started = time.perf_counter()
    process = subprocess.Popen(line, env=variables, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, line
    return (time.perf_counter() - started) * 1e3, (used.ru_utime + used.ru_stime) * 1e3


def imported() -> dict[str, Any]:
    """Which of the heavy packages ``spectra --help`` imports."""
    script = (
        "import sys\nfrom connector.cli import main\nsys.argv = ['spectra', '--help']\n"
        f"try: main()\nexcept SystemExit: print(*[name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment(), timeout=60)
    return {"names": done.stderr.split()}
