"""``python -m benchmarks``: measure every case and print the ratios. Nothing is asserted."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys

from benchmarks import cases, report
from benchmarks.measure import measure

ROUNDS, QUICK_ROUNDS = 200, 5
SAMPLE_NS, QUICK_SAMPLE_NS = 500_000, 50_000


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Print what a call through a breaker costs, as ratios to a plain wrapper.",
    )
    parser.add_argument(
        "--rounds", type=_rounds, help=f"rounds per case (default {ROUNDS}; quick: {QUICK_ROUNDS})"
    )
    parser.add_argument("--quick", action="store_true", help="a few short rounds: only a trial")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser.parse_args(given)


def _rounds(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1; got {text!r}")
    return int(text)


def main() -> None:
    """Run the command."""
    options = arguments()
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    sample_ns = QUICK_SAMPLE_NS if options.quick else SAMPLE_NS
    logging.getLogger("breaker").setLevel(logging.CRITICAL)  # the breakers here open on purpose
    around = report.surroundings(rounds)
    results = []
    with asyncio.Runner() as runner:
        for number, case in enumerate(cases.ALL, 1):
            if sys.stderr.isatty():
                report.say(f"{number}/{len(cases.ALL)} {case.name}")
            results.append(measure(case, rounds=rounds, sample_ns=sample_ns, runner=runner))
    if options.json:
        print(json.dumps(report.as_json(around, results), indent=2, allow_nan=False))
    else:
        print(report.as_text(around, results))


if __name__ == "__main__":
    main()
