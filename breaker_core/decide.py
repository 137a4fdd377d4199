"""Every rule of the breaker, as one pure function. Read this file first.

``decide(record, event, now, config)`` says what an event makes of a record. It does no I/O, reads
no clock, takes no lock and draws no random numbers: whatever it needs comes with the event. The
same function runs on a process's own record, on the record that the fleet shares, and in memory.

The one subtle rule: each transition and each operator's act starts a new *epoch*, a call remembers
the epoch that admitted it, and an outcome of another epoch changes no state (rule 2).

A permit belongs to one call: only that call's end or its deadline gives it back, whatever becomes
of the breaker meanwhile. So there are never more trials at a time than ``half_open_max_calls``.

Numbers in brackets are those of the rules in the README's section *How it decides*.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from breaker_core.record import (
    KEPT_TRANSITIONS,
    Override,
    OverrideKind,
    Record,
    State,
    Transition,
    Trial,
    clip,
    permits_left,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from breaker_core.config import BreakerConfig
    from breaker_core.window import Counts

LONGEST_ASKED = 3600.0
"""Seconds for which a dependency may ask to be left alone, where ``open_timeout_max`` is unset."""
SHORTEST_WAIT = 0.001
"""Seconds: a rejected call is never told to wait for nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened, with where it happened."""

    host: str = ""
    process: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Admit(Event):
    """A call asks to pass. *permit* is the id its trial will have, should it become one."""

    permit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended(Event):
    """A call ended that was admitted in *epoch*, as a trial if it holds a *permit*."""

    epoch: str
    permit: str | None = None
    slow: bool = False
    """It took longer than ``slow_call_duration``."""
    window: Counts | None = None
    """The window's calls, this one included; None where no rate is to be judged."""
    error: str = ""
    """Class of the error, and its text if that is recorded."""
    draw: float = 0.0
    """A random number from 0 to 1, for the jitter."""
    retry_after: float | None = None
    """Seconds for which the dependency itself asks to be left alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Succeeded(Ended):
    """The dependency answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(Ended):
    """The dependency failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored(Ended):
    """The call says nothing about the dependency: ignored, cancelled, abandoned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act(Event):
    """An operator's act."""

    by: str = ""
    reason: str = ""
    expected_epoch: str | None = None
    """Act only while the record is in this epoch: the operator decided on what it showed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset(Act):
    """Close; counts, back-off and override end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TryNow(Act):
    """An open breaker takes its next call as a trial."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Force(Act):
    """Put an override in force; *seconds* None means without an end."""

    kind: OverrideKind
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearOverride(Act):
    """End the override; the machine goes on from where it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What an event led to, besides the new record."""

    admitted: bool = True
    permit: str | None = None
    """Set when the call was admitted as a trial."""
    counted: bool = True
    """False when the machine would have rejected and only an override or shadow mode lets pass."""
    retry_after: float | None = None
    transition: Transition | None = None
    """The change of the state or the operator's act that this event was."""
    stale: bool = False
    """True for an operator's act that expected another epoch: nothing was changed."""


PASSED = Decision()
STALE = Decision(stale=True)


def decide(
    record: Record, event: Event, now: float, config: BreakerConfig
) -> tuple[Record, Decision]:
    """Return what *event* makes of *record* at *now* (seconds), and the decision on it.

    When nothing changes, the very same *record* comes back.
    """
    if isinstance(event, Act) and event.expected_epoch not in (None, record.epoch):
        return record, STALE
    changed, decision = _RULES[type(event)](record, event, now, config)
    if changed is not record:
        changed = replace(changed, number=record.number + 1)
    return changed, decision


def reason_of(record: Record, now: float) -> str:
    """Return in a few words why *record* rejects calls; empty when it does not."""
    override = record.in_force(now)
    if override is not None and override.kind is OverrideKind.FORCED_OPEN:
        who = f" by {override.by}" if override.by else ""
        why = f": {override.reason}" if override.reason else ""
        return f"forced open{who}{why}"
    if record.state is State.CLOSED:
        return ""
    last = record.last_transition()
    return "" if last is None else why_of(last)


def why_of(transition: Transition) -> str:
    """Return the numbers that decided *transition*, in words."""
    rule, count = transition.rule, transition.count
    if rule == "streak":
        noun = "failure" if count == 1 else "failures"
        return f"{count} {noun} in a row (opens at {transition.limit})"
    if rule in _SHARES and transition.calls and count is not None:
        return _why_share(transition, count, transition.calls)
    if rule == "trials_succeeded":
        return f"{count} of {transition.limit} trials succeeded"
    if transition.by_operator:
        who = f" by {transition.by}" if transition.by else ""
        why = f": {transition.reason}" if transition.reason else ""
        return f"{rule.replace('_', ' ')}{who}{why}"
    return _PLAIN_REASONS.get(rule, rule)


_SHARES = {"failure_rate": "failed", "slow_call_rate": "were slow"}
_PLAIN_REASONS = {
    "timeout": "the open time is over",
    "trial_failed": "a trial failed",
    "trial_slow": "a trial was slow",
}


