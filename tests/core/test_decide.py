"""The rules 1 to 7 and 10 of the state machine, one table each; see also test_decide_explored."""

from __future__ import annotations

from dataclasses import replace

import pytest

from breaker_core.config import BreakerConfig
from breaker_core.decide import (
    SHORTEST_WAIT,
    Admit,
    ClearOverride,
    Event,
    Failed,
    Force,
    Ignored,
    Reset,
    Succeeded,
    TryNow,
    decide,
    open_seconds,
    reason_of,
    why_of,
)
from breaker_core.record import (
    KEPT_TRANSITIONS,
    Override,
    OverrideKind,
    Record,
    State,
    Transition,
    Trial,
    start,
)

NOW = 1000.0
CONFIG = BreakerConfig(failure_threshold=3, open_timeout=10, trial_timeout=60)
CLOSED = start("payments", NOW, chain="c")
TRIPPING = replace(CLOSED, number=7, streak=2, streak_since=NOW - 5)


def failed(record: Record, **fields: object) -> Failed:
    return Failed(epoch=record.epoch, error="OSError", **fields)  # type: ignore[arg-type]


def opened(config: BreakerConfig = CONFIG, **fields: object) -> Record:
    record, decision = decide(TRIPPING, failed(TRIPPING), NOW, config)
    assert decision.transition is not None
    return replace(record, **fields)  # type: ignore[arg-type]


def half_open(config: BreakerConfig = CONFIG, permit: str = "t1") -> Record:
    record = opened(config)
    assert record.open_until is not None
    record, decision = decide(record, Admit(permit=permit), record.open_until, config)
    assert decision.permit == permit
    return record


TRIAL_AT = NOW + 10
"""When ``half_open()`` let its first trial in."""


# -- rule 1: outcomes ------------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.CLOSED, State.OPEN, State.HALF_OPEN])
def test_an_ignored_outcome_counts_neither_way(state: State) -> None:
    """Rule 1: the very same record comes back, with a streak as it was."""
    record = {State.CLOSED: TRIPPING, State.OPEN: opened(), State.HALF_OPEN: half_open()}[state]
    after, decision = decide(record, Ignored(epoch=record.epoch), NOW, CONFIG)
    assert after is record
    assert decision.transition is None


def test_an_ignored_trial_gives_its_permit_back_and_decides_nothing() -> None:
    """Rule 1: half-open goes on, with its permit free for the next call."""
    record = half_open()
    after, _ = decide(record, Ignored(epoch=record.epoch, permit="t1"), TRIAL_AT + 1, CONFIG)
    assert (after.state, after.trials, after.successes) == (State.HALF_OPEN, (), 0)


# -- rule 2: epochs --------------------------------------------------------------------------

OF_ANOTHER_EPOCH = [
    Succeeded(epoch="c.0"),
    Failed(epoch="c.0"),
    Ignored(epoch="c.0"),
    Succeeded(epoch="other.8"),
    Failed(epoch="other.8"),
]


@pytest.mark.parametrize("event", OF_ANOTHER_EPOCH)
@pytest.mark.parametrize("record", [opened(), half_open()])
def test_an_outcome_of_another_epoch_changes_nothing(record: Record, event: Event) -> None:
    """Rule 2: neither a late success nor a late failure moves an open or half-open breaker."""
    after, decision = decide(record, event, NOW + 30, CONFIG)
    assert after is record
    assert decision.transition is None


def test_an_outcome_of_another_epoch_gives_its_permit_back() -> None:
    """Rule 2: it changes no state, and the permit belongs to the call all the same."""
    record = half_open()
    after, _ = decide(record, Failed(epoch="c.0", permit="t1"), TRIAL_AT, CONFIG)
    assert (after.state, after.trials) == (State.HALF_OPEN, ())


ACTS = [
    Reset(by="a"),
    TryNow(by="a"),
    Force(kind=OverrideKind.FORCED_OPEN, by="a"),
    Force(kind=OverrideKind.FORCED_CLOSED, by="a"),
    ClearOverride(by="a"),
]


