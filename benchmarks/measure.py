"""Measuring one case: short rounds in which all contestants take turns, and their medians.

Machines have moods, and a ratio is only as good as its two halves are close in time. So each
round times the reference and every contestant one after the other, and what counts is the median
over the rounds of the ratio within a round. Garbage is collected between samples, never in one.
"""

from __future__ import annotations

import gc
import inspect
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import median
from time import perf_counter_ns
from typing import TYPE_CHECKING

from benchmarks import contestants

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from benchmarks.cases import Case, Subject

MOST_CALLS = 1 << 16


@dataclass(frozen=True, slots=True)
class Result:
    """What one case came to; None for a contestant that has no such case."""

    case: Case
    reference_ns: float
    ratios: dict[str, float | None]
    ns: dict[str, float | None]


def measure(case: Case, *, rounds: int, sample_ns: int, runner: asyncio.Runner) -> Result:
    """Measure *case* in *rounds* rounds of samples of about *sample_ns* each."""
    with ExitStack() as stack:
        subjects = {name: take(case, stack) for name, take in contestants.ALL.items()}
        watches = {
            name: Stopwatch(subject, sample_ns, runner)
            for name, subject in subjects.items()
            if subject is not None
        }
        reference = Stopwatch(contestants.reference(case), sample_ns, runner)
        with no_collection():
            samples = [_round(reference, watches, turn) for turn in range(rounds)]
    return _result(case, samples)


def _round(
    reference: Stopwatch, watches: dict[str, Stopwatch], turn: int
) -> tuple[float, dict[str, float]]:
    """Return the reference's and each contestant's ns per call; another goes first each time."""
    gc.collect()
    base = reference.sample()
    names = list(watches)
    first = turn % len(names)
    return base, {name: watches[name].sample() for name in names[first:] + names[:first]}


def _result(case: Case, samples: list[tuple[float, dict[str, float]]]) -> Result:
    ratios: dict[str, float | None] = dict.fromkeys(contestants.ALL)
    ns: dict[str, float | None] = dict.fromkeys(contestants.ALL)
    for name in samples[0][1]:
        ratios[name] = median(found[name] / base for base, found in samples)
        ns[name] = median(found[name] for _, found in samples)
    return Result(case, median(base for base, _ in samples), ratios, ns)


class Stopwatch:
    """Times one subject, in samples of as many calls as fill the time."""

    def __init__(self, subject: Subject, sample_ns: int, runner: asyncio.Runner) -> None:
        self._subject = subject
        self._runner = runner
        self._times = 1
        self._elapsed()  # the first call looks names up and opens connections
        while self._elapsed() < sample_ns // 2 and self._times < MOST_CALLS:
            self._times *= 2

    def sample(self) -> float:
        """Return the nanoseconds per call of one sample."""
        return self._elapsed() / self._times

    def _elapsed(self) -> int:
        if inspect.iscoroutinefunction(self._subject.loop):
            return self._runner.run(self._elapsed_async())
        subject = self._subject
        start = perf_counter_ns()
        subject.loop(subject.target, subject.work, subject.expected, self._times)
        return perf_counter_ns() - start

    async def _elapsed_async(self) -> int:
        subject = self._subject
        start = perf_counter_ns()
        await subject.loop(subject.target, subject.work, subject.expected, self._times)
        return perf_counter_ns() - start


@contextmanager
def no_collection() -> Iterator[None]:
    """Collect garbage by hand only, and quickly: what exists already is set aside."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()