def _why_share(transition: Transition, count: int, calls: int) -> str:
    opens = "" if transition.rate is None else f", opens at {transition.rate:.3g}"
    return f"{count} of {calls} calls {_SHARES[transition.rule]} ({count / calls:.1%}{opens})"


# -- a call asks to pass ---------------------------------------------------------------------


def _admit(
    record: Record, event: Admit, now: float, config: BreakerConfig
) -> tuple[Record, Decision]:
    override = record.in_force(now)
    if override is not None and override.kind is OverrideKind.FORCED_OPEN:  # [7]
        left = None if override.until is None else max(override.until - now, SHORTEST_WAIT)
        return record, Decision(admitted=False, retry_after=left)
    changed, decision = _admit_by_state(record, event, now, config)
    if not decision.admitted and (config.shadow or override is not None):  # [7, 8]
        return record, Decision(counted=False)
    return changed, decision


def _admit_by_state(
    record: Record, event: Admit, now: float, config: BreakerConfig
) -> tuple[Record, Decision]:
    if record.state is State.CLOSED:
        return record, PASSED
    if record.state is State.OPEN and record.open_until is not None and now < record.open_until:
        return record, Decision(admitted=False, retry_after=record.open_until - now)  # [4]
    trials = permits_left(record.trials, now)  # [6]
    if len(trials) >= config.half_open_max_calls:  # [5]
        wait = min(trial.deadline for trial in trials) - now
        return record, Decision(admitted=False, retry_after=max(wait, SHORTEST_WAIT))  # [10]
    trial = Trial(event.permit, now + _seconds(config.trial_timeout))
    changed = replace(record, trials=(*trials, trial))
    if record.state is State.HALF_OPEN:
        return changed, Decision(permit=trial.id)
    changed, transition = _move(changed, State.HALF_OPEN, event, now, rule="timeout")  # [4]
    return changed, Decision(permit=trial.id, transition=transition)


# -- a call ended ----------------------------------------------------------------------------


def _ended(
    record: Record, event: Ended, now: float, config: BreakerConfig
) -> tuple[Record, Decision]:
    record = _permit_back(record, event.permit)
    says_nothing = isinstance(event, Ignored) and not event.slow
    if event.epoch != record.epoch or says_nothing:  # [1, 2]
        return record, PASSED
    if record.state is State.CLOSED:
        return _ended_closed(record, event, now, config)
    if record.state is State.HALF_OPEN and event.permit is not None:  # [8]
        return _trial_ended(record, event, now, config)
    return record, PASSED  # [4]


def _permit_back(record: Record, permit: str | None) -> Record:
    if permit is None or all(trial.id != permit for trial in record.trials):
        return record
    return replace(record, trials=tuple(t for t in record.trials if t.id != permit))


def _ended_closed(
    record: Record, event: Ended, now: float, config: BreakerConfig
) -> tuple[Record, Decision]:
    counted = _streak_after(record, event, now)  # [3]
    limit, window = config.failure_threshold, event.window
    if isinstance(event, Failed) and limit is not None and counted.streak >= limit:
        return _open(counted, event, now, config, rule="streak", count=counted.streak, limit=limit)
    if window is None or not (event.slow or isinstance(event, Failed)):
        return counted, PASSED
    if too_many(window.failures, window.calls, config.failure_rate, config):
        return _open_by_rate(counted, event, now, config, "failure_rate")
    if too_many(window.slow, window.calls, config.slow_call_rate, config):
        return _open_by_rate(counted, event, now, config, "slow_call_rate")
    return counted, PASSED


def _streak_after(record: Record, event: Ended, now: float) -> Record:
    if isinstance(event, Failed):
        since = now if record.streak_since is None else record.streak_since
        counted = _with_error(record, event, now)
        return replace(counted, streak=record.streak + 1, streak_since=since)
    if record.streak and isinstance(event, Succeeded):
        return replace(record, streak=0, streak_since=None)
    return record


def too_many(count: int, calls: int, rate: float | None, config: BreakerConfig) -> bool:
    """Whether *count* of *calls* in the window reach *rate*, once there are enough to judge. [3]"""
    least = config.minimum_calls or 1
    return rate is not None and calls >= least and count / calls >= rate


def _open_by_rate(
    record: Record, event: Ended, now: float, config: BreakerConfig, rule: str
) -> tuple[Record, Decision]:
    window = event.window
    assert window is not None
    by_failures = rule == "failure_rate"
    return _open(
        record,
        event,
        now,
        config,
        rule=rule,
        count=window.failures if by_failures else window.slow,
        calls=window.calls,
        rate=config.failure_rate if by_failures else config.slow_call_rate,
    )