@pytest.mark.parametrize("act", ACTS, ids=lambda act: type(act).__name__)
@pytest.mark.parametrize("record", [CLOSED, opened(), half_open()], ids=lambda r: r.state.value)
def test_each_act_starts_a_new_epoch(record: Record, act: Event) -> None:
    """Rule 2: also an act that changes no state; it names the chain and the number."""
    after, decision = decide(record, act, NOW, CONFIG)
    assert after.epoch == f"c.{record.number + 1}" != record.epoch
    assert after.epoch_at == NOW
    assert decision.transition is not None
    assert after.transitions[-1] is decision.transition


def test_each_transition_starts_a_new_epoch() -> None:
    """Rule 2: closed, open, half-open and closed again are four epochs."""
    trial = half_open()
    closed, _ = decide(trial, Succeeded(epoch=trial.epoch, permit="t1"), TRIAL_AT, CONFIG)
    epochs = {CLOSED.epoch, opened().epoch, trial.epoch, closed.epoch}
    assert len(epochs) == 4


# -- rule 3: closed --------------------------------------------------------------------------


def test_failures_in_a_row_open_at_the_threshold_and_not_before() -> None:
    """Rule 3: the third of three."""
    record, states = CLOSED, []
    for _ in range(3):
        record, _ = decide(record, failed(CLOSED), NOW, CONFIG)
        states.append(record.state)
    assert states == [State.CLOSED, State.CLOSED, State.OPEN]


def test_a_success_clears_the_streak() -> None:
    """Rule 3."""
    after, _ = decide(TRIPPING, Succeeded(epoch=TRIPPING.epoch), NOW, CONFIG)
    assert (after.streak, after.streak_since, after.state) == (0, None, State.CLOSED)


def test_a_success_without_a_streak_changes_nothing() -> None:
    """Rule 3: so a success costs no write."""
    after, _ = decide(CLOSED, Succeeded(epoch=CLOSED.epoch), NOW, CONFIG)
    assert after is CLOSED


def test_the_streak_remembers_when_it_began() -> None:
    """Rule 3: the time of its first failure, not of its last."""
    first, _ = decide(CLOSED, failed(CLOSED), NOW, CONFIG)
    second, _ = decide(first, failed(CLOSED), NOW + 4, CONFIG)
    assert (first.streak_since, second.streak_since) == (NOW, NOW)


def test_a_streak_does_not_age() -> None:
    """Rule 3: the mere passing of time neither clears nor opens."""
    passed, decision = decide(TRIPPING, Admit(permit="p"), NOW + 10**8, CONFIG)
    assert passed is TRIPPING
    assert decision.admitted
    assert decision.permit is None


def test_a_failure_says_what_failed_and_when() -> None:
    """Rule 3: the record keeps the last error, clipped."""
    event = Failed(epoch=CLOSED.epoch, error="x" * 1000)
    after, _ = decide(CLOSED, event, NOW, CONFIG)
    assert after.last_error == "x" * 299 + "…"
    assert after.last_error_at == NOW


def test_opening_is_told_with_its_numbers() -> None:
    """Rule 3: rule, count, limit, error class, host and process."""
    event = failed(TRIPPING, host="web1", process=42)
    _, decision = decide(TRIPPING, event, NOW, CONFIG)
    assert decision.transition == Transition(
        at=NOW,
        before=State.CLOSED,
        after=State.OPEN,
        rule="streak",
        count=3,
        limit=3,
        error="OSError",
        host="web1",
        process=42,
    )


def test_a_threshold_that_was_lowered_opens_at_the_next_failure() -> None:
    """Rule 3: whoever makes a change applies its own configuration."""
    lower = BreakerConfig(failure_threshold=1)
    after, _ = decide(TRIPPING, failed(TRIPPING), NOW, lower)
    assert after.state is State.OPEN


# -- rule 4: open ----------------------------------------------------------------------------


@pytest.mark.parametrize("passed", [0.0, 1.0, 9.999])
def test_open_rejects_until_its_end_and_looking_changes_nothing(passed: float) -> None:
    """Rules 4 and 10: with the rest of the open time."""
    record = opened()
    after, decision = decide(record, Admit(permit="p"), NOW + passed, CONFIG)
    assert after is record
    assert not decision.admitted
    assert decision.retry_after == pytest.approx(10 - passed)


