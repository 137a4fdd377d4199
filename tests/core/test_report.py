"""Breakers in words: one function says how one stands, for every page and command."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NoReturn

import pytest

from breaker_core import BreakerConfig, CircuitBreaker, Snapshot, State
from breaker_core.report import (
    Reach,
    as_json,
    as_mapping,
    clock_time,
    details,
    duration,
    history_line,
    plain,
    reach,
    reach_words,
    standing,
    table,
    why,
    worst_first,
)
from breaker_core.summary import InProcess, ProcessSummary
from breaker_core.testing import FakeClock

CONFIG = BreakerConfig(failure_threshold=2, open_timeout=200, trial_timeout=60)


class Down(Exception):  # noqa: N818
    """The dependency's own error."""


def fail() -> NoReturn:
    raise Down


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def make(clock: FakeClock, name: str = "x", **options: Any) -> CircuitBreaker:
    return CircuitBreaker(name, replace(CONFIG, **options), clock=clock)


def trip(breaker: CircuitBreaker) -> CircuitBreaker:
    for _ in range(2):
        with pytest.raises(Down):
            breaker.call(fail)
    return breaker


def words(snapshot: Snapshot) -> str:
    held = standing(snapshot)
    return f"{held.severity} {held.key}: {held.word}, {held.sentence}"


# -- how a breaker stands ------------------------------------------------------------------------


def test_closed(clock: FakeClock) -> None:
    """Normal: severity 0."""
    assert words(make(clock).snapshot()) == "0 closed: Closed, calls pass"


def test_open(clock: FakeClock) -> None:
    """With what comes next."""
    breaker = trip(make(clock))
    clock.advance(8)
    assert words(breaker.snapshot()) == "6 open: Open, calls rejected · next trial in 3 min 12 s"


def test_open_and_due(clock: FakeClock) -> None:
    """Nothing happens before a call comes."""
    breaker = trip(make(clock))
    clock.advance(200)
    assert words(breaker.snapshot()) == (
        "6 open: Open, calls rejected · trial due, waiting for a call"
    )


def test_open_in_shadow_mode(clock: FakeClock) -> None:
    """Rule 8: nothing is rejected, and the time of the next trial is the machine's."""
    breaker = trip(make(clock, shadow=True))
    assert words(breaker.snapshot()) == (
        "1 open: Open, calls would be rejected (shadow) · next trial in 3 min 20 s"
    )


def test_half_open_with_a_trial_running(clock: FakeClock) -> None:
    """Of how many."""
    breaker = trip(make(clock, half_open_max_calls=3))
    clock.advance(200)
    with breaker.guard():
        assert words(breaker.snapshot()) == (
            "4 half-open: Half-open, trying 3 at a time · trial running (1 of 3)"
        )


def test_half_open_waiting_for_a_trial(clock: FakeClock) -> None:
    """Its trial was cancelled."""
    breaker = trip(make(clock))
    clock.advance(200)
    with pytest.raises(KeyboardInterrupt), breaker.guard():
        raise KeyboardInterrupt
    assert words(breaker.snapshot()) == (
        "4 half-open: Half-open, trying 1 at a time · trial due, waiting for a call"
    )


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "by an operator · all calls rejected · until ended by hand · would be closed"),
        (
            {"by": "alice", "for_": 90},
            "by alice · all calls rejected · for another 1 min 30 s · would be closed",
        ),
    ],
)
def test_forced_open(clock: FakeClock, options: dict[str, Any], text: str) -> None:
    """By whom, for how long, and what the machine would say."""
    breaker = make(clock)
    breaker.force_open(**options)
    assert words(breaker.snapshot()) == f"5 forced-open: Forced open, {text}"


def test_forced_closed_over_a_half_open_breaker(clock: FakeClock) -> None:
    """What it would be is said in people's words."""
    breaker = trip(make(clock))
    clock.advance(200)
    breaker.guard().__enter__()
    breaker.force_closed(by="al")
    assert words(breaker.snapshot()) == (
        "2 forced-closed: Forced closed, by al · all calls pass · until ended by hand · "
        "would be half-open"
    )


