"""The emulator is a house of its own."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[2] / "connector" / "emulator"
FILES = sorted(HOUSE.rglob("*.py"))
FLOORS = (
    ("switches", "product", "query"),
    ("crawler", "pages"),
    ("server",),
)


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "only absolute imports"
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(HOUSE)))
def test_it_imports_nothing_from_the_rest_of_the_connector(path: Path) -> None:
    outside = {name for name in imported(path) if name == "connector" or name.startswith("connector.")}
    assert all(name == "connector.emulator" or name.startswith("connector.emulator.") for name in outside)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(HOUSE)))
def test_imports_go_downwards_only(path: Path) -> None:
    if path == HOUSE / "__init__.py":
        return
    own = path.relative_to(HOUSE).parts[0].removesuffix(".py")
    level = next(number for number, floor in enumerate(FLOORS) if own in floor)
    above = {name for floor in FLOORS[level + 1 :] for name in floor}
    used = {name.split(".")[2] for name in imported(path) if name.startswith("connector.emulator.")}
    assert not used & above


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(HOUSE)))
def test_the_first_line_of_a_file_says_what_it_is(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
    assert docstring.splitlines()[0].endswith((".", ":"))
    assert len(path.read_text().splitlines()) <= 300


def test_the_product_knows_no_http() -> None:
    for path in (HOUSE / "product").glob("*.py"):
        assert not imported(path) & {"httpx", "uvicorn", "starlette", "json"}, path


def test_importing_it_loads_neither_server_nor_parser() -> None:
    code = (
        "import sys, connector.emulator\n"
        "heavy = {'uvicorn', 'httpx', 'lark', 'bs4', 'puremagic', 'pyzipper'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=HOUSE.parents[1])


def test_an_unknown_name_is_an_attribute_error() -> None:
    import connector.emulator as house

    with pytest.raises(AttributeError, match="no attribute"):
        house.nothing_of_the_kind  # noqa: B018
