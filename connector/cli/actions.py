"""spectra actions and spectra schema: what there is, and what each takes and gives."""

import json

import click

from connector.cli.failure import wants_json


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON on a terminal too.")
def actions(as_json: bool) -> None:
    """List the actions with their effect."""
    from connector.actions import every

    found = [{"name": a.name, "title": a.title, "effect": a.effect, "description": a.description} for a in every()]
    if wants_json(forced=as_json):
        click.echo(json.dumps(found))
        return
    for action in found:
        click.echo(f"{action['name']:<24} {action['effect']:<8} {action['description']}")


@click.command()
@click.argument("action")
@click.option("--result", is_flag=True, help="The schema of the result instead of the params.")
def schema(action: str, result: bool) -> None:
    """Print the JSON Schema of ACTION's params (or result)."""
    from connector.actions import find
    from connector.contract import params_schema, result_schema

    found = find(action)
    click.echo(json.dumps(result_schema(found) if result else params_schema(found), indent=2))
