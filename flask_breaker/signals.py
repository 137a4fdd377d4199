"""Breaker events as signals. The sender is the application object.

A receiver is called in the process where the event happened, with the event's fields as keyword
arguments, and ``event``, the frozen value of ``breaker_core`` that holds the same. Take ``**extra``
as well, later versions may add some. A receiver that raises is logged and hurts neither the
protected call nor the other receivers; a slow one delays the call that caused the event.
"""

from __future__ import annotations

import logging
from dataclasses import fields
from typing import TYPE_CHECKING

from blinker import Namespace

from breaker_core import (
    BreakerEvent,
    OperatorActed,
    ProcessStateChanged,
    StateChanged,
    StoreChanged,
)

if TYPE_CHECKING:
    from flask import Flask

logger = logging.getLogger("breaker")

_signals = Namespace()

#: The state changed for all processes; sent in the one that changed it.
#: Arguments: name, before, after, transition.
breaker_state_changed = _signals.signal("breaker-state-changed")

#: This process alone stopped or resumed calling.
#: Arguments: name, before, after, transition.
breaker_process_state_changed = _signals.signal("breaker-process-state-changed")

#: An operator's act was stored.
#: Arguments: name, act, by, reason, before, after, ended, transition.
breaker_operator_acted = _signals.signal("breaker-operator-acted")

#: The shared store became unreachable for this process, or is back.
#: Arguments: store, reachable, error.
breaker_store_changed = _signals.signal("breaker-store-changed")

_SIGNALS = {
    StateChanged: breaker_state_changed,
    ProcessStateChanged: breaker_process_state_changed,
    OperatorActed: breaker_operator_acted,
    StoreChanged: breaker_store_changed,
}


def announce(app: Flask, event: BreakerEvent) -> None:
    """Send *event* to everybody who listens to *app*; never raises."""
    signal = _SIGNALS[type(event)]
    told = {field.name: getattr(event, field.name) for field in fields(event)}
    for receiver in signal.receivers_for(app):
        try:
            app.ensure_sync(receiver)(app, event=event, **told)
        except Exception:
            logger.exception("a receiver of the signal %s failed: %r", signal.name, receiver)
