"""Corners of the machine over a shared store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from breaker_core import BreakerConfig, CircuitBreaker
from breaker_core.fleet import FleetMachine
from breaker_core.stores import CacheStore
from breaker_core.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CacheStore]:
    made = CacheStore(f"sqlite:///{tmp_path}/fleet.db")
    yield made
    made.close()


@pytest.mark.parametrize("act", ["force_open", "force_closed"])
def test_calls_share_one_pass_again_after_an_override_has_ended(
    store: CacheStore, act: str
) -> None:
    """Rule 7: the override must not make calls slow for ever."""
    clock = FakeClock()
    breaker = CircuitBreaker("x", BreakerConfig(), store=store, clock=clock)
    getattr(breaker, act)(for_=5)
    machine = breaker._machine
    assert isinstance(machine, FleetMachine)
    assert machine._plain is None
    clock.advance(6)
    for _ in range(2):
        breaker.call(int)
    assert machine._plain is not None


class Nonsense(CacheStore):
    """Breaks its promises: it answers with what nobody asked for."""

    broken = False

    def load(self, keys: Iterable[str]) -> Any:
        return {"nobody": "asked"} if self.broken else super().load(keys)


def test_a_store_that_answers_nonsense_hurts_no_call(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """G5: and it is logged once, as our mistake."""
    store = Nonsense(f"sqlite:///{tmp_path}/fleet.db")
    clock = FakeClock()
    breaker = CircuitBreaker("x", BreakerConfig(), store=store, clock=clock)
    assert breaker.call(int) == 0
    store.broken = True
    for _ in range(3):
        clock.advance(1)
        assert breaker.call(int) == 0
        with pytest.raises(ZeroDivisionError):
            breaker.call(lambda: 1 / 0)
    store.close()
    assert len([each for each in caplog.records if each.levelname == "ERROR"]) == 1
