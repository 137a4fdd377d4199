"""From changes of a record to what listeners are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from breaker_core.decide import Act, Event
from breaker_core.events import (
    BreakerEvent,
    OperatorActed,
    ProcessStateChanged,
    StateChanged,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from breaker_core.record import Record, Transition


def tell_of(before: Record, event: Event, transition: Transition) -> Iterator[BreakerEvent]:
    """Yield what *transition*, made by *event* on the fleet's record *before*, is told as."""
    if isinstance(event, Act):
        yield OperatorActed(
            name=before.name,
            act=transition.rule,
            by=transition.by,
            reason=transition.reason,
            before=transition.before,
            after=transition.after,
            ended=before.in_force(transition.at),
            transition=transition,
        )
    if transition.before is not transition.after:
        yield StateChanged(
            name=before.name,
            before=transition.before,
            after=transition.after,
            transition=transition,
        )


def tell_of_own(name: str, transition: Transition) -> ProcessStateChanged:
    """Return what a change of a process's own record is told as."""
    return ProcessStateChanged(
        name=name, before=transition.before, after=transition.after, transition=transition
    )
