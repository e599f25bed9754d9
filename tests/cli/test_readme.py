"""The README shows what the program prints."""

import runpy
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_the_examples_of_the_readme_print_what_it_says() -> None:
    tour = runpy.run_path(str(PROJECT / "scripts/tour.py"))
    page = (PROJECT / "README.md").read_text()
    today = tour["run_in_new_folder"](page)
    assert tour["normalised"](today) == tour["normalised"](page), "run scripts/refresh-readme"
