"""spectra demo: the main job end to end, against an appliance that it starts and stops itself."""

import json
import tempfile
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console

SAMPLE: Final = b"MZ\x90\x00 harmless demonstration file SPECTRA-LAB-MALICIOUS\n"


@click.command()
@click.option("--release", default="9.6", show_default=True, type=click.Choice(["9.1", "9.6", "next"]))
def demo(release: str) -> None:
    """Start an appliance on loopback, submit a file, look it up, search, make STIX, delete, stop."""
    from connector.client import Connector
    from connector.emulator import serve
    from connector.settings import Settings

    out = Console(highlight=False)
    with tempfile.TemporaryDirectory() as folder, serve(release=release) as lab:
        out.print(f"[bold]An embedded appliance (release {release}) runs at {lab.url}[/]")
        settings = Settings(url=lab.url, token=lab.token, allow_delete=True, file_roots=(Path(folder),))
        with Connector(settings) as connector:
            _steps(out, connector, Path(folder))
    out.print("[bold]The appliance is stopped and nothing is left behind.[/]")


def _steps(out: Console, connector: Any, folder: Path) -> None:
    sample = folder / "invoice.exe"
    sample.write_bytes(SAMPLE)
    submitted = _step(
        out, connector, "submit_file", {"file": str(sample), "tags": ["demo"], "comment": "a demo", "wait": True}
    )
    sha1 = submitted["result"]["sha1"]
    _step(out, connector, "get_classification", {"hash_value": sha1})
    _step(out, connector, "advanced_search", {"where": [{"field": "sha1", "is": sha1}], "limit": 10})
    planned = _step(out, connector, "bulk_delete", {"hash_values": [sha1], "plan": True})
    _step(out, connector, "bulk_delete", {"hash_values": [sha1], "confirm": planned["result"]["digest"]})
    _step(out, connector, "get_classification", {"hash_value": sha1})
    indicator = next(o for o in submitted["stix"]["objects"] if o["type"] == "indicator")
    out.print("\n[bold]The STIX 2.1 indicator of the submission[/]")
    out.print_json(json.dumps({key: indicator[key] for key in ("id", "name", "pattern", "valid_from", "confidence")}))


def _step(out: Console, connector: Any, action: str, params: dict[str, Any]) -> dict[str, Any]:
    from connector.cli.show import show

    shown = json.dumps(params).replace(str(Path(tempfile.gettempdir())), "")
    out.print(f"\n[bold]$ spectra run {action} '{shown}'[/]", markup=True)
    outcome: dict[str, Any] = json.loads(connector.run(action, params).to_json())
    show(outcome, console=out)
    return outcome
