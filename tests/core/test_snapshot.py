"""What one look at a breaker shows."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from typing import Any, NoReturn

import pytest

from breaker_core import BreakerConfig, CircuitBreaker, OverrideKind, State
from breaker_core.decide import Admit, Failed, decide
from breaker_core.machine import Look
from breaker_core.record import Record, start
from breaker_core.snapshot import snapshot_of
from breaker_core.tally import Tally
from breaker_core.testing import FakeClock

CONFIG = BreakerConfig(failure_threshold=2, open_timeout=10, trial_timeout=60)
NOW = 1000.0


class Down(Exception):  # noqa: N818
    """The dependency's own error."""


def fail() -> NoReturn:
    raise Down


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def make(clock: FakeClock, **options: Any) -> CircuitBreaker:
    return CircuitBreaker("x", replace(CONFIG, **options), clock=clock)


def trip(breaker: CircuitBreaker) -> CircuitBreaker:
    for _ in range(2):
        with pytest.raises(Down):
            breaker.call(fail)
    return breaker


def test_a_new_breaker_is_closed_and_unused(clock: FakeClock) -> None:
    """Every field."""
    snapshot = make(clock).snapshot()
    assert (snapshot.name, snapshot.state, snapshot.fleet_state) == (
        "x",
        State.CLOSED,
        State.CLOSED,
    )
    assert (snapshot.scope, snapshot.store, snapshot.override) == ("fleet", "memory", None)
    assert (snapshot.consecutive_failures, snapshot.trials, snapshot.transitions) == (0, 0, ())
    assert (snapshot.opened_at, snapshot.next_trial_at, snapshot.retry_after) == (None, None, None)
    assert (snapshot.reason, snapshot.last_error, snapshot.last_error_at) == ("", "", None)
    assert (snapshot.as_of, snapshot.rates) == (clock.now(), {})
    assert not snapshot.used
    assert not snapshot.rejecting


def test_an_open_breaker_shows_since_when_why_and_for_how_long(clock: FakeClock) -> None:
    """All that a page needs."""
    breaker = trip(make(clock))
    opened_at = clock.now()
    clock.advance(4)
    snapshot = breaker.snapshot()
    assert (snapshot.state, snapshot.rejecting, snapshot.used) == (State.OPEN, True, True)
    assert (snapshot.opened_at, snapshot.next_trial_at) == (opened_at, opened_at + 10)
    assert snapshot.retry_after == pytest.approx(6)
    assert snapshot.reason == "2 failures in a row (opens at 2)"
    assert (snapshot.last_error, snapshot.last_error_at) == ("Down", opened_at)
    assert snapshot.consecutive_failures == 2


def test_a_breaker_whose_open_time_is_over_does_not_reject(clock: FakeClock) -> None:
    """Rule 4: it is open until somebody calls, and that call would pass."""
    breaker = trip(make(clock))
    clock.advance(10)
    snapshot = breaker.snapshot()
    assert (snapshot.state, snapshot.retry_after, snapshot.rejecting) == (State.OPEN, 0.0, False)


def test_a_full_half_open_rejects_until_the_trials_deadline(clock: FakeClock) -> None:
    """Rule 10."""
    breaker = trip(make(clock))
    clock.advance(10)
    with breaker.guard():
        clock.advance(20)
        snapshot = breaker.snapshot()
    assert (snapshot.state, snapshot.trials, snapshot.rejecting) == (State.HALF_OPEN, 1, True)
    assert snapshot.retry_after == pytest.approx(40)
    assert snapshot.next_trial_at == pytest.approx(clock.now() + 40)


def test_a_lost_trial_is_not_shown_as_running(clock: FakeClock) -> None:
    """Rule 6."""
    breaker = trip(make(clock))
    clock.advance(10)
    breaker.guard().__enter__()
    clock.advance(60)
    assert breaker.snapshot().trials == 0


@pytest.mark.parametrize(("length", "left"), [(None, None), (30, 25.0)])
def test_forced_open_rejects_whatever_the_machine_says(
    clock: FakeClock, length: Any, left: float | None
) -> None:
    """Rules 7 and 10: the override stands beside the state."""
    breaker = make(clock)
    breaker.force_open(for_=length, by="al")
    clock.advance(5)
    snapshot = breaker.snapshot()
    assert (snapshot.state, snapshot.rejecting, snapshot.retry_after) == (
        State.CLOSED,
        True,
        left,
    )
    assert snapshot.reason == "forced open by al"


def test_forced_closed_does_not_reject_and_shows_the_machine_beneath(clock: FakeClock) -> None:
    """Rule 7."""
    breaker = trip(make(clock))
    breaker.force_closed()
    snapshot = breaker.snapshot()
    assert snapshot.override is not None
    assert snapshot.override.kind is OverrideKind.FORCED_CLOSED
    assert (snapshot.state, snapshot.rejecting, snapshot.retry_after) == (State.OPEN, False, None)


