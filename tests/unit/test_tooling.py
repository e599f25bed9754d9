"""The project's data for other programs agrees with the project itself."""

import os
import re
import shlex
import shutil
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


MIGRATIONS = "migrations/0*.sql"
MUTATIONS = tomllib.loads((PROJECT / "scripts" / "mutations.toml").read_text())


@pytest.mark.parametrize("change", MUTATIONS["change"], ids=lambda change: change["what"])
def test_the_last_file_of_a_listed_mutation_has_its_text_once(
    change: dict[str, Any],
) -> None:
    texts = [path.read_text() for path in sorted(PROJECT.glob(change.get("files", MIGRATIONS)))]
    assert [text.count(change["old"]) for text in texts if change["old"] in text][-1:] == [1]
    assert all((PROJECT / test.partition("::")[0]).exists() for test in change["tests"])


def test_every_module_that_is_mutated_is_there() -> None:
    assert [path for path in MUTATIONS["modules"]["paths"] if not (PROJECT / path).exists()] == []


def own_folder(project: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """What a script of this checkout takes for its own folder."""
    (project / "scripts").mkdir(parents=True, exist_ok=True)
    script = shutil.copy(PROJECT / "scripts/_environment.sh", project / "scripts")
    return subprocess.run(
        ["bash", "-c", '. "$0"; own_folder .environment', script],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_script_makes_its_folder_in_the_checkout_closed_to_others(tmp_path: Path) -> None:
    done = own_folder(tmp_path / "p")
    folder = tmp_path / "p" / ".environment"
    assert (done.stdout, done.returncode) == (f"{folder}\n", 0)
    assert folder.stat().st_mode & 0o777 == 0o711


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_script_of_somebody_elses_checkout_runs_nothing_from_a_shared_folder(
    tmp_path: Path,
) -> None:
    checkout = tmp_path / "p"
    own_folder(checkout)
    shutil.rmtree(checkout / ".environment")
    os.chown(checkout, 12345, 12345)
    for wrong in ({}, {"HOME": "home"}, {"XDG_CACHE_HOME": "cache"}):
        done = own_folder(checkout, **wrong)
        assert (done.stdout, done.returncode) == ("", 1)
        assert "set HOME or XDG_CACHE_HOME" in done.stderr
    home = own_folder(checkout, HOME=str(tmp_path / "home"))
    folder = Path(home.stdout.strip())
    assert folder.is_relative_to(tmp_path / "home/.cache")
    assert folder.parent.stat().st_mode & 0o777 == 0o711
    for spoil in (lambda p: os.chown(p, 12345, 12345), lambda p: p.chmod(0o777)):
        for path in (folder, folder.parent):
            before = path.stat()
            spoil(path)
            refused = own_folder(checkout, HOME=str(tmp_path / "home"))
            assert (refused.stdout, refused.returncode) == ("", 1)
            assert str(path) in refused.stderr
            os.chown(path, before.st_uid, before.st_gid)
            path.chmod(0o711)
    folder.rmdir()
    folder.symlink_to(tmp_path)
    assert own_folder(checkout, HOME=str(tmp_path / "home")).returncode == 1


def test_whatever_a_script_fetches_is_pinned_with_hashes() -> None:
    fetching = (PROJECT / "scripts/_environment.sh").read_text()
    (pip,) = re.findall(r"pip install.*\n.*", fetching)
    assert "--require-hashes" in pip
    assert "installer.txt" in pip
    assert "--frozen" in fetching
    assert "--no-build-isolation-package" in fetching
    lines = (PROJECT / "scripts/installer.txt").read_text().splitlines()
    wanted = [line for line in lines if not line.startswith(("#", "    --hash=sha256:"))]
    assert len(wanted) == 1
    assert re.fullmatch(r"uv==[\d.]+ \\", wanted[0])
    locked = tomllib.loads((PROJECT / "uv.lock").read_text())["package"]
    for package in locked:
        files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
        assert all(file["hash"].startswith("sha256:") for file in files), package["name"]
        assert files or "editable" in package["source"]
    assert {"hatchling", "editables"} <= {package["name"] for package in locked}
