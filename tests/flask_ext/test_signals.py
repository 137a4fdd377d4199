"""Breaker events as signals of the application."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from breaker_core import State, StateChanged, StoreChanged
from flask_breaker import (
    Breakers,
    breaker_operator_acted,
    breaker_process_state_changed,
    breaker_state_changed,
    breaker_store_changed,
    signals,
)
from tests.flask_ext.factories import make_app
from tests.flask_ext.helpers import open_up

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flask import Flask


class Receiver:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, dict[str, Any]]] = []

    def __call__(self, app: Any, **fields: Any) -> None:
        self.told.append((app, fields))


def _broken(app: Any, **fields: Any) -> None:
    raise ValueError("a broken receiver")


def test_a_change_of_state_is_sent_by_the_application(app: Flask, breakers: Breakers) -> None:
    receiver = Receiver()
    with breaker_state_changed.connected_to(receiver, sender=app):
        open_up(breakers["payments"])
    ((sender, fields),) = receiver.told
    assert sender is app
    assert isinstance(fields["event"], StateChanged)
    assert (fields["name"], fields["before"], fields["after"]) == (
        "payments",
        State.CLOSED,
        State.OPEN,
    )


def test_another_application_s_events_are_not_sent(breakers: Breakers) -> None:
    receiver = Receiver()
    with breaker_state_changed.connected_to(receiver, sender=make_app("other")):
        open_up(breakers["payments"])
    assert receiver.told == []


def test_an_operator_s_act_is_sent(app: Flask, breakers: Breakers) -> None:
    receiver = Receiver()
    with breaker_operator_acted.connected_to(receiver, sender=app):
        breakers["payments"].reset(by="alice", reason="repaired")
    ((_, fields),) = receiver.told
    assert (fields["act"], fields["by"], fields["reason"]) == ("reset", "alice", "repaired")


@pytest.mark.shared_breakers
def test_a_process_that_stops_itself_is_sent(
    sharing: Callable[..., Breakers], tmp_path: Path
) -> None:
    cache = f"sqlite:///{tmp_path}/breakers.db"
    sick, healthy, receiver = sharing(cache), sharing(cache), Receiver()
    with breaker_process_state_changed.connected_to(receiver):
        open_up(sick["payments"], 1)
        healthy["payments"].call(str)
        open_up(sick["payments"], 1)
    ((_, fields),) = receiver.told
    assert (fields["name"], fields["after"]) == ("payments", State.OPEN)


@pytest.mark.shared_breakers
def test_a_store_in_trouble_is_sent(sharing: Callable[..., Breakers], tmp_path: Path) -> None:
    folder = tmp_path / "not there"
    breakers, receiver = sharing(f"sqlite:///{folder}/breakers.db"), Receiver()
    with breaker_store_changed.connected_to(receiver):
        breakers["payments"].call(str)
    ((_, fields),) = receiver.told
    assert isinstance(fields["event"], StoreChanged)
    assert fields["reachable"] is False


def test_a_broken_receiver_hurts_nobody_and_the_others_are_told(
    breakers: Breakers, caplog: pytest.LogCaptureFixture
) -> None:
    receivers = [Receiver() for _ in range(3)]
    with (
        breaker_state_changed.connected_to(receivers[0]),
        breaker_state_changed.connected_to(_broken),
        breaker_state_changed.connected_to(receivers[1]),
        breaker_state_changed.connected_to(receivers[2]),
    ):
        open_up(breakers["payments"])
    assert [len(each.told) for each in receivers] == [1, 1, 1]
    (complaint,) = (each for each in caplog.records if each.levelno == logging.ERROR)
    assert "a receiver of the signal breaker-state-changed failed" in complaint.getMessage()


def test_an_async_receiver_is_told(app: Flask, breakers: Breakers) -> None:
    told = []

    async def receiver(sender: Any, **fields: Any) -> None:
        told.append(fields["name"])

    with breaker_state_changed.connected_to(receiver, sender=app):
        open_up(breakers["payments"])
    assert told == ["payments"]


def test_the_package_gives_out_every_signal() -> None:
    assert set(signals._SIGNALS.values()) == {
        breaker_state_changed,
        breaker_process_state_changed,
        breaker_operator_acted,
        breaker_store_changed,
    }