def test_an_override_that_is_over_is_not_shown(clock: FakeClock) -> None:
    """Rule 7: it ends by itself."""
    breaker = make(clock)
    breaker.force_open(for_=5)
    clock.advance(5)
    snapshot = breaker.snapshot()
    assert (snapshot.override, snapshot.rejecting, snapshot.reason) == (None, False, "")


def test_shadow_mode_rejects_nothing_and_still_shows_when_a_trial_is_due(
    clock: FakeClock,
) -> None:
    """Rule 8: the machine runs."""
    breaker = trip(make(clock, shadow=True))
    clock.advance(4)
    snapshot = breaker.snapshot()
    assert (snapshot.state, snapshot.rejecting, snapshot.retry_after) == (State.OPEN, False, None)
    assert snapshot.next_trial_at == pytest.approx(clock.now() + 6)


def test_a_snapshot_is_frozen(clock: FakeClock) -> None:
    """It says how things were."""
    with pytest.raises(FrozenInstanceError):
        make(clock).snapshot().state = State.OPEN  # type: ignore[misc]


# -- a process beside its fleet ------------------------------------------------------------------


def opened(now: float = NOW) -> Record:
    record = start("x", now)
    for _ in range(2):
        record, _ = decide(record, Failed(epoch=record.epoch, error="Down"), now, CONFIG)
    return record


def look(record: Record, own: Record | None, **fields: Any) -> Look:
    shown: dict[str, Any] = {
        "record": record,
        "own": own,
        "now": NOW + 1,
        "own_now": NOW + 1,
        "store": "ok",
        "age": 0.5,
        "tally": Tally().totals(),
        **fields,
    }
    return Look(**shown)


def test_a_process_that_stopped_itself_says_that_it_is_its_own_word() -> None:
    """The stricter state is shown, with the process's own reason and time."""
    snapshot = snapshot_of("x", look(start("x", NOW), opened()), CONFIG)
    assert (snapshot.state, snapshot.fleet_state, snapshot.scope) == (
        State.OPEN,
        State.CLOSED,
        "process",
    )
    assert snapshot.retry_after == pytest.approx(9)
    assert snapshot.reason == "2 failures in a row (opens at 2)"
    assert (snapshot.opened_at, snapshot.rejecting) == (NOW, True)
    assert snapshot.transitions == ()


def test_the_fleets_word_counts_where_it_is_as_strict() -> None:
    """Then it is the fleet's."""
    snapshot = snapshot_of("x", look(opened(), opened()), CONFIG)
    assert (snapshot.state, snapshot.scope) == (State.OPEN, "fleet")


def test_the_state_is_the_stricter_of_the_two() -> None:
    """Half-open in the fleet, open here."""
    fleet, _ = decide(opened(), Admit(permit="p"), NOW + 10, CONFIG)
    snapshot = snapshot_of("x", look(fleet, opened()), CONFIG)
    assert (snapshot.state, snapshot.fleet_state, snapshot.scope) == (
        State.OPEN,
        State.HALF_OPEN,
        "process",
    )


@pytest.mark.parametrize(("age", "as_of"), [(0.0, NOW + 1), (0.5, NOW + 0.5), (1e30, 0.0)])
def test_a_snapshot_says_when_it_was_true(age: float, as_of: float) -> None:
    """Also when that is longer ago than there is a time for."""
    assert snapshot_of("x", look(start("x", NOW), None, age=age), CONFIG).as_of == as_of


def test_a_process_that_runs_its_own_trial_rejects_whatever_the_fleet_may() -> None:
    """Its own record has one trial at a time."""
    config = replace(CONFIG, half_open_max_calls=3)
    own, _ = decide(opened(), Admit(permit="p"), NOW + 10, CONFIG)
    here = look(start("x", NOW), own, now=NOW + 11, own_now=NOW + 11)
    snapshot = snapshot_of("x", here, config)
    assert (snapshot.state, snapshot.scope) == (State.HALF_OPEN, "process")
    assert (snapshot.rejecting, snapshot.retry_after) == (True, pytest.approx(59))
    assert snapshot.next_trial_at == pytest.approx(NOW + 70)


def test_a_success_makes_a_breaker_used(clock: FakeClock) -> None:
    """Although it changes no record."""
    breaker = make(clock)
    breaker.call(int)
    assert breaker.snapshot().used


def test_the_longer_streak_is_shown() -> None:
    """The process's own may be ahead of the fleet's, and behind."""
    streak, none = replace(start("x", NOW), streak=1), start("x", NOW)
    for fleet, own in ((streak, none), (none, streak)):
        assert snapshot_of("x", look(fleet, own), CONFIG).consecutive_failures == 1


def test_a_process_without_an_error_of_its_own_shows_the_fleets() -> None:
    """With its time."""
    fleet = replace(start("x", NOW), last_error="OSError", last_error_at=NOW - 5)
    own = replace(opened(), last_error="", last_error_at=None)
    snapshot = snapshot_of("x", look(fleet, own), CONFIG)
    assert (snapshot.last_error, snapshot.last_error_at) == ("OSError", NOW - 5)
