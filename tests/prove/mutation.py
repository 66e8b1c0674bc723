"""The mutation score: how many small changes to a module the tests that matter for it notice, by mutmut.

``python tests/prove/mutation.py --all --survivors FILE``, or the names of modules; ``--list`` tells them with their
tests. It works in a copy of the tree, with examples that are the same in every run, the quickest tests first and the
slow ones (a mark) left out. One JSON line for each module and for each group of which all were measured; exit code 1
when a group's score is under ``--least`` (a module's, where no group is complete), or the tests fail without any change.

FILE takes one JSON line for each change that no test noticed: before, after, and ``why`` it may stay, which is written
by hand and kept from run to run. A change to the wording of a sentence alone is counted apart, as ``wording``: no test
repeats every sentence. mutmut changes neither what stands outside functions (tables, patterns) nor functions under
decorators, and what a function does while its module is imported is not changed for the tests.
"""

import argparse
import ast
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import chdir, suppress
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
STIX: Final = ("tests/test_stix.py", "tests/test_stix_text.py", "tests/test_stix_golden.py", "tests/test_stix_merge.py")
MODULES: Final[dict[str, tuple[str, ...]]] = {
    "retry": ("tests/test_plans.py", "tests/test_retry_after.py"),
    "health": ("tests/test_health.py", "tests/test_plans.py"),
    "reader": ("tests/test_reader.py",),
    "query": ("tests/test_query.py",),
    "zones": ("tests/test_zones.py",),
    "reserved": ("tests/test_zones.py",),
    "privacy": ("tests/test_privacy.py",),
    "files": ("tests/test_files.py",),
    "journal": ("tests/test_journal.py",),
    "journal_moves": ("tests/test_journal.py",),
    "journal_owner": ("tests/test_journal_parts.py", "tests/test_journal.py"),
    "journal_place": ("tests/test_journal_parts.py", "tests/test_journal.py"),
    "journal_table": ("tests/test_journal.py",),
    "stix": (*STIX, "tests/test_stix_cases.py", "tests/test_stix_sentinel.py"),
    "stix_text": ("tests/test_stix_text.py",),
    "stix_ids": (*STIX, "tests/test_stix_equal.py"),
    "stix_objects": (*STIX, "tests/test_stix_equal.py"),
}
# What the score is asked of: the parts of one thing count together.
GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "retry": ("retry", "health"),
    "reader": ("reader",),
    "guards": ("query", "zones", "reserved", "privacy", "files"),
    "journal": ("journal", "journal_moves", "journal_owner", "journal_place", "journal_table"),
    "STIX": ("stix", "stix_text", "stix_ids", "stix_objects"),
}
SKIPPED: Final = (".git", ".venv*", ".*_cache", ".hypothesis", "__pycache__", "mutants", "dist", "build")
PLUGIN: Final = """
import json
from pathlib import Path

from hypothesis import HealthCheck, settings

settings.register_profile(
    "mutation", deadline=None, max_examples={examples}, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck),
)


def pytest_collection_modifyitems(items):
    file = Path("mutmut-stats.json")
    seconds = json.loads(file.read_text())["duration_by_test"] if file.exists() else {{}}
    items.sort(key=lambda item: seconds.get(item.nodeid, 0))
"""
ARGUMENTS: Final = (
    "-m",
    "not slow",
    "-q",
    "-p",
    "no:cacheprovider",
    "-p",
    "mutation_plugin",
    "--hypothesis-profile=mutation",
)
PROSE: Final = re.compile(r"[a-z]{2,} [a-z]{2,}")
Line = dict[str, Any]


