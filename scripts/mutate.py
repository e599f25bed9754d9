"""Makes small changes to the code, one at a time, and reports those that no test detects.

In modules without I/O, mutmut makes all its small changes, and runs the unit tests that cover
the changed function. Further changes, mostly of SQL, are listed explicitly. Each has a test that
must detect it against a real PostgreSQL.

Exit codes: 0 · 1 no test detected a listed change · 2 the arguments name nothing to change.
"""

import argparse
import ast
import difflib
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

PROJECT: Final = Path(__file__).resolve().parents[1]
PLAN: Final = PROJECT / "scripts" / "mutations.toml"
MUTMUT: Final = PROJECT / "scripts" / "mutmut_limits.py"
JOBS: Final = os.cpu_count() or 1
NOTICED: Final = {"killed", "timeout", "segfault"}
_RESULT: Final = re.compile(r"\s+(\S+): (.+)")
WORDING: Final = "wording"
"""Outcome of a mutant that only changes a sentence: tests check only single words."""


@dataclass(frozen=True, slots=True)
class Change:
    """A listed change, and the tests of which at least one must detect it."""

    what: str
    """The behaviour of the changed program."""
    old: str
    new: str
    tests: list[str]
    files: str = "migrations/0*.sql"
    """Of these files the last that holds the old text has it once: a later migration counts."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A change made by mutmut."""

    name: str
    outcome: str

    @property
    def module(self) -> str:
        """The file that was changed."""
        return self.name.rpartition(".")[0].replace(".", "/") + ".py"

    @property
    def function(self) -> str:
        """The function that was changed, and the number of the change."""
        function, _, number = self.name.rpartition(".")[2].partition("__mutmut_")
        return f"{function.removeprefix('x').strip('_ǁ').replace('ǁ', '.')} {number}"


