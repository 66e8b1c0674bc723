"""The options that every command with an appliance has, and the settings that they make."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from connector.errors import ConfigError
from connector.extras import require
from connector.settings import Settings

_LISTS: Final[dict[str, Callable[[str], list[Any]]]] = {
    "file_roots": lambda value: [Path(part) for part in value.split(":") if part],
    "private_zones": lambda value: [part for part in value.split(",") if part],
}
F = TypeVar("F", bound=Callable[..., Any])


def setting_options(command: F) -> F:
    """Adds --url, --token, --config and --set."""
    for option in (
        click.option("--set", "assigned", multiple=True, metavar="NAME=VALUE", help="Any setting, such as tlp=red."),
        click.option("--config", type=click.Path(path_type=Path), help="TOML file with settings."),
        click.option("--token", help="API token; better SPECTRA_TOKEN or token_file, as others can see arguments."),
        click.option("--url", help="Address of the appliance."),
    ):
        command = option(command)
    return command


def settings_from(
    url: str | None,
    token: str | None,
    config: Path | None,
    assigned: tuple[str, ...],
    *,
    roots: tuple[Path, ...] | None = None,
    **fixed: Any,
) -> Settings:
    """Settings from the options over the environment over the file.

    Where none of them names file_roots, files may be read from ``roots``; left out, from the current folder.

    Raises:
        ConfigError: naming what is missing or not accepted.
    """
    values: dict[str, Any] = {"url": url, "token": token}
    for item in assigned:
        name, equals, value = item.partition("=")
        if not equals or name not in Settings.model_fields:
            raise ConfigError(f"--set takes NAME=VALUE with one of {', '.join(Settings.model_fields)}")
        values[name] = _LISTS[name](value) if name in _LISTS else value
    settings = Settings.load(values, file=config)
    otherwise = (Path.cwd(),) if roots is None else roots
    update = {"file_roots": otherwise} if settings.file_roots is None else {}
    return settings.model_copy(update=update | fixed)


def require_playbooks(what: str) -> None:
    """Refuse what runs playbooks where the extra is not installed; checking and showing them does not need it.

    Raises:
        ConfigError: saying how to install it.
    """
    require("dbos", "playbooks", what)
