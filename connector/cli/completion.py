"""spectra completion: the script that makes a shell complete commands and action names."""

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for SHELL; for bash: eval "$(spectra completion bash)"."""
    from connector.cli import cli  # the group imports this module by name

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"no completion for {shell}")
    click.echo(found(cli, {}, "spectra", "_SPECTRA_COMPLETE").source())
