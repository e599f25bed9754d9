"""The project's data for other programs agrees with the project itself."""

import os
import re
import shlex
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[2]
SETTINGS = tomllib.loads((PROJECT / "pyproject.toml").read_text())
WORKFLOW = yaml.safe_load((PROJECT / ".github" / "workflows" / "ci.yml").read_text())


def test_each_script_of_the_workflow_is_there_and_can_be_run() -> None:
    steps = [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]
    scripts = [shlex.split(step["run"])[0] for step in steps if "run" in step]
    assert scripts == ["scripts/test", ".ci/run"]
    for script in scripts:
        assert os.access(PROJECT / script, os.X_OK), script


def test_the_workflow_tries_each_python_that_the_package_is_for() -> None:
    versions = re.findall(r"Python :: (3\.\d+)", "\n".join(SETTINGS["project"]["classifiers"]))
    assert WORKFLOW["jobs"]["tests"]["strategy"]["matrix"]["python"] == versions
    assert SETTINGS["project"]["requires-python"] == f">={versions[0]}"


def test_a_commit_is_checked_with_the_tools_of_the_environment() -> None:
    config = yaml.safe_load((PROJECT / ".pre-commit-config.yaml").read_text())
    hooks: list[dict[str, Any]] = [hook for repo in config["repos"] for hook in repo["hooks"]]
    tools = [Path(shlex.split(hook["entry"])[0]) for hook in hooks]
    assert {str(tool.parent) for tool in tools} == {".environment/venv/bin"}
    used = re.findall(r'"\$bin/([a-z-]+)"', (PROJECT / "scripts" / "test").read_text())
    assert {tool.name for tool in tools} == set(used) - {"python"}


def test_the_lists_of_the_second_tier_name_files_that_there_are() -> None:
    lists = (PROJECT / "scripts" / "_servers.sh").read_text()
    named = re.findall(r"^    (tests/\S+)$", lists, re.MULTILINE)
    assert len(named) > 10
    assert [path for path in named if not (PROJECT / path).exists()] == []


def test_what_the_second_tier_lacks_is_named() -> None:
    asked = """
        . scripts/_servers.sh
        needed_servers=("a-shell /bin/s[h]" "nothing /nowhere/nothing")
        missing_servers
    """
    told = subprocess.run(["bash", "-euc", asked], cwd=PROJECT, capture_output=True, check=True)
    assert told.stdout == b"nothing\n"


MUTATIONS = tomllib.loads((PROJECT / "scripts" / "mutations.toml").read_text())


@pytest.mark.parametrize("change", MUTATIONS["change"], ids=lambda change: change["what"])
def test_a_listed_mutation_changes_a_text_that_stands_once(change: dict[str, Any]) -> None:
    files = PROJECT.glob(change.get("files", "migrations/0*.sql"))
    assert sum(file.read_text().count(change["old"]) for file in files) == 1
    assert all((PROJECT / test.partition("::")[0]).exists() for test in change["tests"])


def test_every_module_that_is_mutated_is_there() -> None:
    assert [path for path in MUTATIONS["modules"]["paths"] if not (PROJECT / path).exists()] == []