@pytest.mark.parametrize("passed", [10.0, 10.5, 10**6])
def test_the_first_call_at_the_end_is_the_first_trial(passed: float) -> None:
    """Rule 4: it moves to half-open itself."""
    after, decision = decide(opened(), Admit(permit="p"), NOW + passed, CONFIG)
    assert after.state is State.HALF_OPEN
    assert (decision.admitted, decision.permit, decision.counted) == (True, "p", True)
    assert after.trials == (Trial("p", NOW + passed + 60),)
    assert decision.transition is not None
    assert decision.transition.rule == "timeout"


@pytest.mark.parametrize("kind", [Succeeded, Failed])
def test_stragglers_do_not_touch_an_open_breaker(kind: type[Succeeded | Failed]) -> None:
    """Rule 4: not even one of the open epoch itself (let through by shadow mode)."""
    record = opened()
    for epoch in (TRIPPING.epoch, record.epoch):
        after, _ = decide(record, kind(epoch=epoch), NOW + 5, CONFIG)
        assert after is record


def test_the_opener_writes_when_the_open_time_ends() -> None:
    """Rule 4: another process's shorter configuration does not shorten it."""
    hasty = BreakerConfig(failure_threshold=3, open_timeout=0)
    _, decision = decide(opened(), Admit(permit="p"), NOW + 9, hasty)
    assert not decision.admitted


def test_an_open_time_of_zero_makes_the_next_call_a_trial() -> None:
    """Rule 4: 0 is a value."""
    config = replace(CONFIG, open_timeout=0)
    _, decision = decide(opened(config), Admit(permit="p"), NOW, config)
    assert decision.permit == "p"


@pytest.mark.parametrize(("draw", "seconds"), [(0.0, 10.0), (0.5, 12.5), (1.0, 15.0)])
def test_jitter_only_lengthens(draw: float, seconds: float) -> None:
    """Rule 4: by a random share of at most the configured one."""
    config = replace(CONFIG, open_timeout_jitter=0.5)
    record, _ = decide(TRIPPING, failed(TRIPPING, draw=draw), NOW, config)
    assert record.open_until == NOW + seconds


# -- rule 5: half-open -----------------------------------------------------------------------


@pytest.mark.parametrize("most", [1, 2, 5])
def test_no_more_trials_than_configured_run_at_a_time(most: int) -> None:
    """Rule 5: the next call is rejected and changes nothing."""
    config = replace(CONFIG, half_open_max_calls=most)
    record = half_open(config)
    for each in range(2, most + 1):
        record, decision = decide(record, Admit(permit=f"t{each}"), TRIAL_AT, config)
        assert decision.permit == f"t{each}"
    after, decision = decide(record, Admit(permit="more"), TRIAL_AT, config)
    assert after is record
    assert not decision.admitted


def test_a_success_closes_and_clears_all_counts() -> None:
    """Rule 5: streak, rounds, successes and the open time; the number of trials is told."""
    record = replace(half_open(), rounds=3)
    after, decision = decide(record, Succeeded(epoch=record.epoch, permit="t1"), TRIAL_AT, CONFIG)
    assert after.state is State.CLOSED
    assert (after.streak, after.streak_since, after.rounds, after.successes) == (0, None, 0, 0)
    assert (after.opened_at, after.open_until, after.trials) == (None, None, ())
    assert decision.transition is not None
    assert why_of(decision.transition) == "1 of 1 trials succeeded"


def test_success_threshold_successes_are_needed() -> None:
    """Rule 5: the second of two."""
    config = replace(CONFIG, success_threshold=2)
    record = half_open(config)
    first, _ = decide(record, Succeeded(epoch=record.epoch, permit="t1"), TRIAL_AT, config)
    assert (first.state, first.successes) == (State.HALF_OPEN, 1)
    second, decision = decide(first, Admit(permit="t2"), TRIAL_AT, config)
    assert decision.permit == "t2"
    closed, _ = decide(second, Succeeded(epoch=record.epoch, permit="t2"), TRIAL_AT, config)
    assert closed.state is State.CLOSED


