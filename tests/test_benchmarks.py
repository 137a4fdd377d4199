"""The benchmarks run, and say what they promise. Nothing here depends on how fast anything is."""

from __future__ import annotations

import asyncio
import json
import math
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import cases, loops, report
from benchmarks.cases import BrokenError, Subject, break_down
from benchmarks.measure import Stopwatch

ROOT = Path(__file__).parent.parent
OURS = ("ours, memory", "ours, by name", "ours, shared")


def run(*options: str) -> str:
    """Return what ``python -m benchmarks`` prints with *options*."""
    command = [sys.executable, "-m", "benchmarks", *options]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def quick() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("--quick", "--rounds", "1", "--json"))
    return found


def test_the_json_says_where_and_when_it_was_measured(quick: dict[str, Any]) -> None:
    assert quick["python"].endswith(".".join(map(str, sys.version_info[:3])))
    assert quick["date"].endswith(" UTC")
    assert platform.python_compiler() in quick["build"]
    assert quick["packages"]["django-flask-breaker"]
    assert quick["rounds"] == 1


def test_every_case_is_measured_once_and_in_order(quick: dict[str, Any]) -> None:
    assert [case["name"] for case in quick["cases"]] == [case.name for case in cases.ALL]
    assert len({case.name for case in cases.ALL}) == 20


@pytest.mark.parametrize("name", OURS)
def test_ours_has_a_finite_ratio_in_every_case(quick: dict[str, Any], name: str) -> None:
    ratios = [case["ratios"][name] for case in quick["cases"]]
    assert all(math.isfinite(ratio) and ratio > 0 for ratio in ratios)


def test_a_case_that_a_peer_does_not_have_is_null(quick: dict[str, Any]) -> None:
    missing = {case["name"] for case in quick["cases"] if case["ratios"]["pybreaker"] is None}
    assert missing == {case.name for case in cases.ALL if case.is_async or case.form == "judged"}


def test_the_reference_has_a_time_in_every_case(quick: dict[str, Any]) -> None:
    assert all(case["reference_ns"] > 0 for case in quick["cases"])


def test_a_contestant_that_does_otherwise_ends_the_run() -> None:
    raises_unexpectedly = Subject(loops.function, break_down, break_down, expected=())
    with asyncio.Runner() as runner, pytest.raises(BrokenError):
        Stopwatch(raises_unexpectedly, 1, runner)


def test_a_package_that_is_not_installed_has_no_version() -> None:
    assert report.version_of("a-package-that-nobody-has") is None


def test_a_missing_ratio_is_shown_as_a_dash() -> None:
    assert report.ratio(None) == "–"


def test_the_columns_of_the_table_are_aligned() -> None:
    lines = report.aligned(["case", "x"], [["short", "1.00"], ["much longer", "–"]])
    assert len({len(line) for line in lines}) == 1


def test_fewer_than_one_round_is_refused_with_the_reason() -> None:
    command = [sys.executable, "-m", "benchmarks", "--rounds", "0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "must be a whole number of at least 1; got '0'" in done.stderr
