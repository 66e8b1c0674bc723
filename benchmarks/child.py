"""One measurement in a process of its own: ``python -m benchmarks.child MODULE:FUNCTION '{"name": value}'``.

The process moves to the core of the clients, calls the function with the arguments and prints its answer as JSON,
with the CPU seconds and the peak memory of the whole process.
"""

import importlib
import json
import os
import resource
import sys
from pathlib import Path

CORE = 1


def pin() -> None:
    """Move to the core of the clients, where there is one."""
    if (os.cpu_count() or 1) > CORE:
        os.sched_setaffinity(0, {CORE})


def memory(field: str = "VmRSS") -> float:
    """Megabytes of this process: VmRSS now, VmHWM at its peak."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1024
    raise LookupError(field)


def forget_peak() -> float:
    """Start the peak anew (Linux); returns what is in use now."""
    Path("/proc/self/clear_refs").write_text("5")
    return memory()


def main() -> None:
    pin()
    module, _, function = sys.argv[1].partition(":")
    answer = getattr(importlib.import_module(f"benchmarks.{module}"), function)(**json.loads(sys.argv[2]))
    used = resource.getrusage(resource.RUSAGE_SELF)
    told = {"process_cpu": used.ru_utime + used.ru_stime, "process_peak": memory("VmHWM")}
    print(json.dumps(told | answer))


if __name__ == "__main__":
    main()