def test_a_new_round_begins_without_the_successes_of_the_last() -> None:
    """Rule 5: one success, one failure, one success do not close at two."""
    config = replace(CONFIG, success_threshold=2, half_open_max_calls=2)
    record = half_open(config)
    record, _ = decide(record, Succeeded(epoch=record.epoch, permit="t1"), TRIAL_AT, config)
    record, _ = decide(record, Admit(permit="t2"), TRIAL_AT, config)
    record, _ = decide(record, failed(record, permit="t2"), TRIAL_AT, config)
    record, _ = decide(record, Admit(permit="t3"), TRIAL_AT + 10, config)
    assert (record.state, record.successes) == (State.HALF_OPEN, 0)


def test_one_failure_opens_again() -> None:
    """Rule 5: for the full time, counted from the failure."""
    record = half_open()
    after, decision = decide(record, failed(record, permit="t1"), TRIAL_AT + 3, CONFIG)
    assert (after.state, after.opened_at, after.open_until) == (
        State.OPEN,
        TRIAL_AT + 3,
        TRIAL_AT + 13,
    )
    assert decision.transition is not None
    assert why_of(decision.transition) == "a trial failed"


@pytest.mark.parametrize(
    ("rounds", "seconds"), [(0, 10), (1, 20), (2, 40), (3, 60), (60, 60), (2000, 60)]
)
def test_each_failed_round_doubles_the_open_time_up_to_the_most(
    rounds: int, seconds: float
) -> None:
    """Rule 5: back-off, and no overflow after thousands of rounds."""
    config = replace(CONFIG, open_timeout_max=60)
    assert open_seconds(config, rounds, 0.0) == seconds


def test_without_a_most_there_is_no_back_off() -> None:
    """Rule 5."""
    assert open_seconds(CONFIG, 5, 0.0) == 10


def test_the_back_off_counts_failed_rounds_and_not_the_opening() -> None:
    """Rule 5: 10 s at first, 20 s after the first failed trial."""
    config = replace(CONFIG, open_timeout_max=60)
    record = half_open(config)
    assert record.rounds == 0
    again, _ = decide(record, failed(record, permit="t1"), TRIAL_AT, config)
    assert (again.rounds, again.open_until) == (1, TRIAL_AT + 20)


@pytest.mark.parametrize("end", ["closing", "reset"])
def test_closing_and_reset_end_the_back_off(end: str) -> None:
    """Rule 5."""
    record = replace(half_open(), rounds=4)
    event: Event = Reset() if end == "reset" else Succeeded(epoch=record.epoch, permit="t1")
    after, _ = decide(record, event, TRIAL_AT, CONFIG)
    assert after.rounds == 0


def test_a_call_without_a_permit_decides_nothing_in_half_open() -> None:
    """Rules 5 and 8: it was let through by an override or shadow mode."""
    record = half_open()
    for event in (Succeeded(epoch=record.epoch), Failed(epoch=record.epoch)):
        after, _ = decide(record, event, TRIAL_AT, CONFIG)
        assert after is record


# -- rule 6: lost trials ---------------------------------------------------------------------


@pytest.mark.parametrize(("passed", "admitted"), [(59.999, False), (60.0, True)])
def test_a_trial_is_lost_at_its_deadline(passed: float, admitted: bool) -> None:
    """Rule 6: from then on its permit is free."""
    record = half_open()
    after, decision = decide(record, Admit(permit="t2"), TRIAL_AT + passed, CONFIG)
    assert decision.admitted is admitted
    assert [trial.id for trial in after.trials] == (["t2"] if admitted else ["t1"])


@pytest.mark.parametrize(
    ("event", "state"),
    [
        (Succeeded(epoch=half_open().epoch, permit="t1"), State.CLOSED),
        (Failed(epoch=half_open().epoch, permit="t1"), State.OPEN),
    ],
)
def test_a_lost_trial_still_counts_while_its_epoch_stands(event: Event, state: State) -> None:
    """Rule 6: else calls longer than trial_timeout could never close a breaker."""
    record, _ = decide(half_open(), Admit(permit="t2"), TRIAL_AT + 60, CONFIG)
    after, _ = decide(record, event, TRIAL_AT + 61, CONFIG)
    assert after.state is state


