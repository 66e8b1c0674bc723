"""The registry: every action by name, in the order to show them; a module is imported when its action is asked for."""

from functools import cache
from importlib import import_module
from typing import Any, Final

from connector.action import Action
from connector.errors import InputRefused, Violation

NAMES: Final = (
    "submit_file",
    "submit_url",
    "get_ticloud_reputation",
    "get_classification",
    "get_url_reputation",
    "advanced_search",
    "count_search_results",
    "bulk_delete",
    "get_file_status",
    "get_url_status",
    "get_bulk_delete_status",
    "get_report",
    "add_tags",
    "get_tags",
    "remove_tags",
    "test_connection",
)


@cache
def find(name: str) -> Action[Any]:
    """The action of this name.

    Raises:
        InputRefused: naming the actions that there are.
    """
    if name not in NAMES:
        told = f"there is no action of this name; the actions are {', '.join(NAMES)}"
        raise InputRefused.of([Violation("", told)], "the action")
    action: Action[Any] = import_module(f"connector.actions.{name}").ACTION
    return action


def every() -> tuple[Action[Any], ...]:
    """All actions, in the order to show them."""
    return tuple(find(name) for name in NAMES)
