"""What every page of both shops shows beside its product: who answered, how the breaker stands."""

import os
import time
from collections.abc import Sequence
from typing import Any

from breaker_core import CircuitBreaker, report
from example_project.environment import links


class Stopwatch:
    """Measures how long the visitor waited."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    def read(self) -> str:
        """Return the time since it was made, in milliseconds, with the unit."""
        milliseconds = (time.perf_counter() - self._began) * 1000
        return "< 1 ms" if milliseconds < 1 else f"{milliseconds:.0f} ms"


def context(
    shop: str, breaker: CircuitBreaker, processes: Sequence[Any] | None, **more: Any
) -> dict[str, Any]:
    """Return the variables of the templates. Ask after the call: it may change the breaker."""
    snapshot = breaker.snapshot()
    standing = report.standing(snapshot)
    return {
        "shop": shop,
        "links": links(shop),
        "pid": os.getpid(),
        "state_key": standing.key,
        "state_word": standing.word,
        "state_sentence": standing.sentence,
        "why": report.why(snapshot),
        "failures": snapshot.consecutive_failures,
        "threshold": snapshot.config.failure_threshold,
        "reach": report.reach_words(report.reach(breaker.name, processes)),
        **more,
    }