def test_the_end_of_a_lost_trial_frees_nobody_elses_permit() -> None:
    """Rule 6: the second trial keeps its own."""
    config = replace(CONFIG, success_threshold=2)
    record, _ = decide(half_open(config), Admit(permit="t2"), TRIAL_AT + 60, config)
    after, _ = decide(record, Succeeded(epoch=record.epoch, permit="t1"), TRIAL_AT + 61, config)
    assert [trial.id for trial in after.trials] == ["t2"]


def test_a_trial_of_an_older_round_is_late() -> None:
    """Rule 6: it neither closes nor opens the new round."""
    record = half_open()
    record, _ = decide(record, Admit(permit="t2"), TRIAL_AT + 60, CONFIG)
    reopened, _ = decide(record, failed(record, permit="t2"), TRIAL_AT + 61, CONFIG)
    again, _ = decide(reopened, Admit(permit="t3"), TRIAL_AT + 71, CONFIG)
    after, _ = decide(again, Succeeded(epoch=record.epoch, permit="t1"), TRIAL_AT + 72, CONFIG)
    assert after is again


def test_a_running_trial_keeps_its_permit_through_opening_again() -> None:
    """Rules 5 and 6: so never more than two run, whatever becomes of the breaker meanwhile."""
    config = replace(CONFIG, half_open_max_calls=2)
    record, _ = decide(half_open(config), Admit(permit="t2"), TRIAL_AT, config)
    record, _ = decide(record, failed(record, permit="t2"), TRIAL_AT + 1, config)
    record, _ = decide(record, Admit(permit="t3"), TRIAL_AT + 11, config)
    after, decision = decide(record, Admit(permit="t4"), TRIAL_AT + 12, config)
    assert not decision.admitted
    assert [trial.id for trial in after.trials] == ["t1", "t3"]


def test_an_open_breaker_whose_permits_all_run_stays_open() -> None:
    """Rules 5 and 6: the open time is over, and the wait is for a permit."""
    record = replace(opened(), trials=(Trial("old", NOW + 45),))
    after, decision = decide(record, Admit(permit="p"), NOW + 10, CONFIG)
    assert after is record
    assert decision.retry_after == pytest.approx(35)


# -- rule 7: operators -----------------------------------------------------------------------


@pytest.mark.parametrize("record", [TRIPPING, opened(), half_open()], ids=lambda r: r.state.value)
def test_a_reset_closes_and_clears_counts_back_off_and_override(record: Record) -> None:
    """Rule 7."""
    forced = replace(
        record, rounds=2, override=Override(kind=OverrideKind.FORCED_OPEN, at=NOW), streak=2
    )
    after, decision = decide(forced, Reset(by="alice", reason="fixed"), NOW, CONFIG)
    assert (after.state, after.streak, after.rounds, after.override) == (State.CLOSED, 0, 0, None)
    assert (after.opened_at, after.open_until) == (None, None)
    assert decision.transition is not None
    assert decision.transition.before is record.state
    assert why_of(decision.transition) == "reset by alice: fixed"


def test_try_now_makes_the_next_call_of_an_open_breaker_a_trial() -> None:
    """Rule 7: it stays open until that call comes."""
    record, _ = decide(opened(), TryNow(by="alice"), NOW + 1, CONFIG)
    assert record.state is State.OPEN
    _, decision = decide(record, Admit(permit="p"), NOW + 1, CONFIG)
    assert decision.permit == "p"


@pytest.mark.parametrize("act", [ACTS[1], ACTS[2], ACTS[3], ACTS[4]])
def test_other_acts_keep_the_counts(act: Event) -> None:
    """Rule 7: a streak, a back-off and the successes of the trials."""
    for record in (TRIPPING, replace(half_open(), successes=1, rounds=2)):
        after, _ = decide(record, act, NOW, CONFIG)
        assert after.state is record.state
        assert (after.streak, after.successes, after.rounds) == (
            record.streak,
            record.successes,
            record.rounds,
        )


@pytest.mark.parametrize("record", [CLOSED, opened(), half_open()], ids=lambda r: r.state.value)
def test_forced_open_rejects_all_and_freezes_the_machine(record: Record) -> None:
    """Rule 7: also when the open time beneath is long over."""
    forced, _ = decide(record, Force(kind=OverrideKind.FORCED_OPEN), NOW, CONFIG)
    after, decision = decide(forced, Admit(permit="p"), NOW + 1000, CONFIG)
    assert after is forced
    assert (decision.admitted, decision.retry_after) == (False, None)


