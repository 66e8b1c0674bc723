"""Write the bundles of one target as files, for a check that runs in an environment without this package."""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from connector.stix import StixOptions, bundle  # noqa: E402 - the path comes first
from tests.test_stix_cases import ANSWERED_AT, CASES  # noqa: E402 - the path comes first


def main(target: str, folder: str) -> None:
    """One file for each case and profile; a case that gives the target nothing gives no file."""
    for name, verdicts in CASES.items():
        for profile in ("core", "full"):
            options = StixOptions(profile=profile, target=target, appliance_url="https://appliance.example")
            made = bundle(verdicts, options, ANSWERED_AT).objects
            if made is not None:
                Path(folder, f"{name.replace(' ', '-')}.{profile}.json").write_text(json.dumps(made), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
