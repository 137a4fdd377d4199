"""``decide`` explored: every interleaving of a few callers, operators, lost trials and time.

States that differ only in what no rule looks at (names of epochs and permits, absolute time,
history) are explored once, so the exploration ends by itself: it has seen everything.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from breaker_core.config import BreakerConfig
from breaker_core.decide import (
    Act,
    Admit,
    ClearOverride,
    Decision,
    Ended,
    Event,
    Failed,
    Force,
    Ignored,
    Reset,
    Succeeded,
    TryNow,
    decide,
)
from breaker_core.record import OverrideKind, Record, State, from_text, start, to_text

if TYPE_CHECKING:
    from collections.abc import Iterator

STEP = 5.0
"""Seconds per step of time: open times, deadlines and overrides are small multiples of it."""

ACTS: tuple[Act, ...] = (
    Reset(by="op"),
    TryNow(by="op"),
    Force(kind=OverrideKind.FORCED_OPEN, by="op", seconds=STEP),
    Force(kind=OverrideKind.FORCED_CLOSED, by="op"),
    ClearOverride(by="op"),
)


@dataclass(frozen=True)
class Caller:
    """A call under way: what it was told when it was let in."""

    epoch: str
    permit: str | None
    counted: bool
    deadline: float


@dataclass(frozen=True)
class World:
    """A record, the time, and who is calling; None is a caller with nothing under way."""

    record: Record
    now: float
    callers: tuple[Caller | None, ...]


@dataclass(frozen=True)
class Move:
    """One thing that happened, for the checks."""

    before: World
    event: Event
    decision: Decision
    after: World


def exploration(config: BreakerConfig, callers: int, acts: tuple[Act, ...]) -> Iterator[Move]:
    first = World(start("x", 0.0, chain="c"), 0.0, (None,) * callers)
    seen, waiting = {_key(first)}, deque([first])
    while waiting:
        world = waiting.popleft()
        for move in _moves(world, config, acts):
            yield move
            key = _key(move.after)
            if key not in seen:
                seen.add(key)
                waiting.append(move.after)


def _moves(world: World, config: BreakerConfig, acts: tuple[Act, ...]) -> Iterator[Move]:
    later = replace(world, now=world.now + STEP)
    yield Move(world, Event(), Decision(), later)
    for act in acts:
        yield _apply(world, act, config, None)
    for index, caller in enumerate(world.callers):
        if caller is None:
            if world.callers.index(None) == index:  # idle callers are all alike
                permit = f"p{world.record.number}.{world.now}.{index}"
                yield _apply(world, Admit(permit=permit), config, index)
            continue
        yield Move(world, Event(), Decision(), _with_caller(world, index, None))  # it was killed
        for kind in (Succeeded, Failed, Ignored):
            if caller.counted:
                event = kind(epoch=caller.epoch, permit=caller.permit)
                yield _apply(world, event, config, index)


def _apply(world: World, event: Event, config: BreakerConfig, index: int | None) -> Move:
    record, decision = decide(world.record, event, world.now, config)
    after = replace(world, record=record)
    if index is not None:
        caller = None
        if isinstance(event, Admit) and decision.admitted:
            deadline = world.now + float(config.trial_timeout)  # type: ignore[arg-type]
            caller = Caller(record.epoch, decision.permit, decision.counted, deadline)
        after = _with_caller(after, index, caller)
    return Move(world, event, decision, after)


def _with_caller(world: World, index: int, caller: Caller | None) -> World:
    callers = (*world.callers[:index], caller, *world.callers[index + 1 :])
    return replace(world, callers=callers)


def _key(world: World) -> object:
    """What tells *world* from others, as far as any rule looks."""
    record, now = world.record, world.now

    def left(at: float | None) -> float | None:
        return None if at is None else max(at - now, 0.0)

    trials = [(each.id, left(each.deadline)) for each in record.trials]
    numbers = {id_: number for number, (id_, _) in enumerate(trials)}
    override = record.in_force(now)
    callers = [
        None
        if each is None
        else (
            each.epoch == record.epoch,
            each.counted,
            -2 if each.permit is None else numbers.get(each.permit, -1),
        )
        for each in world.callers
    ]
    return (
        record.state,
        record.streak,
        record.successes,
        min(record.rounds, 2),
        left(record.open_until),
        tuple(rest for _, rest in trials),
        None if override is None else (override.kind, left(override.until)),
        tuple(sorted(callers, key=repr)),
    )


# -- what must hold after every move -----------------------------------------------------------


def check(move: Move, config: BreakerConfig) -> None:
    _permits_are_never_exceeded(move, config)
    _a_change_has_the_next_number(move)
    _a_change_of_state_is_one_transition(move)
    _other_epochs_change_nothing(move)
    _open_holds_until_its_end(move, config)
    _nobody_is_stuck(move, config)


def _permits_are_never_exceeded(move: Move, config: BreakerConfig) -> None:
    """Rule 5, of the record's permits and of the calls that really run on one."""
    record, now = move.after.record, move.after.now
    valid = {trial.id for trial in record.trials if now < trial.deadline}
    assert len(valid) <= config.half_open_max_calls
    running = [each for each in move.after.callers if each is not None and each.permit]
    assert {each.permit for each in running if now < each.deadline} <= valid


