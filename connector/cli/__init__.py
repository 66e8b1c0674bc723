"""The command line: the list of commands, each in a module that is imported only when it runs."""

import gc
import os
import sys
from importlib import import_module
from typing import Final

import click

from connector.version import __version__

COMMANDS: Final = {
    "demo": ("demo", "Run the main job end to end against an embedded appliance."),
    "run": ("run", "Run one action."),
    "actions": ("actions", "List the actions."),
    "schema": ("actions", "Print the schemas of an action."),
    "submit-dir": ("submit_dir", "Submit every file of a directory."),
    "journal": ("journal", "List, show and resolve submissions and deletions."),
    "enrich": ("enrich", "Enrich SIEM events with verdicts, as a stream."),
    "serve": ("serve", "Serve the actions over HTTP."),
    "playbook": ("playbook", "Check playbooks, run them durably, and see what became of them."),
    "doctor": ("doctor", "Check settings, TLS, token and endpoints."),
    "trust": ("trust", "Show an appliance's certificate and write it for ca_file."),
    "appliance": ("appliance", "Serve the embedded appliance emulator."),
    "contract": ("contract", "Write or check schemas, manifest and action pages."),
    "completion": ("completion", "Print the shell completion script."),
}


class Commands(click.Group):
    """A group that knows its commands by name and imports each when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"connector.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="spectra")
def cli() -> None:
    """Actions on a ReversingLabs Spectra Analyze appliance.

    First look: spectra demo. With an appliance: export SPECTRA_URL and SPECTRA_TOKEN, then spectra doctor,
    and spectra run get_ticloud_reputation '{"hash_value": "..."}'.

    Exit codes: 0 an answer (not found and pending included), 2 input refused, 3 the appliance refused,
    4 unreachable or past the deadline, 5 outcome unknown, 1 anything else.
    """


def main() -> None:
    """Run the command line; every failure ends as a sentence and an exit code."""
    gc.set_threshold(50_000, 20, 20)  # imports make many objects and no garbage: 15 % less CPU for a short command
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # looking for plugins takes 0.03 s and finds none
    from connector.cli.failure import guarded  # imports the errors, which --help does not need

    sys.exit(guarded(cli))
