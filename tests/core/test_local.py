"""The machine in memory: its gate, its marks, its lock."""

from __future__ import annotations

from dataclasses import replace

import pytest

from breaker_core import BreakerConfig, CircuitBreaker, CircuitOpenError, State
from breaker_core.decide import Failed, Force, Reset, Succeeded
from breaker_core.local import LocalMachine
from breaker_core.machine import Terms
from breaker_core.record import OverrideKind
from breaker_core.stores import MemoryStore
from breaker_core.testing import FakeClock
from tests.core.forking import ends_in_child, ends_within, needs_fork

CONFIG = BreakerConfig(failure_threshold=3, open_timeout=10)


def terms_of(clock: FakeClock, config: BreakerConfig = CONFIG) -> Terms:
    return Terms(config, clock, config)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def machine(clock: FakeClock) -> LocalMachine:
    return LocalMachine("x", CONFIG, clock)


def fail(machine: LocalMachine, clock: FakeClock, times: int = 1) -> None:
    for _ in range(times):
        held = machine.admit(terms_of(clock))
        machine.note(held, Failed(epoch=held.epoch, error="OSError"), terms_of(clock))


def test_the_gate_stands_open_while_nothing_is_in_the_way(machine: LocalMachine) -> None:
    """So that a call asks nobody."""
    assert machine.gate is not None
    assert machine.gate.epoch == machine.record.epoch


def test_the_gate_is_shut_while_open(machine: LocalMachine, clock: FakeClock) -> None:
    """Rule 4: every call has to ask."""
    fail(machine, clock, 3)
    assert machine.gate is None


@pytest.mark.parametrize("kind", OverrideKind)
def test_the_gate_opens_again_after_an_override_has_ended(
    machine: LocalMachine, clock: FakeClock, kind: OverrideKind
) -> None:
    """Rule 7: with the next call; the override must not make calls slow for ever."""
    machine.act(Force(kind=kind, seconds=5), terms_of(clock))
    assert machine.gate is None
    clock.advance(5)
    held = machine.admit(terms_of(clock))
    assert machine.gate is not None
    assert held.epoch == machine.gate.epoch
    machine.note(held, Failed(epoch=held.epoch), terms_of(clock))
    assert machine.record.streak == 1


def test_the_gate_stays_shut_until_the_override_has_ended(
    machine: LocalMachine, clock: FakeClock
) -> None:
    """Rule 7: not a moment before."""
    machine.act(Force(kind=OverrideKind.FORCED_OPEN, seconds=5), terms_of(clock))
    clock.advance(4.9)
    with pytest.raises(CircuitOpenError):
        machine.admit(terms_of(clock))
    assert machine.gate is None


def test_a_success_that_left_only_a_mark_clears_the_streak_before_the_next_failure(
    machine: LocalMachine, clock: FakeClock
) -> None:
    """Rule 3: two failures, a success, two failures do not open at three."""
    fail(machine, clock, 2)
    held = machine.gate
    assert held is not None
    machine.note(held, Succeeded(epoch=held.epoch), terms_of(clock))
    fail(machine, clock, 2)
    assert (machine.record.state, machine.record.streak) == (State.CLOSED, 2)


def test_a_look_takes_the_mark_of_a_success(machine: LocalMachine, clock: FakeClock) -> None:
    """So that a page never shows a streak that is over."""
    fail(machine, clock, 2)
    assert machine.gate is not None
    machine.gate.clean = True
    assert machine.look(terms_of(clock)).record.streak == 0


def test_a_mark_from_before_an_act_does_not_clear_what_came_after(
    machine: LocalMachine, clock: FakeClock
) -> None:
    """Rule 2: the success belongs to an older epoch."""
    late = machine.admit(terms_of(clock))
    machine.act(Reset(), terms_of(clock))
    fail(machine, clock, 2)
    machine.note(late, Succeeded(epoch=late.epoch), terms_of(clock))
    late.clean = True
    assert machine.look(terms_of(clock)).record.streak == 2


def test_a_mark_counts_before_an_act_that_keeps_the_counts(
    machine: LocalMachine, clock: FakeClock
) -> None:
    """Rules 3 and 7: the success came first, so the act finds no streak."""
    fail(machine, clock, 2)
    assert machine.gate is not None
    machine.gate.clean = True
    machine.act(Force(kind=OverrideKind.FORCED_CLOSED), terms_of(clock))
    assert machine.record.streak == 0


def test_a_change_in_the_middle_of_a_change_of_the_same_thread_is_not_lost(
    machine: LocalMachine, clock: FakeClock
) -> None:
    """A signal handler or a finaliser may call the breaker while it decides: no deadlock."""
    once = [True]

    class Interrupted(BreakerConfig):
        @property
        def success_threshold(self) -> int:  # type: ignore[override]
            return 1

        @property
        def failure_threshold(self) -> int:  # type: ignore[override]
            if once:
                once.clear()
                machine.act(Force(kind=OverrideKind.FORCED_OPEN, by="signal"), terms_of(clock))
            return 3

        def __post_init__(self) -> None: ...

        def __init__(self) -> None: ...

    held = machine.admit(terms_of(clock))
    event = Failed(epoch=held.epoch)
    assert ends_within(5, lambda: machine.note(held, event, terms_of(clock, Interrupted())))
    assert machine.record.override is not None
    assert [each.rule for each in machine.record.transitions] == ["force_open"]
    assert machine.gate is None


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@needs_fork
def test_a_fork_while_another_thread_decides_does_not_block_the_child() -> None:
    """G8: the lock's holder does not exist in the child."""
    store = MemoryStore()
    breaker = CircuitBreaker("x", CONFIG, store=store)
    machine = store.machine("x", CONFIG, FakeClock())
    with store._lock, machine._lock:  # as if a thread that the child lacks were in there

        def use() -> None:
            CircuitBreaker("y", CONFIG, store=store).call(int)
            breaker.reset()

        assert ends_in_child(use)


def test_breakers_of_one_name_on_one_store_are_one_breaker(clock: FakeClock) -> None:
    """And of two stores two."""
    store = MemoryStore()
    one, same = (CircuitBreaker("x", CONFIG, store=store, clock=clock) for _ in range(2))
    other = CircuitBreaker("x", CONFIG, clock=clock)
    one.force_open()
    assert (same.snapshot().override is None, other.snapshot().override is None) == (False, True)


def test_a_reset_of_a_closed_breaker_starts_a_new_epoch(
    machine: LocalMachine, clock: FakeClock
) -> None:
    """Rule 2: and a new gate, so that calls under way count for nothing any more."""
    gate = machine.gate
    machine.act(Reset(), terms_of(clock))
    assert machine.gate is not gate
    assert machine.gate is not None
    assert machine.gate.epoch == machine.record.epoch


def test_the_machine_decides_on_the_terms_of_the_use(
    machine: LocalMachine, clock: FakeClock
) -> None:
    """Whoever makes a change applies its own configuration."""
    hasty = terms_of(clock, replace(CONFIG, failure_threshold=1))
    held = machine.admit(hasty)
    machine.note(held, Failed(epoch=held.epoch), hasty)
    assert machine.record.state is State.OPEN
