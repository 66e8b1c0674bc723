"""The house keeps its own rules: floors, borders, names, sizes, and how little an import costs."""

import ast
import subprocess
import sys
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

import connector

ROOT = Path(__file__).parents[1]
HOUSE = ROOT / "connector"
EMULATOR = HOUSE / "emulator"
FILES = sorted(path for path in HOUSE.rglob("*.py") if EMULATOR not in path.parents)

# Every module by its floor; a module imports from lower floors only. A new file must be placed here.
FLOORS: dict[str, tuple[str, ...]] = {
    "0 face": ("__init__", "version"),
    "1 ground": ("errors", "vocabulary", "glossary", "stream", "printable"),
    "2 nouns": (
        "extras",
        *("operation", "plan", "verdict", "outcome", "settings", "query", "wire", "reader"),
        *("reserved", "zones", "privacy"),
    ),
    "3 policy, mapping, I/O": (
        *(
            "quiet",
            "health",
            "retry",
            "tls",
            "network",
            "http",
            "failures",
            "files",
            "exchange",
            "driver",
            "async_driver",
            "fast",
        ),
        *("journal", "journal_moves", "journal_owner", "journal_place", "journal_table", "intent"),
        "certificate",
        *("stix", "stix_context", "stix_forms", "stix_ids", "stix_merge"),
        *("stix_objects", "stix_specimens", "stix_terms", "stix_text"),
    ),
    "4 what an action is": ("endpoint", "action", "endpoints", "steps", "searching", "tagging"),
    "5 actions": ("actions", "actions.*"),
    "6 users of the actions": (
        "check",
        "client",
        "async_client",
        "recording",
        "contract",
        "probing",
        "diagnosis",
        "directory",
        "submitting",
        "submitting.*",
        *("server", "server.*"),
        *("playbooks", "playbooks.*"),
        *("enrichment", "enrichment.*"),
    ),
    "7 command line": ("cli", "cli.*"),
}

# The only imports within a floor, each with its reason.
NEIGHBOURS: dict[tuple[str, str], str] = {
    ("__init__", "version"): "the version, where nothing else is loaded for it",
    ("outcome", "verdict"): "an outcome holds verdicts",
    ("wire", "plan"): "wire turns the values of plan into bytes and back",
    ("plan", "operation"): "a plan recalls operations",
    ("wire", "reader"): "a reply holds what the reader believed of its body",
    ("settings", "zones"): "the setting private_zones is checked where it is read",
    ("zones", "reserved"): "the tables of what is not public",
    ("privacy", "zones"): "what is internal never becomes public",
    ("retry", "health"): "what a retry takes from the budget",
    ("http", "network"): "the transport's connections keep to a deadline",
    ("intent", "journal"): "the one way to the journal",
    ("intent", "journal_moves"): "what is refused there is refused here in the same words",
    ("driver", "intent"): "nothing that changes something leaves before its intent is on the disk",
    ("driver", "failures"): "what an exchange without an answer did",
    ("driver", "files"): "a look at a file hashes it",
    ("exchange", "failures"): "what a failure means, in one table",
    ("exchange", "files"): "an upload's file is opened there",
    ("exchange", "health"): "health goes with the wire",
    ("fast", "failures"): "as above",
    ("driver", "quiet"): "what a library logs of an exchange is kept out",
    ("fast", "quiet"): "as above",
    ("client", "recording"): "an action that changes something is recorded",
    ("exchange", "http"): "http is the one place that imports httpx",
    ("driver", "http"): "as above",
    ("async_driver", "http"): "as above",
    ("fast", "http"): "as above",
    ("fast", "exchange"): "what the drivers share",
    ("fast", "tls"): "it explains a handshake that failed",
    ("exchange", "tls"): "every exchange goes through the one TLS context",
    ("certificate", "tls"): "as above, to look at what is shown",
    ("driver", "exchange"): "what both drivers share",
    ("async_driver", "exchange"): "what both drivers share",
    ("async_driver", "driver"): "submissions go through the blocking driver, in a thread",
    ("async_driver", "fast"): "the transport of an extra, imported where it is installed",
    ("action", "endpoint"): "an action has endpoints",
    ("endpoints", "endpoint"): "they are values of its class",
    ("tagging", "action"): "tags are plans that ask endpoints",
    ("tagging", "endpoint"): "as above",
    ("tagging", "endpoints"): "as above",
    ("steps", "endpoint"): "as above",
    ("steps", "action"): "steps are plans that ask endpoints",
    ("steps", "endpoints"): "as above",
    ("searching", "action"): "the schema twin of 'exactly one of' is there",
    ("cli.completion", "cli"): "the script names the commands, which the group knows",
    ("client", "check"): "the client checks parameters before it runs anything",
    ("async_client", "check"): "as above",
    ("async_client", "client"): "both faces share a session",
    ("diagnosis", "client"): "the last checks run over the connection that actions use",
    ("diagnosis", "probing"): "which endpoints there are is one of the checks",
    ("server.application", "async_client"): "one connector runs the actions of all requests",
    ("server.actions", "client"): "as above",
    ("server.readiness", "async_client"): "as above",
    ("server.openapi", "contract"): "the document is made of the contract's schemas",
    ("playbooks.durable.hosting", "server.run"): "where no action server is named, one is brought up",
    ("playbooks.durable.hosting", "server.keys"): "as above",
    ("playbooks.durable.routes", "server.bodies"): "runs are served beside the actions, by the same rules",
    ("playbooks.durable.routes", "server.keys"): "as above",
    ("playbooks.durable.routes", "server.openapi"): "as above",
    ("playbooks.durable.routes", "server.told"): "as above",
    ("server.hashing", "check"): "what a model refuses is told in the same words",
    ("playbooks.durable.routes", "check"): "what a model refuses is told in the same words",
    ("playbooks.linting.actions", "contract"): "a call must fit the schema of its action",
    ("playbooks.linting.shape", "check"): "what a model refuses is told in the same words",
    ("contract", "playbooks.extension"): "the schemas of the extensions are part of the contract",
    ("contract", "playbooks.library"): "the manifest lists the playbooks",
    ("contract", "playbooks.cacao"): "their pages are made of them",
    ("contract", "playbooks.drawing.describe"): "as above",
    ("enrichment.order", "check"): "what a model refuses is told in the same words",
    ("enrichment.running", "async_client"): "look-ups are actions of a connector",
    ("enrichment.plugs", "client"): "what the settings say of STIX",
    ("enrichment.webhook", "server.actions"): "events are posted to the action server, by its rules",
    ("enrichment.webhook", "server.bodies"): "as above",
    ("enrichment.webhook", "server.keys"): "as above",
    ("enrichment.webhook", "server.openapi"): "as above",
    ("enrichment.webhook", "server.problems"): "as above",
    ("enrichment.webhook", "server.told"): "as above",
    ("enrichment.report.charts", "playbooks.drawing.markup"): "markup whose every argument is escaped",
    ("enrichment.report.page", "playbooks.drawing.markup"): "as above",
    ("enrichment.report.page", "playbooks.drawing.page_facts"): "one look for the pages of runs",
    ("enrichment.report.page", "playbooks.drawing.page_parts"): "as above",
    ("enrichment.report.style", "playbooks.drawing.style"): "as above",
    ("enrichment.report.style", "playbooks.drawing.page_style"): "as above",
    ("enrichment.report.words", "playbooks.drawing.page_facts"): "as above",
    ("enrichment.report.summary", "playbooks.drawing.page_facts"): "as above",
    ("directory", "check"): "the parameters of every submission are checked once, before the first file",
}
# Packages and files that are one idea in several rooms: the first may import the others, and these each other.
ROOMS = {
    "stix": "stix_",
    "journal": "journal_",
    "directory": "submitting",
    "server": "server.",
    "playbooks": "playbooks.",
    "enrichment": "enrichment.",
    "cli": "cli.",
}

