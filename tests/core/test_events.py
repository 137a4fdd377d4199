"""What listeners are told, and that none of them can hurt a call."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import pytest

from breaker_core import (
    BreakerConfig,
    BreakerEvent,
    CircuitBreaker,
    OperatorActed,
    ProcessStateChanged,
    State,
    StateChanged,
    StoreChanged,
    Transition,
)
from breaker_core.events import Listeners, log
from breaker_core.testing import FakeClock

CONFIG = BreakerConfig(failure_threshold=1, open_timeout=10)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def breaker(clock: FakeClock) -> CircuitBreaker:
    return CircuitBreaker("payments", CONFIG, clock=clock)


def fail() -> None:
    raise OSError("down")


def break_it(breaker: CircuitBreaker) -> None:
    with pytest.raises(OSError, match="down"):
        breaker.call(fail)


def told(breaker: CircuitBreaker) -> list[BreakerEvent]:
    events: list[BreakerEvent] = []
    breaker.listen(events.append)
    return events


def test_each_change_of_state_is_told_once(breaker: CircuitBreaker, clock: FakeClock) -> None:
    """Closed, open, half-open, closed."""
    events = told(breaker)
    break_it(breaker)
    clock.advance(10)
    breaker.call(int)
    assert [(type(each), each.before, each.after) for each in events] == [  # type: ignore[union-attr]
        (StateChanged, State.CLOSED, State.OPEN),
        (StateChanged, State.OPEN, State.HALF_OPEN),
        (StateChanged, State.HALF_OPEN, State.CLOSED),
    ]


def test_an_act_is_told_before_the_change_that_it_made(breaker: CircuitBreaker) -> None:
    """With who, why and the override that it ended."""
    breaker.force_open(by="alice", reason="a test")
    events = told(breaker)
    break_events_before = list(events)
    breaker.reset(by="bob", reason="over")
    assert break_events_before == []
    [act] = events
    assert isinstance(act, OperatorActed)
    assert (act.act, act.by, act.reason, act.before, act.after) == (
        "reset",
        "bob",
        "over",
        State.CLOSED,
        State.CLOSED,
    )
    assert act.ended is not None
    assert act.ended.by == "alice"


def test_a_reset_that_closes_is_told_as_act_and_as_change(breaker: CircuitBreaker) -> None:
    """In this order."""
    break_it(breaker)
    events = told(breaker)
    breaker.reset()
    assert [type(each) for each in events] == [OperatorActed, StateChanged]


def test_an_act_that_changes_no_state_is_told_all_the_same(breaker: CircuitBreaker) -> None:
    """It is the audit trail."""
    events = told(breaker)
    breaker.try_now()
    assert [type(each) for each in events] == [OperatorActed]


def test_an_override_that_had_ended_by_itself_was_not_ended_by_the_act(
    breaker: CircuitBreaker, clock: FakeClock
) -> None:
    """Nobody ended it."""
    breaker.force_open(for_=5)
    clock.advance(6)
    events = told(breaker)
    breaker.clear_override()
    [act] = events
    assert isinstance(act, OperatorActed)
    assert act.ended is None


def test_a_listener_sees_the_state_that_it_is_told_of(breaker: CircuitBreaker) -> None:
    """The state is changed before anybody is told."""
    seen: list[State] = []
    breaker.listen(lambda event: seen.append(breaker.state))
    break_it(breaker)
    assert seen == [State.OPEN]


def test_a_listener_may_call_and_act_on_its_breaker(breaker: CircuitBreaker) -> None:
    """No lock is held while it is told, and what it causes is told as well."""
    acts: list[str] = []

    def listener(event: BreakerEvent) -> None:
        if isinstance(event, StateChanged) and event.after is State.OPEN:
            breaker.reset(by="listener")
        if isinstance(event, OperatorActed):
            acts.append(event.by)

    breaker.listen(listener)
    break_it(breaker)
    assert (breaker.state, acts) == (State.CLOSED, ["listener"])


def test_a_removed_listener_is_told_nothing_more(breaker: CircuitBreaker) -> None:
    """And removing it twice is no error."""
    events: list[BreakerEvent] = []
    stop = breaker.listen(events.append)
    stop()
    stop()
    break_it(breaker)
    assert events == []


def test_a_listener_added_twice_is_removed_once(breaker: CircuitBreaker) -> None:
    """Each removal is of one addition."""
    events: list[BreakerEvent] = []
    add = events.append
    stop = breaker.listen(add)
    breaker.listen(add)
    stop()
    break_it(breaker)
    assert len(events) == 1


def raising(event: BreakerEvent) -> None:
    raise RuntimeError("a listener's own bug")


@dataclass
class Unhashable:
    """A listener that cannot be put into a set."""

    told: int = 0

    def __call__(self, event: BreakerEvent) -> None:
        self.told += 1
        raise RuntimeError("a listener's own bug")


@pytest.mark.parametrize("listener", [raising, Unhashable()])
def test_a_listener_that_raises_hurts_neither_the_call_nor_the_others(
    breaker: CircuitBreaker, clock: FakeClock, listener: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Whether it is told while a call is let in, ends, or an operator acts."""
    breaker.listen(listener)
    events = told(breaker)
    break_it(breaker)
    clock.advance(10)
    assert breaker.call(int) == 0
    breaker.reset()
    assert len(events) == 4


