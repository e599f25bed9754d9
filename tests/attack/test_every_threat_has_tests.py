"""The table of docs/threat-model.md and the modules of this folder cover the same threats."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "threat-model.md"
_ROW = re.compile(
    r"\| \*\*(?P<threat>[^*|]+)\*\* \|.*\| \[`(?P<module>\w+\.py)`\]\((?P<link>\S+)\) \|"
)


def rows(page: str) -> list[tuple[str, str, str]]:
    """Threat, module and link of each row of the table of threats."""
    section = page.split("\n## Threats\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    matches = [_ROW.fullmatch(line) for line in lines]
    assert all(matches), [line for line, match in zip(lines, matches, strict=True) if not match]
    return [(m["threat"], m["module"], m["link"]) for m in matches if m]


def names_of_tests(module: ast.Module) -> list[str]:
    """The names of a module's tests."""
    functions = (n for n in module.body if isinstance(n, ast.FunctionDef))
    return [function.name for function in functions if function.name.startswith("test_")]


def test_each_threat_names_a_module_that_has_tests_and_says_which_threat_it_is_about() -> None:
    found = rows(PAGE.read_text())
    assert len({threat for threat, _, _ in found}) == len(found)
    for threat, name, link in found:
        path = (PAGE.parent / link).resolve()
        assert (path.name, path.parent) == (name, Path(__file__).parent), threat
        module = ast.parse(path.read_text())
        assert (ast.get_docstring(module) or "").startswith(f"Threat: {threat}.\n"), name
        assert names_of_tests(module), name


def test_each_module_here_is_named_by_a_threat() -> None:
    here = {path.name for path in Path(__file__).parent.glob("test_*.py")} - {Path(__file__).name}
    assert {module for _, module, _ in rows(PAGE.read_text())} == here