# Who may import a heavy or foreign package.
BORDERS: dict[str, set[str]] = {
    "httpx": {"http"},
    "httpcore": {"network"},
    "aiohttp": {"fast"},
    "stix2": {"stix"},
    "stix2patterns": {"playbooks.conditions", "playbooks.linting.compared"},
    "uvicorn": {"server.run", "server.protocol"},
    "h11": {"server.protocol"},
    "prometheus_client": {"server.metrics", "enrichment.measures"},
    "redis": {f"enrichment.redis_streams.{name}" for name in ("link", "group", "source", "cache", "sink", "limiter")},
    "confluent_kafka": {f"enrichment.kafka_topics.{name}" for name in ("link", "failing", "source", "sink")},
    "taxii2client": {"enrichment.sinks.taxii"},
    "python_multipart": {"server.forms"},
    "dbos": {"playbooks.durable.engine", "playbooks.durable.runs"},
}

# Larger than they should be, and why they are not split.
LONGER: dict[str, tuple[int, str]] = {}
LONGEST_FILE, LONGEST_FUNCTION = 350, 60

PUBLIC = [
    *("ApplianceRefused", "AsyncConnector", "BadAnswer", "ConfigError", "Connector", "File", "InputRefused"),
    *("Next", "Outcome", "OutcomeUnknown", "ServerError", "Settings", "SpectraError", "Unreachable"),
    *("Url", "Used", "Verdict", "Violation", "__version__"),
]


