"""What it costs to validate the input of an action that has ten hashes."""

import time
from typing import Any

from benchmarks.lookups import hashes


def ten_hashes(batches: int = 40, each: int = 200) -> dict[str, Any]:
    """Microseconds of one validation, the least of many batches."""
    from connector.actions import find
    from connector.check import checked

    action, raw = find("get_ticloud_reputation"), {"hash_values": hashes(10)}
    spent = []
    for _ in range(batches):
        started = time.process_time()
        for _ in range(each):
            checked(action, raw)
        spent.append((time.process_time() - started) / each * 1e6)
    return {"us": min(spent)}
