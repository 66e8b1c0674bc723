"""spectra contract: write the schemas, the manifest and the action pages, or check that they are as they should be."""

from pathlib import Path

import click

from connector.errors import ConfigError


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit 2 and name the files that differ.")
@click.option("--root", type=click.Path(path_type=Path, exists=True), default=Path(), help="The project's folder.")
def contract(check: bool, root: Path) -> None:
    """Write schemas/, manifest.json and docs/actions/ from the actions."""
    from connector.contract import REFRESH, drift, files, write

    if not check:
        changed = write(root)
        click.echo(f"{len(files())} files, {len(changed)} changed", err=True)
        return
    different = drift(root)
    if different:
        raise ConfigError(f"the contract has drifted: {', '.join(different)}", hint=REFRESH)
    click.echo("the contract is as the actions say", err=True)