def _a_change_has_the_next_number(move: Move) -> None:
    """So a compare-and-set sees every change, and only changes."""
    before, after = move.before.record, move.after.record
    if after is not before:
        assert after.number == before.number + 1
        assert after != replace(before, number=after.number)


def _a_change_of_state_is_one_transition(move: Move) -> None:
    """Rules 2 and 7, in both directions."""
    before, after, told = move.before.record, move.after.record, move.decision.transition
    assert (told is not None) == (before.epoch != after.epoch)
    if told is None:
        assert (after.state, after.transitions) == (before.state, before.transitions)
        return
    assert (told.before, told.after) == (before.state, after.state)
    assert after.transitions == (*before.transitions, told)[-20:]
    assert isinstance(move.event, Act) or told.before is not told.after


def _other_epochs_change_nothing(move: Move) -> None:
    """Rule 2: but for the permit, which goes back."""
    if not isinstance(move.event, Ended):
        return
    before, after = move.before.record, move.after.record
    assert all(trial.id != move.event.permit for trial in after.trials)
    if move.event.epoch != before.epoch:
        kept = tuple(trial for trial in before.trials if trial.id != move.event.permit)
        assert after == replace(before, trials=kept, number=after.number)


def _open_holds_until_its_end(move: Move, config: BreakerConfig) -> None:
    """Rules 4, 7 and 8: a rejection changes nothing, an override lets pass uncounted."""
    if not isinstance(move.event, Admit):
        return
    record, now, decision = move.before.record, move.before.now, move.decision
    override = record.in_force(now)
    if not decision.admitted or not decision.counted:
        assert move.after.record is record
    if not decision.counted:
        assert config.shadow or override is not None
    if override is not None and override.kind is OverrideKind.FORCED_OPEN:
        assert not decision.admitted
    elif record.state is State.OPEN and record.open_until is not None and now < record.open_until:
        assert not decision.admitted or not decision.counted
    if not decision.admitted and override is None:
        assert decision.retry_after is not None
        assert decision.retry_after > 0


def _nobody_is_stuck(move: Move, config: BreakerConfig) -> None:
    """Rule 6: after the open time and the longest trial, a call is let in, whatever was lost."""
    record, now = move.after.record, move.after.now
    if record.override is not None or record.state is State.CLOSED:
        return
    at = max(now, record.open_until or now) + float(config.trial_timeout)  # type: ignore[arg-type]
    _, decision = decide(record, Admit(permit="q"), at, config)
    assert decision.permit == "q"


CASES = {
    "one trial at a time, operators at work": (
        BreakerConfig(failure_threshold=2, open_timeout=5, trial_timeout=10),
        3,
        ACTS,
    ),
    "two trials at a time, two needed to close": (
        BreakerConfig(
            failure_threshold=1,
            open_timeout=5,
            half_open_max_calls=2,
            success_threshold=2,
            trial_timeout=10,
        ),
        3,
        (),
    ),
    "shadow mode": (
        BreakerConfig(failure_threshold=1, open_timeout=5, trial_timeout=5, shadow=True),
        2,
        ACTS[:3],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_every_interleaving_keeps_the_rules(case: str) -> None:
    """G9: rules 2 and 4 to 8 hold after every move that can happen."""
    config, callers, acts = CASES[case]
    moves = 0
    for move in exploration(config, callers, acts):
        check(move, config)
        moves += 1
    assert moves > 1000, "the exploration saw next to nothing"


def test_every_record_on_the_way_survives_the_round_trip() -> None:
    """What a store gives back is identically what was stored."""
    config, callers, acts = CASES["one trial at a time, operators at work"]
    for count, move in enumerate(exploration(config, callers, acts)):
        if count % 7 == 0:
            record = move.after.record
            assert from_text(to_text(record)) == record


def test_the_exploration_meets_every_state_and_a_lost_trial_that_still_decides() -> None:
    """The checks above would be worth nothing if these never came up."""
    config, callers, acts = CASES["one trial at a time, operators at work"]
    states, lost_but_decided = set(), 0
    for move in exploration(config, callers, acts):
        record = move.before.record
        states.add((record.state, record.in_force(move.before.now) is not None))
        if isinstance(move.event, Succeeded) and move.decision.transition is not None:
            lost_but_decided += all(each.id != move.event.permit for each in record.trials)
    assert len(states) == 6
    assert lost_but_decided