def copied(home: Path, module: str, tests: list[str], examples: int) -> Path:
    """A copy of the tree with mutmut set up in it for one module."""
    tree = home / "tree"
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(*SKIPPED))
    (tree / "mutation_plugin.py").write_text(PLUGIN.format(examples=examples), "ascii")
    beside = sorted(path.name for path in tree.iterdir() if path.name not in {"connector", "tests", "pyproject.toml"})
    lines = ["[mutmut]", "source_paths = connector", f"only_mutate = connector/{module}.py"]
    lines += ["use_git_change_detection = false", "timeout_multiplier = 10", "timeout_constant = 2"]
    several = {"also_copy": beside, "pytest_add_cli_args": ARGUMENTS, "pytest_add_cli_args_test_selection": tests}
    lines += ["\n    ".join((f"{name} =", *values)) for name, values in several.items()]
    (tree / "setup.cfg").write_text("\n".join(lines) + "\n", "utf-8")
    return tree


def run(tree: Path, children: int, longest: int) -> str:
    """Have mutmut try every change; returns the end of what it wrote where it failed, else an empty text."""
    command = [str(Path(sys.executable).with_name("mutmut")), "run", "--max-children", str(children)]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "PROVE_RACES": "3"}
    with (tree.parent / "log").open("w+", encoding="utf-8", errors="replace") as log:
        process = subprocess.Popen(
            command, cwd=tree, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        try:
            code = process.wait(longest)
        except subprocess.TimeoutExpired:
            return f"not done after {longest} s"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        log.seek(0)
        written = log.read()
        red = [line for line in written.splitlines() if line.startswith(("FAILED ", "ERROR "))]
        return "; ".join(red) or written[-800:] or f"mutmut ended with {code}" if code else ""


class _Plain(ast.NodeTransformer):
    """Sentences without what mutmut does to them: letters of the other case, and XX around."""

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        if isinstance(node.value, str) and PROSE.search(node.value.lower()):
            return ast.Constant(re.sub(r"^XX|XX$", "", node.value).lower())
        return node


def functions(tree: Path, module: str) -> dict[str, ast.FunctionDef]:
    """Every original and changed function of the file that mutmut wrote, by its mangled name."""
    parsed = ast.parse((tree / "mutants" / "connector" / f"{module}.py").read_text("utf-8"))
    return {node.name: node for node in ast.walk(parsed) if isinstance(node, ast.FunctionDef)}


def is_wording(found: dict[str, ast.FunctionDef], mutant: str) -> bool:
    """Whether a change touches nothing but how a sentence is written."""
    name = mutant.rpartition(".")[2]
    pair = [found[f"{name.rpartition('__mutmut_')[0]}__mutmut_orig"], found[name]]
    before, after = ([ast.dump(_Plain().visit(part)) for part in function.body] for function in pair)
    return before == after


def survivor(tree: Path, module: str, mutant: str, status: str, wording: bool) -> Line:
    """One change that no test noticed, as it is kept."""
    from mutmut.mutation.diff_apply import get_diff_for_mutant

    path = f"connector/{module}.py"
    with chdir(tree):
        diff = get_diff_for_mutant(mutant, path=path).splitlines()[2:]
    before, after = ([line[1:].strip() for line in diff if line[:1] == sign] for sign in "-+")
    name = mutant.rpartition(".")[2].rpartition("__mutmut_")[0].removeprefix("x_").replace("x\u01c1", "")
    made = {"module": module, "function": name.replace("\u01c1", "."), "status": status, "wording": wording}
    return made | {"before": " ".join(before), "after": " ".join(after)}


def measured(module: str, options: argparse.Namespace) -> tuple[Line, list[Line]]:
    """The line of one module, and its survivors."""
    from mutmut.stats import status_by_exit_code

    tests = [test for test in MODULES[module] if (ROOT / test).exists()]
    if not tests or not (ROOT / "connector" / f"{module}.py").exists():
        return {"module": module, "failed": "the module or its tests do not exist"}, []
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as home:
        tree = copied(Path(home), module, tests, options.examples)
        failed = run(tree, options.children, options.longest)
        if failed:
            return {"module": module, "failed": failed}, []
        seconds = time.perf_counter() - began
        meta = json.loads((tree / "mutants" / "connector" / f"{module}.py.meta").read_text("utf-8"))
        status = {mutant: status_by_exit_code[code] for mutant, code in meta["exit_code_by_key"].items()}
        found = functions(tree, module)
        lived = [(mutant, how) for mutant, how in status.items() if how not in {"killed", "timeout", "segfault"}]
        survivors = [survivor(tree, module, m, how, is_wording(found, m)) for m, how in lived]
    return told(module, Counter(status.values()), survivors, seconds), survivors


def told(module: str, tally: Counter[str], survivors: list[Line], seconds: float) -> Line:
    """Counts and scores in per cent: ``score`` leaves wording out, ``raw_score`` counts every change."""
    mutants, wording = tally.total(), sum(1 for each in survivors if each["wording"])
    noticed = mutants - len(survivors)
    line: Line = {
        "module": module,
        "mutants": mutants,
        "killed": tally["killed"],
        "timeout": tally["timeout"] + tally["segfault"],
    }
    line |= {"survived": len(survivors) - wording, "wording": wording, "no_tests": tally["no tests"]}
    line |= {"score": round(100 * noticed / max(1, mutants - wording), 1)}
    line |= {"raw_score": round(100 * noticed / max(1, mutants), 1)}
    return line | {"seconds": round(seconds, 1), "mutants_per_second": round(mutants / seconds, 2)}


def together(lines: list[Line]) -> Iterator[Line]:
    """A line for each group of which every module was measured."""
    by_module = {line["module"]: line for line in lines if "score" in line}
    for group, modules in GROUPS.items():
        if by_module.keys() >= set(modules):
            of = [by_module[module] for module in modules]
            sums = {
                name: sum(line[name] for line in of) for name in ("mutants", "killed", "timeout", "survived", "wording")
            }
            noticed = sums["mutants"] - sums["survived"] - sums["wording"]
            score = round(100 * noticed / max(1, sums["mutants"] - sums["wording"]), 1)
            yield {"module": f"all of {group}", **sums, "score": score}


def keep(file: Path, modules: list[str], survivors: list[Line]) -> None:
    """Write the survivors of these modules into the file; other modules and every ``why`` stay as they are."""
    kept = [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.exists() else []
    identity = ("module", "function", "before", "after")
    reasons = {tuple(each[name] for name in identity): each.get("why", "") for each in kept}
    fresh = [each | {"why": reasons.get(tuple(each[name] for name in identity), "")} for each in survivors]
    every = [each for each in kept if each["module"] not in modules] + fresh
    every.sort(key=lambda each: [str(each[name]) for name in identity])
    file.write_text("".join(json.dumps(each, ensure_ascii=False) + "\n" for each in every), "utf-8")


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("modules", nargs="*", metavar="MODULE")
    options.add_argument("--all", action="store_true")
    options.add_argument("--list", action="store_true")
    options.add_argument("--survivors", type=Path, metavar="FILE")
    options.add_argument("--least", type=float, default=90.0, help="per cent")
    options.add_argument("--children", type=int, default=1, help="changes tried at a time")
    options.add_argument("--examples", type=int, default=25, help="of each property test")
    options.add_argument("--longest", type=int, default=900, help="seconds for one module")
    chosen = options.parse_args()
    if unknown := set(chosen.modules) - MODULES.keys():
        options.error(f"there is no module {min(unknown)} in the table; --list tells them")
    if chosen.list:
        sys.stdout.writelines(json.dumps({"module": name, "tests": tests}) + "\n" for name, tests in MODULES.items())
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that no process and no folder is left behind
    lines: list[Line] = []
    for module in MODULES if chosen.all else chosen.modules:
        line, survivors = measured(module, chosen)
        lines.append(line)
        if chosen.survivors and "failed" not in line:
            keep(chosen.survivors, [module], survivors)
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
    groups = list(together(lines))
    sys.stdout.writelines(json.dumps(line) + "\n" for line in groups)
    return 0 if all(line.get("score", -1.0) >= chosen.least for line in groups or lines) else 1


if __name__ == "__main__":
    sys.exit(main())