def test_a_closed_breaker_whose_store_is_away_is_unknown(clock: FakeClock) -> None:
    """Others may have opened it meanwhile."""
    snapshot = replace(make(clock).snapshot(), store="unreachable")
    assert words(snapshot) == "3 unknown: Unknown, store unreachable, last seen closed"


def test_a_process_that_stopped_itself_says_so(clock: FakeClock) -> None:
    """It rejects alone."""
    snapshot = replace(trip(make(clock)).snapshot(), scope="process")
    assert words(snapshot) == (
        "6 open: Open, calls rejected in this process · next trial in 3 min 20 s"
    )


def test_a_process_makes_one_trial_at_a_time_of_its_own(clock: FakeClock) -> None:
    """Whatever the fleet may."""
    breaker = trip(make(clock, half_open_max_calls=3))
    clock.advance(200)
    with breaker.guard():
        snapshot = replace(breaker.snapshot(), scope="process")
    assert words(snapshot) == (
        "4 half-open: Half-open, trying 1 at a time in this process · trial running (1 of 1)"
    )


def test_the_worst_comes_first_and_equals_by_name(clock: FakeClock) -> None:
    """Open, forced open, half-open, unknown, forced closed, closed."""
    b, a, opened, forced, closed_by_hand = (make(clock, name) for name in ("b", "a", "m", "k", "j"))
    half = trip(make(clock, "n"))
    clock.advance(200)
    half.guard().__enter__()
    trip(opened)
    forced.force_open()
    closed_by_hand.force_closed()
    unknown = replace(make(clock, "z").snapshot(), store="unreachable")
    all_of_them = [each.snapshot() for each in (b, a, opened, forced, closed_by_hand, half)]
    ordered = worst_first([*all_of_them, unknown])
    assert [each.name for each in ordered] == ["m", "k", "n", "z", "j", "a", "b"]


def test_why_gives_the_numbers_and_the_error_of_what_is_not_closed(clock: FakeClock) -> None:
    """And nothing for what is."""
    breaker = make(clock)
    with pytest.raises(Down):
        breaker.call(fail)
    assert why(breaker.snapshot()) == ""
    with pytest.raises(Down):
        breaker.call(fail)
    assert why(breaker.snapshot()) == "2 failures in a row (opens at 2) · Down"


# -- numbers in words ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "< 1 s"),
        (0, "< 1 s"),
        (0.99, "< 1 s"),
        (1, "1 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (60, "1 min"),
        (192, "3 min 12 s"),
        (3599.7, "1 h"),
        (3600, "1 h"),
        (3601, "1 h"),
        (3660, "1 h 1 min"),
        (7384, "2 h 3 min"),
        (86_400, "1 d"),
        (90_000, "1 d 1 h"),
        (90_061, "1 d 1 h"),
        (86_460, "1 d"),
        (864_000, "10 d"),
    ],
)
def test_a_duration_has_at_most_two_units_without_zero_parts(seconds: float, text: str) -> None:
    """Units that follow each other."""
    assert duration(seconds) == text


def test_a_time_of_today_has_no_date() -> None:
    """Any other has."""
    noon = datetime.now(UTC).replace(hour=12, minute=5, second=9, microsecond=0)
    assert clock_time(noon.timestamp()) == "12:05:09 UTC"
    assert clock_time(1_000_000.0) == "1970-01-12 13:46:40 UTC"


# -- processes -----------------------------------------------------------------------------------


def process(name: str, state: State) -> ProcessSummary:
    rejects = state is not State.CLOSED
    held = InProcess(epoch="c.0", own_state=state, rejects=rejects, totals={})
    return ProcessSummary(id="web1:1:a", host="web1", pid=1, at=0.0, breakers={name: held})