def main() -> int:
    """Tries the changes that the arguments name; returns the exit code."""
    parser = argparse.ArgumentParser(prog="mutate", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("paths", nargs="*", metavar="PATH", help="modules or folders [all]")
    wanted = [path.rstrip("/") for path in parser.parse_args().paths]
    plan = tomllib.loads(PLAN.read_text())
    modules = [one for one in plan["modules"]["paths"] if _is_wanted(one, wanted)]
    changes = [Change(**one) for one in plan["change"]]
    changes = [change for change in changes if _is_wanted(change.files, wanted)]
    if not modules and not changes:
        print(f"mutate: nothing of {PLAN.name} is in {', '.join(wanted)}", file=sys.stderr)
        return 2
    if modules:
        _report_modules(_mutated(modules, plan["modules"]["tests"]))
    return _report_changes(changes, _tried(changes)) if changes else 0


def _is_wanted(path: str, wanted: Sequence[str]) -> bool:
    return not wanted or any(path == one or path.startswith(f"{one}/") for one in wanted)


@contextmanager
def _copy() -> Iterator[Path]:
    """A copy of the project."""
    with tempfile.TemporaryDirectory(prefix="account-registry-mutate-") as folder:
        copy = Path(folder) / "project"
        shutil.copytree(PROJECT, copy, ignore=shutil.ignore_patterns(".*", "__pycache__"))
        yield copy


# All small changes of a module


def _mutated(paths: Sequence[str], tests: Sequence[str]) -> dict[Mutant, str]:
    """The mutants, each with its diff if no test detected it."""
    settings = {
        "source_paths": ["registry", "projections"],
        "only_mutate": paths,
        "pytest_add_cli_args_test_selection": tests,
        # In processor time, so that other programs on the machine do not count.
        "timeout_multiplier": ["4"],
    }
    lines = [f"{name} =\n  " + "\n  ".join([*values, ""]) for name, values in settings.items()]
    with _copy() as project:
        (project / "setup.cfg").write_text("[mutmut]\n" + "\n".join(lines))
        _mutmut(project, "run", "--max-children", str(JOBS))
        lines = _mutmut(project, "results", "--all", "true")
        mutants = [Mutant(*found.groups()) for line in lines if (found := _RESULT.fullmatch(line))]
        modules = {mutant.module for mutant in mutants}
        differences = {module: _differences(project, module) for module in modules}
        return dict(_explained(mutant, differences[mutant.module]) for mutant in mutants)


def _mutmut(project: Path, *arguments: str) -> list[str]:
    environment = {**os.environ, "REGISTRY_TEST_DATABASE_URL": "none"}
    done = subprocess.run(
        [sys.executable, MUTMUT, *arguments],
        cwd=project,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        ended = f"mutate: mutmut {arguments[0]} ended with {done.returncode}"
        sys.exit(f"{done.stdout[-2000:]}\n{ended}")
    return done.stdout.splitlines()


def _differences(project: Path, module: str) -> Callable[[str], list[str]]:
    """Returns a function that gives the lines which a mutant of the module removes and adds.

    mutmut keeps all variants of a function in one file, the original under a name of its own.
    """
    text = (project / "mutants" / module).read_text()
    lines = text.splitlines()
    places = {
        node.name: slice(node.lineno - 1, node.end_lineno)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef)
    }

    def variant(name: str) -> list[str]:
        return [line.replace(name, "…") for line in lines[places[name]]]

    def difference(name: str) -> list[str]:
        original = f"{name.rpartition('_')[0]}_orig"
        found = difflib.unified_diff(variant(original), variant(name), lineterm="", n=0)
        return [line for line in list(found)[2:] if not line.startswith("@@")]

    return difference


def _explained(mutant: Mutant, difference: Callable[[str], list[str]]) -> tuple[Mutant, str]:
    if mutant.outcome in NOTICED:
        return mutant, ""
    shown = difference(mutant.name.rpartition(".")[2])
    letters = {_letters(shown, sign) for sign in "-+"}
    outcome = WORDING if len(letters) == 1 and " " in letters.pop() else mutant.outcome
    return Mutant(mutant.name, outcome), "\n".join(f"    {line}" for line in shown)


def _letters(shown: Sequence[str], sign: str) -> str:
    lines = [line[1:].strip() for line in shown if line[0] == sign]
    return "\n".join(lines).replace("XX", "").lower()


def _report_modules(mutants: dict[Mutant, str]) -> None:
    print(f"{'module':45}{'mutants':>9}{'noticed':>9}{'wording':>9}{'survived':>10}{'score':>8}")
    modules = sorted({mutant.module for mutant in mutants})
    for module in [*modules, "all"] if len(modules) > 1 else modules:
        found = [mutant.outcome for mutant in mutants if module in {mutant.module, "all"}]
        noticed = sum(outcome in NOTICED for outcome in found)
        wording = found.count(WORDING)
        counted = len(found) - wording
        score = f"{noticed / counted:.1%}" if counted else "-"
        print(f"{module:45}{len(found):9}{noticed:9}{wording:9}{counted - noticed:10}{score:>8}")
    for mutant, difference in mutants.items():
        if mutant.outcome not in NOTICED | {WORDING}:
            print(f"\n{mutant.module} {mutant.function}: {mutant.outcome}\n{difference}")


# Listed changes


def _tried(changes: Sequence[Change]) -> list[str]:
    """The result for each change."""
    copies: queue.SimpleQueue[Path] = queue.SimpleQueue()

    def attempt(change: Change) -> str:
        project = copies.get()
        try:
            return _attempt(project, change)
        finally:
            copies.put(project)

    with _copy() as one, _copy() as other, ThreadPoolExecutor(max_workers=2) as pool:
        tests = sorted({test for change in changes for test in change.tests})
        if _pytest(one, tests):
            sys.exit("mutate: the tests of the listed changes fail without any change")
        for project in (one, other):
            copies.put(project)
        return list(pool.map(attempt, changes))


def _attempt(project: Path, change: Change) -> str:
    files = sorted(path for path in project.glob(change.files) if change.old in path.read_text())
    text = files[-1].read_text() if files else ""
    if (count := text.count(change.old)) != 1:
        return f"stale: the old text stands {count} times"
    files[-1].write_text(text.replace(change.old, change.new))
    try:
        status = _pytest(project, change.tests)
    finally:
        files[-1].write_text(text)
    return {0: "survived", 1: "noticed"}.get(status, f"broken: pytest ended with {status}")


def _pytest(project: Path, tests: Sequence[str]) -> int:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    environment: dict[str, Any] = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        command, cwd=project, env=environment, capture_output=True, check=False
    ).returncode


def _report_changes(changes: Sequence[Change], outcomes: Sequence[str]) -> int:
    counts = Counter(outcomes)
    print(f"\nlisted changes: {len(changes)}, noticed: {counts['noticed']}")
    for change, outcome in zip(changes, outcomes, strict=True):
        if outcome != "noticed":
            print(f"\n{change.files}: {change.what}: {outcome}\n    {' '.join(change.tests)}")
    return 0 if counts["noticed"] == len(changes) else 1


if __name__ == "__main__":
    sys.exit(main())
