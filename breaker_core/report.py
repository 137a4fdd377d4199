"""How breakers are put into words, for every page, command and log alike.

``standing`` is the one function that says how a breaker stands; lists, badges, counts and
commands use it, so that none of them can disagree. ``table``, ``details`` and ``as_json`` are the
renderers of ``manage.py breakers`` and ``flask breakers``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from breaker_core.decide import why_of
from breaker_core.record import OverrideKind, State, Transition
from breaker_core.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from breaker_core.snapshot import Snapshot
    from breaker_core.summary import ProcessSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a breaker stands: sort by ``severity``, style by ``key``, show ``word: sentence``."""

    severity: int
    """0 is normal; the more, the worse."""
    key: str
    """closed, half-open, open, forced-open, forced-closed or unknown."""
    word: str
    sentence: str
    """The effect and what comes next, without the word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """In how many live processes a breaker rejects."""

    rejecting: int
    processes: int


def standing(snapshot: Snapshot, reached: Reach | None = None) -> Standing:
    """Return how *snapshot*'s breaker stands, in words.

    *reached* says in how many processes it rejects: one that is closed and yet rejects somewhere
    is not normal, whichever process draws the page.
    """
    override = snapshot.override
    if override is not None:
        if override.kind is OverrideKind.FORCED_OPEN:
            return _forced(snapshot, 5, "forced-open", "Forced open", "all calls rejected")
        return _forced(snapshot, 2, "forced-closed", "Forced closed", "all calls pass")
    if snapshot.store == "unreachable" and snapshot.state is State.CLOSED:
        return Standing(
            severity=3,
            key="unknown",
            word="Unknown",
            sentence="store unreachable, "
            + ("last seen closed" if snapshot.seen else "never seen by this process"),
        )
    if reached is not None and reached.rejecting and snapshot.fleet_state is State.CLOSED:
        return Standing(severity=1, key="closed", word="Closed", sentence=reach_words(reached))
    return _by_machine(snapshot)


def _by_machine(snapshot: Snapshot) -> Standing:
    where = " in this process" if snapshot.scope == "process" else ""
    if snapshot.state is State.OPEN:
        effect = "calls would be rejected (shadow)" if snapshot.config.shadow else "calls rejected"
        return Standing(
            severity=1 if snapshot.config.shadow else 6,
            key="open",
            word="Open",
            sentence=f"{effect}{where} · {next_step(snapshot)}",
        )
    if snapshot.state is State.HALF_OPEN:
        return Standing(
            severity=1 if snapshot.config.shadow else 4,
            key="half-open",
            word="Half-open",
            sentence=f"trying {_most_trials(snapshot)} at a time{where} · {next_step(snapshot)}",
        )
    return Standing(severity=0, key="closed", word="Closed", sentence="calls pass")


def _forced(snapshot: Snapshot, severity: int, key: str, word: str, effect: str) -> Standing:
    override = snapshot.override
    assert override is not None
    parts = [f"by {override.by}" if override.by else "by an operator", effect]
    if override.until is None:
        parts.append("until ended by hand")
    else:
        parts.append(f"for another {duration(override.until - snapshot.as_of)}")
    parts.append(f"would be {snapshot.state.value.replace('_', '-')}")
    return Standing(severity=severity, key=key, word=word, sentence=" · ".join(parts))


def next_step(snapshot: Snapshot) -> str:
    """Return what comes next for a breaker that is not closed."""
    if snapshot.override is not None:
        return "nothing before the override ends"
    if snapshot.state is State.HALF_OPEN and snapshot.trials:
        return f"trial running ({snapshot.trials} of {_most_trials(snapshot)})"
    wait = snapshot.retry_after
    if wait is None and snapshot.next_trial_at is not None:  # shadow mode: no call has to wait
        wait = snapshot.next_trial_at - snapshot.as_of
    if wait:
        return f"next trial in {duration(wait)}"
    return "trial due, waiting for a call"


def _most_trials(snapshot: Snapshot) -> int:
    """Return how many trials may run; a process that stopped itself makes one at a time."""
    return 1 if snapshot.scope == "process" else snapshot.config.half_open_max_calls


def why(snapshot: Snapshot) -> str:
    """Return why a breaker is not closed: the deciding numbers and the last error's class."""
    parts = [part for part in (snapshot.reason, snapshot.last_error) if part]
    return " · ".join(parts) if snapshot.reason else ""


def reach(name: str, processes: Sequence[ProcessSummary] | None) -> Reach | None:
    """Return in how many of the *processes* that use breaker *name* it rejects.

    None when nobody can tell.
    """
    if processes is None:
        return None
    using = [each.breakers[name] for each in processes if name in each.breakers]
    return Reach(rejecting=sum(each.rejects for each in using), processes=len(using))


def duration(seconds: float) -> str:
    """Return *seconds* in at most two units without zero parts: ``3 min 12 s``."""
    if seconds < 1:
        return "< 1 s"
    left = round(seconds)
    parts = []
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
        elif parts:
            break
    return " ".join(parts[:2])


def clock_time(at: float) -> str:
    """Return *at* (seconds since 1970) as ``14:32:05 UTC``, with the date if it is not today."""
    when = datetime.fromtimestamp(at, UTC)
    today = datetime.now(UTC).date()
    shape = "%H:%M:%S UTC" if when.date() == today else "%Y-%m-%d %H:%M:%S UTC"
    return when.strftime(shape)


