"""The signals that breakers send."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from breaker_core import BreakerRegistry, OperatorActed, State, StateChanged, StoreChanged
from django_breaker import breakers, signals
from tests.django_app.helpers import trip

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest


@contextmanager
def received(signal: Any) -> Iterator[list[dict[str, Any]]]:
    """Collect what *signal* sends in the block."""
    seen: list[dict[str, Any]] = []

    def receiver(**kwargs: Any) -> None:
        seen.append(kwargs)

    signal.connect(receiver)
    yield seen
    signal.disconnect(receiver)


def test_opening_sends_state_changed() -> None:
    with received(signals.state_changed) as seen:
        trip("payments")
    (sent,) = seen
    assert sent["sender"] is BreakerRegistry
    assert (sent["name"], sent["before"], sent["after"]) == ("payments", State.CLOSED, State.OPEN)
    assert sent["transition"].count == 3
    assert isinstance(sent["event"], StateChanged)


def test_a_reset_sends_operator_acted() -> None:
    with received(signals.operator_acted) as seen:
        breakers["payments"].reset(by="alice", reason="mended")
    (sent,) = seen
    assert (sent["act"], sent["by"], sent["reason"]) == ("reset", "alice", "mended")
    assert sent["ended"] is None
    assert isinstance(sent["event"], OperatorActed)


def test_trouble_with_the_store_sends_store_changed() -> None:
    event = StoreChanged(store="table", reachable=False, error="away")
    with received(signals.store_changed) as seen:
        signals.send(event)
    (sent,) = seen
    assert (sent["store"], sent["reachable"], sent["error"]) == ("table", False, "away")


def test_a_receiver_that_raises_keeps_no_other_from_hearing() -> None:
    def receiver(**kwargs: Any) -> None:
        raise RuntimeError("a broken receiver")

    signals.state_changed.connect(receiver)
    try:
        with received(signals.state_changed) as seen:
            trip("payments")
    finally:
        signals.state_changed.disconnect(receiver)
    assert len(seen) == 1


def test_a_receiver_that_raises_hurts_no_call(caplog: pytest.LogCaptureFixture) -> None:
    def receiver(**kwargs: Any) -> None:
        raise RuntimeError("a broken receiver")

    signals.state_changed.connect(receiver)
    try:
        assert trip("payments").state is State.OPEN
    finally:
        signals.state_changed.disconnect(receiver)
    assert "a broken receiver" in caplog.text
