"""The record: everything a breaker knows, as one small value that processes can share.

This module says what a record holds and how it becomes text and comes back. It decides nothing
(that is ``decide``) and stores nothing (that is a store). Text from a store is foreign: whatever
does not have exactly the expected shape is refused with ``ValueError``.
"""

from __future__ import annotations

import json
import math
import secrets
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SCHEMA = 1
"""Number of the text format. It changes only with a major release."""

KEPT_CHANGES = 16
KEPT_TRANSITIONS = 20
DEEPEST = 32
"""Levels of nesting that fields of a newer release may have."""
FARTHEST = 6e10
"""Seconds from 1970 either way: farther times are garbage, and no calendar can show them."""
TEXT_LIMIT = 300
"""Characters of foreign text (reasons, error texts, names of people) that a record keeps."""


class State(StrEnum):
    """What the machine does with calls."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class OverrideKind(StrEnum):
    """What an operator put in force beside the machine."""

    FORCED_OPEN = "forced_open"
    FORCED_CLOSED = "forced_closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """An operator's word that stands above the machine until it ends."""

    kind: OverrideKind
    at: float
    until: float | None = None
    """When it ends by itself, in the store's seconds; None: only by hand."""
    by: str = ""
    reason: str = ""

    def in_force(self, now: float) -> bool:
        return self.until is None or now < self.until


@dataclass(frozen=True, slots=True)
class Trial:
    """A permit for one call in half-open. It is given back by that call or at its deadline."""

    id: str
    deadline: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One change of the state, or one act of an operator, with the numbers that decided it."""

    at: float
    before: State
    after: State
    rule: str
    """streak, failure_rate, slow_call_rate, timeout, trial_failed, trial_slow, trials_succeeded,
    or the operator's act."""
    count: int | None = None
    """What was counted: failures, slow calls or successful trials."""
    limit: int | None = None
    calls: int | None = None
    """For a rate: of how many calls in the window."""
    rate: float | None = None
    """For a rate: the share that opens."""
    error: str = ""
    host: str = ""
    process: int = 0
    by: str = ""
    reason: str = ""

    @property
    def by_operator(self) -> bool:
        return self.rule in OPERATOR_RULES


