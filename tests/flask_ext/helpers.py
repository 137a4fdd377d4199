"""Small steps that many tests take."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from tests.flask_ext.factories import DownError

if TYPE_CHECKING:
    from collections.abc import Callable

    from breaker_core import CircuitBreaker


def fail(guarded: Callable[[], Any], times: int = 2) -> None:
    """Call *guarded* so often; its failures are expected."""
    for _ in range(times):
        with contextlib.suppress(DownError):
            guarded()


def open_up(breaker: CircuitBreaker, times: int = 2) -> None:
    """Let *breaker* see so many failures."""

    def down() -> None:
        raise DownError

    fail(lambda: breaker.call(down), times)