def name_of(path: Path) -> str:
    parts = path.relative_to(HOUSE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def imports_of(path: Path) -> set[str]:
    """Every module that a file imports at run time, wherever in the file; only absolute imports are allowed."""
    tree = tree_of(path)
    for_types = {node for test in ast.walk(tree) if _is_type_checking(test) for node in ast.walk(test)}
    found: set[str] = set()
    for node in ast.walk(tree):
        if node in for_types:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            module = str(node.module)
            found |= {f"{module}.{alias.name}" if _is_module(module, alias.name) else module for alias in node.names}
    return found


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _is_module(package: str, name: str) -> bool:
    place = ROOT.joinpath(*package.split("."))
    return place.is_dir() and ((place / f"{name}.py").exists() or (place / name / "__init__.py").exists())


def of_ours(path: Path) -> set[str]:
    """The modules of the house that a file imports, by their names in the table."""
    ours = {name for name in imports_of(path) if name.split(".")[0] == "connector"}
    return {name.removeprefix("connector.") if name != "connector" else "__init__" for name in ours}


def floor_of(name: str) -> int:
    for number, rooms in enumerate(FLOORS.values()):
        if name in rooms or f"{name.split('.', maxsplit=1)[0]}.*" in rooms:
            return number
    raise AssertionError(f"connector/{name.replace('.', '/')}.py stands on no floor: place it in FLOORS")


def neighbours(importer: str, imported: str) -> bool:
    if (importer, imported) in NEIGHBOURS:
        return True
    return any(
        importer == house or importer.startswith(rooms) for house, rooms in ROOMS.items() if imported.startswith(rooms)
    )


by_name = pytest.mark.parametrize("path", FILES, ids=name_of)


@by_name
def test_every_module_stands_on_a_floor(path):
    assert floor_of(name_of(path)) >= 0


def test_the_tables_name_only_what_exists():
    there = {name_of(path) for path in FILES}
    listed = {room for room in chain(*FLOORS.values()) if not room.endswith("*")}

    assert listed <= there
    assert {module for pair in NEIGHBOURS for module in pair} <= there
    assert set(LONGER) <= there
    assert all(importer in there for importers in BORDERS.values() for importer in importers)


@by_name
def test_a_module_imports_from_lower_floors_only(path):
    name = name_of(path)
    wrong = {
        other
        for other in of_ours(path)
        if not other.startswith("emulator") and floor_of(other) >= floor_of(name) and not neighbours(name, other)
    }

    assert not wrong, f"{name} (floor {floor_of(name)}) imports {wrong}"


@by_name
def test_actions_never_import_each_other(path):
    if name_of(path).startswith("actions."):
        assert not [other for other in of_ours(path) if other.startswith("actions")]


@pytest.mark.parametrize("package", BORDERS)
def test_a_foreign_package_is_imported_at_its_border_only(package):
    importers = {name_of(path) for path in FILES if package in {name.split(".")[0] for name in imports_of(path)}}

    assert importers <= BORDERS[package]


def test_only_the_command_line_knows_both_the_emulator_and_the_connector():
    knowing = {name_of(path) for path in FILES if any(name.startswith("emulator") for name in of_ours(path))}

    assert all(name.startswith("cli.") for name in knowing)


def test_the_emulator_imports_nothing_of_the_connector():
    for path in EMULATOR.rglob("*.py"):
        ours = [name for name in imports_of(path) if name.split(".")[0] == "connector"]

        assert all(name.startswith("connector.emulator") for name in ours), path


def test_no_imports_run_in_a_circle():
    arrows = {name_of(path): of_ours(path) - {"__init__"} for path in FILES}
    done: set[str] = set()

    def walk(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " -> ".join((*way, name))
        if name not in done:
            for other in arrows.get(name, ()):
                walk(other, (*way, name))
            done.add(name)

    for name in arrows:
        walk(name, ())


@by_name
def test_the_first_line_of_a_module_says_what_it_is(path):
    docstring = ast.get_docstring(tree_of(path)) or ""

    assert isinstance(tree_of(path).body[0], ast.Expr)
    assert docstring.splitlines()[0].endswith((".", ";", ",", ":")), "a sentence, or its beginning"


@by_name
def test_files_and_functions_stay_small(path):
    most, _ = LONGER.get(name_of(path), (LONGEST_FILE, ""))
    functions = [n for n in ast.walk(tree_of(path)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = [f.name for f in functions if f.end_lineno - f.lineno + 1 > LONGEST_FUNCTION]

    assert len(path.read_text("utf-8").splitlines()) <= most
    assert not long


def test_every_action_is_registered():
    from connector.actions import NAMES

    there = {path.stem for path in (HOUSE / "actions").glob("[!_]*.py")}

    assert there == set(NAMES)
    assert len(NAMES) == len(set(NAMES))


def test_the_public_names_are_frozen():
    assert sorted(connector.__all__) == sorted(PUBLIC)
    assert dir(connector) == sorted(PUBLIC)
    for name in PUBLIC:
        assert getattr(connector, name) is not None


def test_a_name_that_is_not_public_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing_of_the_kind'"):
        connector.nothing_of_the_kind  # noqa: B018


CHEAP = {
    "import connector": "import connector",
    "spectra --help": "import sys; sys.argv = ['spectra', '--help']; from connector.cli import main; main()",
    "spectra --version": "import sys; sys.argv = ['spectra', '--version']; from connector.cli import main; main()",
}


@pytest.mark.parametrize("what", CHEAP)
def test_what_must_be_quick_imports_nothing_heavy(what):
    code = f"""
import atexit, sys
heavy = {{"httpx", "stix2", "jsonschema", "pydantic", "aiohttp", "uvicorn", "starlette", "lark", "rich", "dbos", "jsonpath"}}
atexit.register(lambda: print("loaded:", sorted(heavy & sys.modules.keys()), file=sys.stderr))
{CHEAP[what]}
"""
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)

    assert ended.returncode == 0, ended.stderr
    assert "loaded: []" in ended.stderr
