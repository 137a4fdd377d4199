"""What one look at a breaker shows, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from breaker_core.decide import Admit, Decision, decide, reason_of
from breaker_core.fleet import stricter
from breaker_core.record import Override, Record, State, Transition

if TYPE_CHECKING:
    from collections.abc import Mapping

    from breaker_core.config import BreakerConfig
    from breaker_core.machine import Look
    from breaker_core.window import Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A breaker as one process saw it. Times are seconds since 1970, durations seconds."""

    name: str
    state: State
    """The stricter of the fleet's state and this process's own."""
    scope: str
    """Whose word ``state`` is: "fleet", or "process" when only this process stopped."""
    fleet_state: State
    override: Override | None
    """The operator's override in force, if any; it stands beside the state."""
    consecutive_failures: int
    rates: Mapping[str, float]
    """Shares of failed and slow calls over the window, by name ("failure", "slow"); empty while
    no rate is judged or no call has ended."""
    window: Counts | None
    """The calls that the rates speak of; None while no rate is judged."""
    opened_at: float | None
    """When it last opened; None while closed."""
    next_trial_at: float | None
    """When a trial is due; None while closed or when that is not decided by time."""
    retry_after: float | None
    """Seconds that the next call would be told to wait; 0 when it would pass as a trial; None
    when it would simply pass, or when nobody knows (forced open without an end)."""
    reason: str
    last_error: str
    last_error_at: float | None
    transitions: tuple[Transition, ...]
    """The last transitions and operators' acts, the oldest first."""
    trials: int
    """Trials under way."""
    totals: Mapping[str, int]
    """This process's counts since it began."""
    epoch: str
    store: str
    """memory, ok, unreachable or off."""
    as_of: float
    """When this was true."""
    seen: bool
    """False while the store was never reached: what is said is a mere assumption."""
    used: bool
    """Whether anybody has ever used it."""
    config: BreakerConfig
    parent: str = ""
    """Whose partition it is; empty for a breaker of its own."""
    key: str = ""
    """The key that it is the partition for."""

    @property
    def rejecting(self) -> bool:
        """Whether the next call in this process would be rejected."""
        if self.override is not None:
            return self.override.kind.value == "forced_open"
        return not self.config.shadow and self.state is not State.CLOSED and self.retry_after != 0


def snapshot_of(name: str, look: Look, config: BreakerConfig) -> Snapshot:
    """Return what *look* shows of breaker *name*."""
    fleet, own = look.record, look.own
    state = fleet.state if own is None else stricter(fleet.state, own.state)
    of_process = own is not None and state is not fleet.state
    record, now = (own, look.own_now) if of_process and own is not None else (fleet, look.now)
    override = fleet.in_force(look.now)
    _, decision = decide(fleet, Admit(permit="look"), look.now, config)
    terms = replace(config, half_open_max_calls=1) if of_process else config
    if of_process and decision.admitted and decision.counted:
        _, decision = decide(record, Admit(permit="look"), now, terms)
    totals = dict(look.tally)
    return Snapshot(
        name=name,
        state=state,
        scope="process" if of_process else "fleet",
        fleet_state=fleet.state,
        override=override,
        consecutive_failures=max(fleet.streak, own.streak if own is not None else 0),
        rates=_rates(look.counts),
        window=look.counts,
        opened_at=record.opened_at,
        next_trial_at=None if override is not None else _next_trial_at(record, now, terms),
        retry_after=_retry_after(decision, state),
        reason=reason_of(fleet, look.now) or reason_of(record, now),
        last_error=record.last_error or fleet.last_error,
        last_error_at=record.last_error_at or fleet.last_error_at,
        transitions=fleet.transitions,
        trials=sum(1 for trial in record.trials if now < trial.deadline),
        totals=totals,
        epoch=fleet.epoch,
        store=look.store,
        as_of=look.now - min(max(0.0, look.age), look.now),
        seen=look.seen,
        used=fleet.number > 0 or bool(fleet.transitions) or totals["calls"] > 0,
        config=config,
    )


def _rates(counts: Counts | None) -> dict[str, float]:
    if counts is None or not counts.calls:
        return {}
    return {"failure": counts.failures / counts.calls, "slow": counts.slow / counts.calls}


def _retry_after(decision: Decision, state: State) -> float | None:
    if not decision.admitted:
        return decision.retry_after
    return None if state is State.CLOSED or not decision.counted else 0.0


def _next_trial_at(record: Record, now: float, config: BreakerConfig) -> float | None:
    """Return when *record* has a trial to give; shadow mode, which rejects nothing, or not."""
    if record.state is State.CLOSED:
        return None
    _, decision = decide(record, Admit(permit="look"), now, replace(config, shadow=False))
    return now + (decision.retry_after or 0.0)