@pytest.mark.parametrize("record", [CLOSED, opened(), half_open()], ids=lambda r: r.state.value)
def test_forced_open_lets_no_earlier_outcome_move_the_machine(record: Record) -> None:
    """Rules 2 and 7: what ran before the act changes no state."""
    forced, _ = decide(record, Force(kind=OverrideKind.FORCED_OPEN), NOW, CONFIG)
    for kind in (Succeeded, Failed):
        after, _ = decide(forced, kind(epoch=record.epoch, permit="t1"), NOW, CONFIG)
        assert replace(after, trials=forced.trials, number=forced.number) == forced


@pytest.mark.parametrize(("passed", "left"), [(0, 30.0), (29, 1.0), (29.9999, SHORTEST_WAIT)])
def test_forced_open_tells_the_rest_of_it(passed: float, left: float) -> None:
    """Rule 10: never 0."""
    act = Force(kind=OverrideKind.FORCED_OPEN, seconds=30)
    forced, _ = decide(CLOSED, act, NOW, CONFIG)
    _, decision = decide(forced, Admit(permit="p"), NOW + passed, CONFIG)
    assert decision.retry_after == pytest.approx(left)


def test_an_override_ends_by_itself() -> None:
    """Rule 7: at its end the machine's own word counts again."""
    act = Force(kind=OverrideKind.FORCED_OPEN, seconds=30)
    forced, _ = decide(CLOSED, act, NOW, CONFIG)
    _, decision = decide(forced, Admit(permit="p"), NOW + 30, CONFIG)
    assert (decision.admitted, decision.permit) == (True, None)


def test_forced_closed_lets_pass_what_the_machine_would_reject_and_does_not_count_it() -> None:
    """Rules 7 and 8: no permit, and the caller is told that the outcome counts for nothing."""
    forced, _ = decide(opened(), Force(kind=OverrideKind.FORCED_CLOSED), NOW, CONFIG)
    after, decision = decide(forced, Admit(permit="p"), NOW + 1, CONFIG)
    assert after is forced
    assert (decision.admitted, decision.counted, decision.permit) == (True, False, None)


def test_the_machine_runs_on_beneath_forced_closed() -> None:
    """Rule 7: it opens, tries and closes as if nothing stood above it."""
    record, _ = decide(TRIPPING, Force(kind=OverrideKind.FORCED_CLOSED), NOW, CONFIG)
    record, _ = decide(record, failed(record), NOW, CONFIG)
    assert record.state is State.OPEN
    record, decision = decide(record, Admit(permit="p"), NOW + 10, CONFIG)
    assert (record.state, decision.permit) == (State.HALF_OPEN, "p")
    record, _ = decide(record, Succeeded(epoch=record.epoch, permit="p"), NOW + 10, CONFIG)
    assert record.state is State.CLOSED
    assert record.override is not None


def test_clearing_an_override_lets_the_machine_go_on_from_where_it_is() -> None:
    """Rule 7."""
    forced, _ = decide(opened(), Force(kind=OverrideKind.FORCED_OPEN), NOW + 1, CONFIG)
    after, _ = decide(forced, ClearOverride(by="alice"), NOW + 2, CONFIG)
    assert (after.state, after.override, after.open_until) == (State.OPEN, None, NOW + 10)


def test_an_automatic_transition_decided_before_an_act_does_not_undo_it() -> None:
    """Rule 7: the tripping failure ends after the reset, and belongs to an older epoch."""
    record, _ = decide(TRIPPING, Reset(by="alice"), NOW, CONFIG)
    after, _ = decide(record, failed(TRIPPING), NOW, CONFIG)
    assert after is record


def test_a_reset_does_not_free_permits_of_trials_that_still_run() -> None:
    """Rules 6 and 7: never more trials at a time, whatever an operator does."""
    record, _ = decide(half_open(), Reset(), TRIAL_AT, CONFIG)
    assert [trial.id for trial in record.trials] == ["t1"]