@pytest.mark.parametrize(
    ("processes", "reached", "text"),
    [
        (None, None, "this process only"),
        ([], Reach(rejecting=0, processes=0), "none seen lately"),
        ([process("x", State.CLOSED)], Reach(rejecting=0, processes=1), "passing in 1 process"),
        (
            [process("x", State.OPEN), process("x", State.HALF_OPEN), process("y", State.OPEN)],
            Reach(rejecting=2, processes=2),
            "rejecting in 2 of 2 processes",
        ),
    ],
)
def test_reach_says_in_how_many_processes_it_rejects(
    processes: Any, reached: Reach | None, text: str
) -> None:
    """Of those that use it: what others would do is not known."""
    assert reach("x", processes) == reached
    assert reach_words(reached) == text


def test_closed_and_yet_rejecting_somewhere_is_not_normal(clock: FakeClock) -> None:
    """A process stopped itself: the list must not call that normal."""
    snapshot = make(clock, "payments").snapshot()
    here = reach("payments", [process("payments", State.OPEN), process("payments", State.CLOSED)])
    held = standing(snapshot, here)
    assert (held.severity, held.key, held.word) == (1, "closed", "Closed")
    assert held.sentence == "rejecting in 1 of 2 processes"


def test_a_breaker_that_rejects_in_some_process_stands_before_the_normal_ones(
    clock: FakeClock,
) -> None:
    snapshots = [make(clock, name).snapshot() for name in ("a", "z")]
    assert [each.name for each in worst_first(snapshots, [process("z", State.OPEN)])] == ["z", "a"]


# -- tables and details --------------------------------------------------------------------------


def test_a_table_is_aligned_with_the_worst_first(clock: FakeClock) -> None:
    """Word for word."""
    snapshots = [make(clock, "calm").snapshot(), trip(make(clock, "payments")).snapshot()]
    assert [line.split() for line in table(snapshots, None).splitlines()] == [
        ["BREAKER", "STATE", "SINCE", "FAILURES", "PROCESSES", "WHY"],
        [
            "payments",
            "Open,",
            "calls",
            "rejected",
            "·",
            "next",
            "trial",
            "in",
            "3",
            "min",
            "20",
            "s",
            "1970-01-12",
            "13:46:40",
            "UTC",
            "2",
            "of",
            "2",
            "this",
            "process",
            "only",
            "2",
            "failures",
            "in",
            "a",
            "row",
            "(opens",
            "at",
            "2)",
            "·",
            "Down",
        ],
        ["calm", "Closed,", "calls", "pass", "-", "0", "of", "2", "this", "process", "only", "-"],
    ]


def test_every_column_of_a_table_begins_below_its_head(clock: FakeClock) -> None:
    """Whatever the lengths."""
    snapshots = [make(clock, "n" * 30).snapshot(), trip(make(clock, "p")).snapshot()]
    head, *rows = table(snapshots, []).splitlines()
    for title, cells in (("FAILURES", ("2 of 2", "0 of 2")), ("PROCESSES", ("none", "none"))):
        at = head.index(title)
        assert tuple(row[at:].startswith(cell) for row, cell in zip(rows, cells, strict=True)) == (
            True,
            True,
        )


def test_details_tell_all_that_is_known(clock: FakeClock) -> None:
    """Word for word."""
    breaker = trip(make(clock, "payments", owner="team-pay", runbook="wiki/pay"))
    breaker.force_open(by="al", reason="why")
    snapshot = breaker.snapshot()
    snapshot = replace(
        snapshot,
        transitions=tuple(replace(each, host="web1", process=7) for each in snapshot.transitions),
    )
    assert details(snapshot, [process("payments", State.OPEN)]).splitlines() == [
        "payments: Forced open, by al · all calls rejected · until ended by hand · would be open",
        "  why: forced open by al: why · Down",
        "  failures in a row: 2, opens at 2",
        "  processes: rejecting in 1 of 1 process",
        "  store: memory",
        "  as of: 1970-01-12 13:46:40 UTC",
        "  owner: team-pay",
        "  runbook: wiki/pay",
        "  history:",
        "    1970-01-12 13:46:40 UTC  closed → open  "
        "2 failures in a row (opens at 2) · Down · web1:7",
        "    1970-01-12 13:46:40 UTC  open → open  force open by al: why · web1:7",
    ]


