"""What the appliance says of hashes: which of them it has processed, and its verdict on each."""

from connector.actions.get_file_status import Result as Statuses
from connector.actions.get_report import Result as Reports
from connector.steps import Summary
from connector.submitting.sender import Runs


def processed(connector: Runs, hashes: set[str]) -> set[str]:
    """Those of the hashes that the appliance has an analysis of."""
    if not hashes:
        return set()
    result = connector.run("get_file_status", {"hash_values": sorted(hashes)}).result
    if not isinstance(result, Statuses):
        raise TypeError("get_file_status answered with another action's result")
    return {entry.hash_value for entry in result.entries if entry.status == "processed"}


def classified(connector: Runs, hashes: set[str]) -> dict[str, Summary]:
    """The verdict on each of the hashes that the appliance has processed; the others are left out."""
    ready = processed(connector, hashes)
    if not ready:
        return {}
    result = connector.run("get_report", {"hash_values": sorted(ready)}).result
    if not isinstance(result, Reports):
        raise TypeError("get_report answered with another action's result")
    return {entry.hash_value: entry for entry in result.entries if entry.found}