def test_acts_are_kept_with_who_and_why() -> None:
    """Rule 7: clipped, as foreign texts are."""
    act = Force(kind=OverrideKind.FORCED_OPEN, seconds=60, by="b" * 400, reason="r" * 400)
    record, _ = decide(CLOSED, act, NOW, CONFIG)
    assert record.override == Override(
        kind=OverrideKind.FORCED_OPEN,
        at=NOW,
        until=NOW + 60,
        by="b" * 299 + "…",
        reason="r" * 299 + "…",
    )


# -- rule 8: shadow mode ---------------------------------------------------------------------


def test_in_shadow_mode_the_machine_runs_and_nothing_is_rejected() -> None:
    """Rule 8: what would have been rejected carries no permit."""
    shadow = replace(CONFIG, shadow=True)
    after, decision = decide(opened(shadow), Admit(permit="p"), NOW + 1, shadow)
    assert after.state is State.OPEN
    assert (decision.admitted, decision.counted, decision.permit) == (True, False, None)
    after, decision = decide(opened(shadow), Admit(permit="p"), NOW + 10, shadow)
    assert (after.state, decision.permit, decision.counted) == (State.HALF_OPEN, "p", True)


# -- rule 10: retry_after --------------------------------------------------------------------


def test_a_full_half_open_tells_the_time_to_the_next_deadline() -> None:
    """Rule 10: of the trial that is lost first."""
    config = replace(CONFIG, half_open_max_calls=2)
    record, _ = decide(half_open(config), Admit(permit="t2"), TRIAL_AT + 20, config)
    _, decision = decide(record, Admit(permit="t3"), TRIAL_AT + 30, config)
    assert decision.retry_after == pytest.approx(30)


def test_a_full_half_open_never_tells_zero() -> None:
    """Rule 10: not even a moment before the deadline."""
    _, decision = decide(half_open(), Admit(permit="p"), TRIAL_AT + 60 - 1e-7, CONFIG)
    assert decision.retry_after == SHORTEST_WAIT


# -- numbers, history, words -----------------------------------------------------------------


def test_every_change_has_the_next_number_and_no_change_the_same_record() -> None:
    """The number names the epochs; a store that compares by it must see every change."""
    record, decision = decide(TRIPPING, failed(TRIPPING), NOW, CONFIG)
    assert record.number == TRIPPING.number + 1
    assert decision.transition is not None
    same, _ = decide(record, Admit(permit="p"), NOW, CONFIG)
    assert same is record


def test_the_last_twenty_transitions_are_kept() -> None:
    """The oldest go first."""
    record = CLOSED
    for each in range(25):
        record, _ = decide(record, Reset(reason=str(each)), NOW, CONFIG)
    assert [each.reason for each in record.transitions] == [str(each) for each in range(5, 25)]
    assert len(record.transitions) == KEPT_TRANSITIONS


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (CLOSED, ""),
        (opened(), "3 failures in a row (opens at 3)"),
        (half_open(), "the open time is over"),
        (
            decide(
                CLOSED, Force(kind=OverrideKind.FORCED_OPEN, by="al", reason="why"), NOW, CONFIG
            )[0],
            "forced open by al: why",
        ),
        (decide(CLOSED, Force(kind=OverrideKind.FORCED_OPEN), NOW, CONFIG)[0], "forced open"),
        (decide(opened(), TryNow(by="al"), NOW, CONFIG)[0], "3 failures in a row (opens at 3)"),
    ],
)
def test_the_reason_is_given_in_a_few_words(record: Record, words: str) -> None:
    """An act that changed no state does not hide why a breaker is open."""
    assert reason_of(record, NOW) == words


def test_one_failure_is_not_called_failures() -> None:
    """Words for people."""
    one = replace(CONFIG, failure_threshold=1)
    record, _ = decide(CLOSED, failed(CLOSED), NOW, one)
    assert reason_of(record, NOW) == "1 failure in a row (opens at 1)"


def test_an_override_that_is_over_leaves_the_record_with_the_next_transition() -> None:
    """Rule 7: so that what the store keeps for ever can be forgotten again."""
    act = Force(kind=OverrideKind.FORCED_CLOSED, seconds=5)
    record, _ = decide(TRIPPING, act, NOW, CONFIG)
    record, _ = decide(record, failed(record), NOW + 5, CONFIG)
    assert (record.state, record.override) == (State.OPEN, None)
