"""What listeners are told, and how: frozen values, and no listener can hurt the protected call."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from breaker_core.record import Override, State, Transition
from breaker_core.text import plain

logger = logging.getLogger("breaker")


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChanged:
    """The breaker's state changed for the whole fleet; told in the one process that changed it."""

    name: str
    before: State
    after: State
    transition: Transition


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessStateChanged:
    """A process stopped or resumed by itself; the fleet's state is as it was."""

    name: str
    before: State
    after: State
    transition: Transition


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorActed:
    """An operator's act was stored: the audit trail, whether or not the state changed."""

    name: str
    act: str
    """reset, try_now, force_open, force_closed or clear_override."""
    by: str
    reason: str
    before: State
    after: State
    ended: Override | None
    """The override that the act ended or replaced."""
    transition: Transition


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreChanged:
    """The shared store became unreachable for this process, or is back."""

    store: str
    reachable: bool
    error: str


BreakerEvent = StateChanged | ProcessStateChanged | OperatorActed | StoreChanged
Listener = Callable[[BreakerEvent], object]


class _Entry:
    """One addition of a listener, which need not be hashable."""

    __slots__ = ("complained", "listener")

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.complained = False


class Listeners:
    """Who wants to be told. A listener that raises is logged once and hurts nobody."""

    def __init__(self) -> None:
        self._entries: list[_Entry] = []

    def add(self, listener: Listener) -> Callable[[], None]:
        """Tell *listener* of every event from now on; call what is returned to stop that."""
        entry = _Entry(listener)
        self._entries.append(entry)

        def remove() -> None:
            with suppress(ValueError):
                self._entries.remove(entry)

        return remove

    def tell(self, event: BreakerEvent) -> None:
        """Tell everybody; never raises."""
        for entry in tuple(self._entries):
            try:
                entry.listener(event)
            except Exception:
                if not entry.complained:
                    entry.complained = True
                    logger.exception("a listener of breaker events failed: %r", entry.listener)


def log(event: BreakerEvent) -> None:
    """Write *event* to the logger ``breaker``: the listener that every registry begins with."""
    if isinstance(event, StoreChanged):
        _log_store(event)
    elif isinstance(event, OperatorActed):
        logger.warning(
            "circuit breaker %r: %s by %s: %s",
            event.name,
            event.act,
            plain(event.by) or "an operator",
            plain(event.reason) or "no reason given",
        )
    else:
        _log_state(event)


def _log_store(event: StoreChanged) -> None:
    if event.reachable:
        logger.info("breaker store %s is back; its state counts again", event.store)
    else:
        logger.warning(
            "breaker store %s is unreachable, this process goes on alone: %s",
            event.store,
            plain(event.error),
        )


def _log_state(event: StateChanged | ProcessStateChanged) -> None:
    scope = "in this process" if isinstance(event, ProcessStateChanged) else "for all processes"
    level = logging.WARNING if event.after is State.OPEN else logging.INFO
    transition = event.transition
    out_of = transition.calls if transition.limit is None else transition.limit  # a rate has none
    numbers = "" if transition.count is None else f" {transition.count} of {out_of}"
    error = f", last error {plain(transition.error)}" if transition.error else ""
    logger.log(
        level,
        "circuit breaker %r is %s %s (was %s; %s%s%s)",
        event.name,
        event.after.value,
        scope,
        event.before.value,
        transition.rule,
        numbers,
        error,
    )