def test_details_of_an_unused_breaker_say_that_nothing_has_happened(clock: FakeClock) -> None:
    """Instead of an empty history."""
    assert details(make(clock).snapshot(), None).splitlines()[-1] == "    nothing has happened yet"


# -- foreign text --------------------------------------------------------------------------------

ATTACK = "\x1b[31mred\x07\n\u202eevil\x9b\ud800"


def test_foreign_text_cannot_speak_to_the_terminal() -> None:
    """Escapes, bells, line ends, direction marks, lone surrogates: PITFALLS 51."""
    shown = plain(ATTACK)
    assert shown == "�[31mred���evil��"
    assert plain("ü · –") == "ü · –"


def test_no_field_of_a_table_or_details_lets_an_escape_through(clock: FakeClock) -> None:
    """Names of people, reasons, error texts, hosts, descriptions."""
    config = {"description": ATTACK, "owner": ATTACK, "runbook": ATTACK}
    breaker = make(clock, record_error_messages=True, **config)
    for _ in range(2):
        with pytest.raises(ValueError, match="evil"), breaker:
            raise ValueError(ATTACK)
    breaker.force_open(by=ATTACK, reason=ATTACK)
    snapshot = breaker.snapshot()
    hostile = tuple(
        replace(each, host=ATTACK, rule=each.rule if each.count else ATTACK)
        for each in snapshot.transitions
    )
    snapshot = replace(snapshot, transitions=hostile, last_error=ATTACK)
    for text in (details(snapshot, None), table([snapshot], None)):
        assert all(line.isprintable() for line in text.split("\n"))
        assert "\x1b" not in text


def test_a_line_of_the_history_names_host_and_process(clock: FakeClock) -> None:
    """Of a transition that somebody made."""
    [transition] = trip(make(clock)).snapshot().transitions
    line = history_line(replace(transition, host="web1", process=42))
    assert line.endswith("closed → open  2 failures in a row (opens at 2) · Down · web1:42")


# -- JSON ----------------------------------------------------------------------------------------


def test_json_has_the_same_fields_for_every_command_and_view(clock: FakeClock) -> None:
    """And only JSON values."""
    breaker = trip(make(clock, "payments"))
    breaker.force_open(by="al", reason="why", for_=60)
    mapping = as_mapping(breaker.snapshot(), [process("payments", State.OPEN)])
    assert json.loads(json.dumps(mapping)) == mapping
    assert mapping["override"] == {
        "kind": "forced_open",
        "at": clock.now(),
        "until": clock.now() + 60,
        "by": "al",
        "reason": "why",
    }
    assert (mapping["name"], mapping["state"], mapping["scope"], mapping["standing"]) == (
        "payments",
        "open",
        "fleet",
        "forced-open",
    )
    assert mapping["processes"] == {"rejecting": 1, "live": 1}
    assert mapping["totals"]["failures"] == 2
    assert [(each["from"], each["to"], each["why"]) for each in mapping["transitions"]] == [
        ("closed", "open", "2 failures in a row (opens at 2)"),
        ("open", "open", "force open by al: why"),
    ]


def test_json_of_several_is_ordered_and_safe_for_a_terminal(clock: FakeClock) -> None:
    """The worst first, and every foreign letter escaped."""
    bad = trip(make(clock, "z"))
    bad.force_open(reason=ATTACK.replace("\ud800", ""))
    text = as_json([make(clock, "a").snapshot(), bad.snapshot()], None)
    assert [each["name"] for each in json.loads(text)["breakers"]] == ["z", "a"]
    assert text.replace("\n", "").isprintable()
    assert json.loads(text)["breakers"][1]["processes"] is None