def worst_first(
    snapshots: Iterable[Snapshot], processes: Sequence[ProcessSummary] | None = None
) -> list[Snapshot]:
    """Return *snapshots* by severity, then by name."""

    def order(snapshot: Snapshot) -> tuple[int, str]:
        held = standing(snapshot, reach(snapshot.name, processes))
        return -held.severity, snapshot.name

    return sorted(snapshots, key=order)


def table(snapshots: Iterable[Snapshot], processes: Sequence[ProcessSummary] | None) -> str:
    """Return the list of breakers as aligned text, the worst first."""
    rows = [("BREAKER", "STATE", "SINCE", "FAILURES", "PROCESSES", "WHY")]
    for snapshot in worst_first(snapshots, processes):
        reached = reach(snapshot.name, processes)
        held = standing(snapshot, reached)
        since = "-" if snapshot.opened_at is None else clock_time(snapshot.opened_at)
        rows.append(
            (
                plain(snapshot.name),
                plain(f"{held.word}, {held.sentence}"),
                since,
                f"{snapshot.consecutive_failures} of {snapshot.config.failure_threshold}",
                reach_words(reached),
                plain(why(snapshot)) or "-",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def reach_words(reached: Reach | None) -> str:
    """Return *reached* as ``rejecting in 7 of 12 processes``."""
    if reached is None:
        return "this process only"
    if not reached.processes:
        return "none seen lately"
    noun = "process" if reached.processes == 1 else "processes"
    if not reached.rejecting:
        return f"passing in {reached.processes} {noun}"
    return f"rejecting in {reached.rejecting} of {reached.processes} {noun}"


def details(snapshot: Snapshot, processes: Sequence[ProcessSummary] | None) -> str:
    """Return all that is known of one breaker as text."""
    reached = reach(snapshot.name, processes)
    held = standing(snapshot, reached)
    lines = [
        f"{plain(snapshot.name)}: {held.word}, {plain(held.sentence)}",
        *([f"  why: {plain(why(snapshot))}"] if why(snapshot) else []),
        f"  failures in a row: {snapshot.consecutive_failures}, "
        f"opens at {snapshot.config.failure_threshold}",
        f"  processes: {reach_words(reached)}",
        f"  store: {snapshot.store}",
        f"  as of: {clock_time(snapshot.as_of) if snapshot.seen else 'never seen'}",
        *(f"  {label}: {plain(text)}" for label, text in _about(snapshot) if text),
        "  history:",
        *(f"    {history_line(each)}" for each in snapshot.transitions),
    ]
    if not snapshot.transitions:
        lines.append("    nothing has happened yet")
    return "\n".join(lines)


def _about(snapshot: Snapshot) -> list[tuple[str, str]]:
    config = snapshot.config
    return [
        ("description", config.description),
        ("owner", config.owner),
        ("runbook", config.runbook),
    ]


def history_line(transition: Transition) -> str:
    """Return one transition or act as a line of text."""
    change = f"{transition.before.value} → {transition.after.value}"
    error = f" · {plain(transition.error)}" if transition.error else ""
    where = f" · {plain(transition.host)}:{transition.process}" if transition.host else ""
    return f"{clock_time(transition.at)}  {change}  {plain(why_of(transition))}{error}{where}"


def as_mapping(snapshot: Snapshot, processes: Sequence[ProcessSummary] | None) -> dict[str, Any]:
    """Return *snapshot* as a mapping of JSON values, the same for every command and view."""
    reached = reach(snapshot.name, processes)
    held = standing(snapshot, reached)
    override = snapshot.override
    return {
        "name": snapshot.name,
        "state": snapshot.state.value,
        "scope": snapshot.scope,
        "standing": held.key,
        "sentence": f"{held.word}, {held.sentence}",
        "override": None
        if override is None
        else {
            "kind": override.kind.value,
            "at": override.at,
            "until": override.until,
            "by": override.by,
            "reason": override.reason,
        },
        "consecutive_failures": snapshot.consecutive_failures,
        "failure_threshold": snapshot.config.failure_threshold,
        "opened_at": snapshot.opened_at,
        "retry_after": snapshot.retry_after,
        "reason": snapshot.reason,
        "last_error": snapshot.last_error,
        "store": snapshot.store,
        "as_of": snapshot.as_of,
        "totals": dict(snapshot.totals),
        "processes": None
        if reached is None
        else {"rejecting": reached.rejecting, "live": reached.processes},
        "transitions": [_transition_mapping(each) for each in snapshot.transitions],
    }


def _transition_mapping(transition: Transition) -> Mapping[str, Any]:
    return {
        "at": transition.at,
        "from": transition.before.value,
        "to": transition.after.value,
        "rule": transition.rule,
        "why": why_of(transition),
        "error": transition.error,
        "host": transition.host,
        "process": transition.process,
        "by": transition.by,
        "reason": transition.reason,
    }


def as_json(snapshots: Iterable[Snapshot], processes: Sequence[ProcessSummary] | None) -> str:
    """Return the breakers as JSON text, the worst first."""
    rows = [as_mapping(each, processes) for each in worst_first(snapshots, processes)]
    return json.dumps({"breakers": rows}, indent=2)