def _trial_ended(
    record: Record, event: Ended, now: float, config: BreakerConfig
) -> tuple[Record, Decision]:
    if isinstance(event, Failed):  # [5]
        failed = replace(_with_error(record, event, now), rounds=record.rounds + 1)
        return _open(failed, event, now, config, rule="trial_failed")
    if event.slow:  # [9]
        failed = replace(record, rounds=record.rounds + 1)
        return _open(failed, event, now, config, rule="trial_slow")
    successes = record.successes + 1
    if successes < config.success_threshold:
        return replace(record, successes=successes), PASSED
    closed, transition = _move(
        _cleared(record),
        State.CLOSED,
        event,
        now,
        rule="trials_succeeded",
        count=successes,
        limit=config.success_threshold,
    )
    return closed, Decision(transition=transition)


def _with_error(record: Record, event: Ended, now: float) -> Record:
    return replace(record, last_error=clip(event.error), last_error_at=now)


def _open(
    record: Record, event: Ended, now: float, config: BreakerConfig, **numbers: Any
) -> tuple[Record, Decision]:
    moved, transition = _move(record, State.OPEN, event, now, error=event.error, **numbers)
    length = open_seconds(config, record.rounds, event.draw)
    length = max(length, asked_seconds(config, event.retry_after))
    return replace(moved, opened_at=now, open_until=now + length), Decision(transition=transition)


def asked_seconds(config: BreakerConfig, retry_after: float | None) -> float:
    """Return for how long the dependency may ask to be left alone, in seconds."""
    most = LONGEST_ASKED if config.open_timeout_max is None else _seconds(config.open_timeout_max)
    return 0.0 if retry_after is None else min(retry_after, most)


def open_seconds(config: BreakerConfig, rounds: int, draw: float) -> float:
    """Return how long to stay open after *rounds* failed half-open rounds, in seconds."""
    time = _seconds(config.open_timeout)
    if config.open_timeout_max is not None:
        time = min(time * 2.0 ** min(rounds, 60), _seconds(config.open_timeout_max))
    return time * (1 + config.open_timeout_jitter * draw)


# -- an operator acts ------------------------------------------------------------------------


def _reset(
    record: Record, event: Reset, now: float, config: BreakerConfig
) -> tuple[Record, Decision]:
    cleared = replace(_cleared(record), override=None)
    return _acted(cleared, State.CLOSED, event, now, rule="reset")


def _try_now(
    record: Record, event: TryNow, now: float, config: BreakerConfig
) -> tuple[Record, Decision]:
    due = replace(record, open_until=now) if record.state is State.OPEN else record
    return _acted(due, record.state, event, now, rule="try_now")


def _force(
    record: Record, event: Force, now: float, config: BreakerConfig
) -> tuple[Record, Decision]:
    until = None if event.seconds is None else now + event.seconds
    override = Override(
        kind=event.kind, at=now, until=until, by=clip(event.by), reason=clip(event.reason)
    )
    rule = "force_open" if event.kind is OverrideKind.FORCED_OPEN else "force_closed"
    return _acted(replace(record, override=override), record.state, event, now, rule=rule)


def _clear_override(
    record: Record, event: ClearOverride, now: float, config: BreakerConfig
) -> tuple[Record, Decision]:
    free = replace(record, override=None)
    return _acted(free, record.state, event, now, rule="clear_override")


def _acted(
    record: Record, after: State, event: Act, now: float, *, rule: str
) -> tuple[Record, Decision]:
    changed, transition = _move(record, after, event, now, rule=rule)
    return changed, Decision(transition=transition)


# -- what they share -------------------------------------------------------------------------


def _cleared(record: Record) -> Record:
    """Return *record* with all counts and the back-off cleared; running trials keep permits."""
    return replace(
        record,
        streak=0,
        streak_since=None,
        rounds=0,
        successes=0,
        opened_at=None,
        open_until=None,
    )


def _move(
    record: Record,
    after: State,
    event: Event,
    now: float,
    *,
    rule: str,
    count: int | None = None,
    limit: int | None = None,
    calls: int | None = None,
    rate: float | None = None,
    error: str = "",
) -> tuple[Record, Transition]:
    """Return *record* in state *after* and in a new epoch, and the transition that it was. [2]"""
    transition = Transition(
        at=now,
        before=record.state,
        after=after,
        rule=rule,
        count=count,
        limit=limit,
        calls=calls,
        rate=rate,
        error=clip(error),
        host=clip(event.host),
        process=event.process,
        by=clip(event.by) if isinstance(event, Act) else "",
        reason=clip(event.reason) if isinstance(event, Act) else "",
    )
    moved = replace(
        record,
        state=after,
        epoch=f"{record.chain}.{record.number + 1}",
        epoch_at=now,
        successes=record.successes if after is record.state else 0,
        trials=permits_left(record.trials, now),
        override=record.in_force(now),
        transitions=(*record.transitions, transition)[-KEPT_TRANSITIONS:],
    )
    return moved, transition


def _seconds(duration: Any) -> float:
    seconds: float = duration  # BreakerConfig keeps every duration as seconds
    return seconds


_RULES: dict[type[Event], Callable[..., tuple[Record, Decision]]] = {
    Admit: _admit,
    Succeeded: _ended,
    Failed: _ended,
    Ignored: _ended,
    Reset: _reset,
    TryNow: _try_now,
    Force: _force,
    ClearOverride: _clear_override,
}
