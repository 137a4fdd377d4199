"""The cases: how a call ends, how it is written, and whether it is asynchronous."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks import loops

Outcome = Literal["success", "rejected", "failure"]
Form = Literal["decorator", "judged", "call", "with"]

OUTCOMES: tuple[Outcome, ...] = ("success", "rejected", "failure")
FORMS: tuple[Form, ...] = ("decorator", "judged", "call", "with")
FORM_NAMES = {
    "decorator": "decorator",
    "judged": "decorator, results judged",
    "call": ".call",
    "with": "with",
}


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the table."""

    outcome: Outcome
    form: Form
    is_async: bool

    @property
    def name(self) -> str:
        return f"{self.outcome}, {'async ' if self.is_async else ''}{FORM_NAMES[self.form]}"

    @property
    def work(self) -> Callable[[int], Any]:
        """The function that is guarded."""
        if self.outcome == "success":
            return answer_async if self.is_async else answer
        return break_down_async if self.is_async else break_down


ALL = [
    Case(outcome, form, is_async)
    for outcome, is_async, form in product(OUTCOMES, (False, True), FORMS)
    if form != "judged" or outcome == "success"
]
"""Results are judged only where there are any."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What one contestant has timed in one case: ``loop(target, work, expected, times)``."""

    loop: Callable[[Any, Any, loops.Expected, int], Any]
    target: Any
    work: Callable[[int], Any]
    expected: loops.Expected = ()


class BrokenError(Exception):
    """What the dependency raises in every case but success."""


def answer(value: int) -> int:
    """The least a guarded function can do."""
    return value


async def answer_async(value: int) -> int:
    """The least a guarded coroutine function can do."""
    return value


def break_down(value: int) -> int:
    """The least a failing function can do."""
    raise BrokenError


def is_bad(result: object) -> bool:
    """The least that judging a result can be: an adapter looks at a response's status so."""
    return result is None


async def break_down_async(value: int) -> int:
    """The least a failing coroutine function can do."""
    raise BrokenError
