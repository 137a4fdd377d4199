"""Signals about breakers: a bridge from the core's events, one signal for each.

Every signal is sent with ``send_robust`` by ``breaker_core.BreakerRegistry``, in the process where
it happened, and right after it happened: a receiver that raises is logged and hurts no call, but a
slow one delays the call that caused the event. Receivers take ``**kwargs``; they get

    state_changed           name, before, after, transition
    process_state_changed   name, before, after, transition
    operator_acted          name, act, by, reason, before, after, ended, transition
    store_changed           store, reachable, error

and ``event``, the frozen value of ``breaker_core`` that holds the same.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Final

from django.dispatch import Signal

from breaker_core import (
    BreakerEvent,
    BreakerRegistry,
    OperatorActed,
    ProcessStateChanged,
    StateChanged,
    StoreChanged,
)

state_changed: Final = Signal()
"""A breaker changed its state for all processes; sent in the one process that changed it."""

process_state_changed: Final = Signal()
"""This process alone stopped or went on; the state of the fleet is as it was."""

operator_acted: Final = Signal()
"""An operator's reset or other act was stored, whether or not the state changed by it."""

store_changed: Final = Signal()
"""The shared store became unreachable for this process, or is back."""

_SIGNALS: Final[dict[type[BreakerEvent], Signal]] = {
    StateChanged: state_changed,
    ProcessStateChanged: process_state_changed,
    OperatorActed: operator_acted,
    StoreChanged: store_changed,
}


def send(event: BreakerEvent) -> None:
    """Send the signal of *event*."""
    values = {each.name: getattr(event, each.name) for each in fields(event)}
    _SIGNALS[type(event)].send_robust(BreakerRegistry, event=event, **values)
