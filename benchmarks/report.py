"""What a run says: where it ran, and its results as an aligned table or as JSON."""

from __future__ import annotations

import os
import platform
import sys
import sysconfig
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from benchmarks import contestants

if TYPE_CHECKING:
    from benchmarks.measure import Result


def surroundings(rounds: int) -> dict[str, Any]:
    """Return what a ratio belongs to: date, Python and how it was built, machine, versions."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "build": f"{build()}, {platform.python_compiler()}",
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "packages": {name: version_of(name) for name in contestants.PACKAGES},
        "rounds": rounds,
    }


def build() -> str:
    """Return how this Python was configured, as far as it shows.

    A distribution may optimise in ways of its own, so the date of the build is there as well.
    """
    arguments = sysconfig.get_config_var("CONFIG_ARGS") or ""
    threads = "free-threaded" if sysconfig.get_config_var("Py_GIL_DISABLED") else "GIL"
    optimised = "with" if "--enable-optimizations" in arguments else "without"
    return f"{threads}, {optimised} --enable-optimizations, built {platform.python_build()[1]}"


def version_of(package: str) -> str | None:
    """Return the installed version of *package*; None when it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def as_json(around: dict[str, Any], results: list[Result]) -> dict[str, Any]:
    """Return the run as JSON has it: numbers as measured, null where there is none."""
    cases = [
        {
            "name": result.case.name,
            "outcome": result.case.outcome,
            "form": result.case.form,
            "async": result.case.is_async,
            "reference_ns": result.reference_ns,
            "ratios": result.ratios,
            "ns": result.ns,
        }
        for result in results
    ]
    return {**around, "cases": cases}


def as_text(around: dict[str, Any], results: list[Result]) -> str:
    """Return the run for people: a heading, and a table that is Markdown as well."""
    packages = around["packages"].items()
    heading = [
        f"{around['python']} ({around['build']})",
        f"{around['machine']}; {around['date']}; medians of {around['rounds']} rounds",
        ", ".join(f"{name} {found or '(not installed)'}" for name, found in packages),
    ]
    head = ["case", "wrapper", *contestants.ALL]
    rows = [
        [result.case.name, f"{result.reference_ns:.0f} ns", *map(ratio, result.ratios.values())]
        for result in results
    ]
    return "\n".join([*heading, "", *aligned(head, rows)])


def ratio(value: float | None) -> str:
    """Return a ratio with as many digits as mean something."""
    if value is None:
        return "–"
    return f"{value:.2f}" if value < 10 else f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def aligned(head: list[str], rows: list[list[str]]) -> list[str]:
    """Return the lines of a table: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return [
        "| " + " | ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) + " |"
        for row in [head, rule, *rows]
    ]


def say(text: str) -> None:
    """Tell the person who waits, and nobody who reads the output."""
    print(text, file=sys.stderr, flush=True)