OPERATOR_RULES = frozenset({"reset", "try_now", "force_open", "force_closed", "clear_override"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """All that is known of one breaker. Times are seconds of the store's clock.

    ``chain`` is a random id of this line of records and ``number`` counts its changes; together
    they name an *epoch*, so that an outcome from before a flush matches nothing by accident.
    """

    chain: str
    number: int = 0
    epoch: str = ""
    epoch_at: float = 0.0
    changes: tuple[str, ...] = ()
    """Ids of the last changes, so that a writer can find out whether its own was stored."""
    name: str = ""
    state: State = State.CLOSED
    streak: int = 0
    streak_since: float | None = None
    rounds: int = 0
    """Failed half-open rounds since it was last closed; drives the back-off."""
    opened_at: float | None = None
    open_until: float | None = None
    """End of the last open time as its opener decided it; None while closed."""
    successes: int = 0
    """Successful trials of this half-open epoch."""
    trials: tuple[Trial, ...] = ()
    override: Override | None = None
    last_error: str = ""
    last_error_at: float | None = None
    transitions: tuple[Transition, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """Fields of a newer minor release: carried over unchanged."""

    def in_force(self, now: float) -> Override | None:
        """The override that holds at *now*, if any."""
        if self.override is None or not self.override.in_force(now):
            return None
        return self.override

    def last_transition(self) -> Transition | None:
        """The last change of the state, operators' acts that changed none left out."""
        for transition in reversed(self.transitions):
            if transition.before is not transition.after:
                return transition
        return None


def new_id() -> str:
    """Return a random id: of a chain, a change or a trial."""
    return secrets.token_hex(6)


def start(name: str, now: float, *, chain: str | None = None) -> Record:
    """Return the first record of a new chain: closed, nothing counted."""
    chain = chain or new_id()
    return Record(chain=chain, number=0, epoch=f"{chain}.0", epoch_at=now, name=name)


def restart(record: Record, *, chain: str | None = None) -> Record:
    """Return *record* as the start of a new chain, for a key that was lost.

    The epoch keeps its old name: calls that it admitted are still its own.
    """
    return replace(record, chain=chain or new_id(), number=0, changes=())


def stamped(record: Record, change: str) -> Record:
    """Return *record* with the id of the change that made it."""
    return replace(record, changes=(*record.changes, change)[-KEPT_CHANGES:])


def clip(text: str, limit: int = TEXT_LIMIT) -> str:
    """Return foreign *text* as something that every store can keep: clipped, valid UTF-8."""
    head = text[:limit].encode("utf-8", "replace").decode("utf-8")
    return head if len(text) <= limit else head[:-1] + "…"


def to_text(record: Record) -> str:
    """Return the JSON text of *record*."""
    fields: dict[str, Any] = dict(record.extra)
    fields["schema"] = SCHEMA
    for name in _PLAIN_FIELDS:
        fields[name] = getattr(record, name)
    fields["state"] = record.state.value
    fields["changes"] = list(record.changes)
    fields["trials"] = [[trial.id, trial.deadline] for trial in record.trials]
    fields["override"] = record.override and _override_fields(record.override)
    fields["transitions"] = [_transition_fields(each) for each in record.transitions]
    return json.dumps(fields, separators=(",", ":"), allow_nan=False)


class NewerSchemaError(ValueError):
    """The text was written by a later major release: it may be read by that one only."""


def from_text(text: str) -> Record:
    """Return the record of *text*; raise ValueError when it is not one of ours."""
    fields = _json_object(text)
    schema = fields.pop("schema", None)
    if type(schema) is not int:
        raise ValueError("no schema number")
    if schema > SCHEMA:
        raise NewerSchemaError(f"schema {schema} is newer than {SCHEMA}")
    if schema < SCHEMA:
        raise ValueError(f"there never was a schema {schema}")
    values = {name: _checked(name, fields.pop(name, None)) for name in _CHECKS}
    _refuse_deep(fields)
    return Record(**values, extra=MappingProxyType(fields))


def _json_object(text: str) -> dict[str, Any]:
    try:
        fields = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from None
    if not isinstance(fields, dict):
        raise ValueError("not a JSON object")
    return fields


def _refuse_constant(text: str) -> float:
    raise ValueError(f"{text} is not a number")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse_constant(text)


def _refuse_deep(fields: dict[str, Any]) -> None:
    """Refuse what we carry over unread if it is nested so deep that writing it could fail."""
    level: list[Any] = [fields]
    for _ in range(DEEPEST):
        inner = [each.values() if isinstance(each, dict) else each for each in level]
        level = [each for several in inner for each in several if isinstance(each, dict | list)]
        if not level:
            return
    raise ValueError(f"nested more than {DEEPEST} levels deep")


def _checked(name: str, value: Any) -> Any:
    try:
        return _CHECKS[name](value)
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        raise ValueError(f"{name}: {error}") from None


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 4 * TEXT_LIMIT:
        raise ValueError("not a short text")
    value.encode("utf-8")  # a lone surrogate is a ValueError too: no page could show it
    return value


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**53:
        raise ValueError("not a count")
    return value


def _time(value: Any) -> float:
    if type(value) not in (int, float) or not -FARTHEST <= value <= FARTHEST:
        raise ValueError("not a time")
    return float(value)


def _optional_count(value: Any) -> int | None:
    return None if value is None else _count(value)


def _optional_share(value: Any) -> float | None:
    if value is None:
        return None
    if type(value) not in (int, float) or not 0 < value <= 1:
        raise ValueError("not a share")
    return float(value)


def _optional_time(value: Any) -> float | None:
    return None if value is None else _time(value)


def _list(value: Any, limit: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > limit:
        raise ValueError("not a short list")
    return value


def _changes(value: Any) -> tuple[str, ...]:
    return tuple(map(_text, _list(value, KEPT_CHANGES)))


def _trials(value: Any) -> tuple[Trial, ...]:
    return tuple(Trial(_text(id_), _time(deadline)) for id_, deadline in _list(value, 10_000))


def _override(value: Any) -> Override | None:
    if value is None:
        return None
    return Override(
        kind=OverrideKind(value["kind"]),
        at=_time(value["at"]),
        until=_optional_time(value["until"]),
        by=_text(value["by"]),
        reason=_text(value["reason"]),
    )


def _transitions(value: Any) -> tuple[Transition, ...]:
    return tuple(map(_transition, _list(value, KEPT_TRANSITIONS)))


def _transition(value: Any) -> Transition:
    return Transition(
        at=_time(value["at"]),
        before=State(value["from"]),
        after=State(value["to"]),
        rule=_text(value["rule"]),
        count=_optional_count(value.get("count")),
        limit=_optional_count(value.get("limit")),
        calls=_optional_count(value.get("calls")),
        rate=_optional_share(value.get("rate")),
        error=_text(value.get("error", "")),
        host=_text(value.get("host", "")),
        process=_count(value.get("process", 0)),
        by=_text(value.get("by", "")),
        reason=_text(value.get("reason", "")),
    )


def _override_fields(override: Override) -> dict[str, Any]:
    return {
        "kind": override.kind.value,
        "at": override.at,
        "until": override.until,
        "by": override.by,
        "reason": override.reason,
    }


def _transition_fields(transition: Transition) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "at": transition.at,
        "from": transition.before.value,
        "to": transition.after.value,
        "rule": transition.rule,
        "count": transition.count,
        "limit": transition.limit,
        "calls": transition.calls,
        "rate": transition.rate,
        "error": transition.error,
        "host": transition.host,
        "process": transition.process,
        "by": transition.by,
        "reason": transition.reason,
    }
    return {name: value for name, value in fields.items() if value not in (None, "")}


_CHECKS: dict[str, Any] = {
    "chain": _text,
    "number": _count,
    "epoch": _text,
    "epoch_at": _time,
    "changes": _changes,
    "name": _text,
    "state": State,
    "streak": _count,
    "streak_since": _optional_time,
    "rounds": _count,
    "opened_at": _optional_time,
    "open_until": _optional_time,
    "successes": _count,
    "trials": _trials,
    "override": _override,
    "last_error": _text,
    "last_error_at": _optional_time,
    "transitions": _transitions,
}
_PLAIN_FIELDS = tuple(
    name
    for name in _CHECKS
    if name not in {"changes", "state", "trials", "override", "transitions"}
)


def permits_left(trials: Iterable[Trial], now: float) -> tuple[Trial, ...]:
    """Return the trials whose deadline has not passed; the others are lost."""
    return tuple(trial for trial in trials if now < trial.deadline)