def test_a_listener_that_raises_is_logged_once(
    breaker: CircuitBreaker, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Not at every event."""
    breaker.listen(raising)
    break_it(breaker)
    clock.advance(10)
    breaker.call(int)
    failures = [each for each in caplog.records if "a listener of breaker events" in each.message]
    assert len(failures) == 1
    assert failures[0].exc_info is not None


def test_a_listener_may_remove_itself_while_it_is_told() -> None:
    """The others are told all the same."""
    listeners, told = Listeners(), []
    stops = [listeners.add(lambda event: stops[0]()), listeners.add(told.append)]
    event = StoreChanged(store="s", reachable=True, error="")
    listeners.tell(event)
    listeners.tell(event)
    assert told == [event, event]


# -- logging -----------------------------------------------------------------------------------


def test_opening_is_logged_as_a_warning_with_its_numbers(
    breaker: CircuitBreaker, caplog: pytest.LogCaptureFixture
) -> None:
    """By the logger ``breaker``, word for word."""
    caplog.set_level(logging.INFO, "breaker")
    break_it(breaker)
    assert caplog.record_tuples == [
        (
            "breaker",
            logging.WARNING,
            "circuit breaker 'payments' is open for all processes "
            "(was closed; streak 1 of 1, last error OSError)",
        )
    ]


def test_half_opening_and_closing_are_logged_as_information(
    breaker: CircuitBreaker, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Word for word."""
    break_it(breaker)
    caplog.set_level(logging.INFO, "breaker")
    caplog.clear()
    clock.advance(10)
    breaker.call(int)
    assert caplog.record_tuples == [
        (
            "breaker",
            logging.INFO,
            "circuit breaker 'payments' is half_open for all processes (was open; timeout)",
        ),
        (
            "breaker",
            logging.INFO,
            "circuit breaker 'payments' is closed for all processes "
            "(was half_open; trials_succeeded 1 of 1)",
        ),
    ]


def test_an_act_is_logged_as_a_warning_with_who_and_why(
    breaker: CircuitBreaker, caplog: pytest.LogCaptureFixture
) -> None:
    """Also when nothing was said of either."""
    breaker.force_open(by="alice", reason="a move")
    breaker.clear_override()
    assert caplog.record_tuples == [
        (
            "breaker",
            logging.WARNING,
            "circuit breaker 'payments': force_open by alice: a move",
        ),
        (
            "breaker",
            logging.WARNING,
            "circuit breaker 'payments': clear_override by an operator: no reason given",
        ),
    ]


OPENED = Transition(at=0.0, before=State.CLOSED, after=State.OPEN, rule="streak", count=3, limit=3)


@pytest.mark.parametrize(
    ("event", "level", "text"),
    [
        (
            ProcessStateChanged(name="x", before=State.CLOSED, after=State.OPEN, transition=OPENED),
            logging.WARNING,
            "circuit breaker 'x' is open in this process (was closed; streak 3 of 3)",
        ),
        (
            StoreChanged(store="redis at cache:6379", reachable=False, error="timeout"),
            logging.WARNING,
            "breaker store redis at cache:6379 is unreachable, this process goes on alone: timeout",
        ),
        (
            StoreChanged(store="redis at cache:6379", reachable=True, error=""),
            logging.INFO,
            "breaker store redis at cache:6379 is back; its state counts again",
        ),
    ],
)
def test_other_events_are_logged(
    event: BreakerEvent, level: int, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Each way once."""
    caplog.set_level(logging.INFO, "breaker")
    log(event)
    assert caplog.record_tuples == [("breaker", level, text)]


def test_foreign_text_cannot_forge_lines_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """A reason is whatever somebody typed."""
    breaker = CircuitBreaker("x")
    breaker.reset(by="eve\nINFO all is well", reason="\x1b[2J")
    assert "eve\ufffdINFO all is well" in caplog.text
    assert "\x1b" not in caplog.text
