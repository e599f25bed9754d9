"""The benchmarks start, and all report in one format."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
FOLDER = PROJECT / "scripts" / "benchmarks"
SUBJECTS = sorted(path.stem for path in FOLDER.glob("*.py") if "__main__" in path.read_text())
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join(map(str, [PROJECT, PROJECT / "tests", FOLDER])),
}
REPORT = """
from harness import Limit, Target, report
report("it", "s", {"a": [1.0, 3.0, 2.0], "b": [4.0]}, [Target("a", "b", most=%s)], as_json=True,
       limits=[Limit("memory", 5, 6)], facts={"events": 7})
"""


@pytest.mark.slow
@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_benchmark_says_what_it_measures(subject: str) -> None:
    command = [sys.executable, str(FOLDER / f"{subject}.py"), "--help"]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert "--rounds" in done.stdout
    assert "--json" in done.stdout


@pytest.mark.parametrize(("most", "status"), [("0.5", 0), ("0.4", 1)])
def test_a_report_has_medians_spread_ratios_and_whether_targets_are_reached(
    most: str, status: int
) -> None:
    command = [sys.executable, "-c", REPORT % most]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == status
    document = json.loads(done.stdout)
    assert document["ways"]["a"] == {"median": 2.0, "lowest": 1.0, "highest": 3.0}
    (ratio,) = document["ratios"]
    assert (ratio["way"], ratio["over"], ratio["ratio"]) == ("a", "b", 0.5)
    assert ratio["reached"] == (status == 0)
    assert document["limits"] == [{"name": "memory", "value": 5, "most": 6, "reached": True}]
    assert document["facts"] == {"events": 7}
