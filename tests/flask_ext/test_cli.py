"""``flask breakers``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from breaker_core import State
from flask_breaker import Breakers
from tests.flask_ext.factories import make_app
from tests.flask_ext.helpers import open_up
from tests.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result
    from flask import Flask

TWO = {"payments": {"failure_threshold": 2}, "search": {"failure_threshold": 3}}


@pytest.fixture
def app() -> Flask:
    return make_app(BREAKERS=TWO)


def run(app: Flask, *words: str) -> Result:
    """Run ``flask breakers`` with *words*."""
    return app.test_cli_runner().invoke(args=["breakers", *words])


def test_list_shows_all_the_worst_first(app: Flask, breakers: Breakers) -> None:
    open_up(breakers["search"], 3)
    result = run(app, "list")
    lines = result.output.splitlines()
    assert result.exit_code == 0
    assert [line.split()[0] for line in lines] == ["BREAKER", "search", "payments"]
    assert "Open, calls rejected" in lines[1]


def test_list_as_json_is_for_machines(app: Flask, breakers: Breakers) -> None:
    open_up(breakers["search"], 3)
    shown = json.loads(run(app, "list", "--json").output)["breakers"]
    assert [(each["name"], each["state"]) for each in shown] == [
        ("search", "open"),
        ("payments", "closed"),
    ]


def test_list_without_breakers_says_what_to_do() -> None:
    app = make_app(BREAKERS={})
    Breakers(app)
    result = run(app, "list")
    assert result.output == "No breakers are configured: write BREAKERS in app.config.\n"


def test_show_tells_all_of_one(app: Flask, breakers: Breakers) -> None:
    open_up(breakers["payments"])
    result = run(app, "show", "payments")
    assert result.exit_code == 0
    assert result.output.startswith("payments: Open, calls rejected")
    assert "2 failures in a row (opens at 2) · DownError" in result.output
    assert "search" not in result.output


def test_show_as_json_has_the_shape_of_the_list(app: Flask, breakers: Breakers) -> None:
    (shown,) = json.loads(run(app, "show", "search", "--json").output)["breakers"]
    assert (shown["name"], shown["failure_threshold"]) == ("search", 3)


def test_reset_closes_every_named_breaker(app: Flask, breakers: Breakers) -> None:
    open_up(breakers["payments"])
    open_up(breakers["search"], 3)
    result = run(app, "reset", "payments", "search", "--reason", "repaired")
    assert result.exit_code == 0
    assert {each.state for each in map(breakers.__getitem__, breakers)} == {State.CLOSED}
    assert result.output.count("Closed, calls pass") == 2


def test_reset_leaves_the_others_alone(app: Flask, breakers: Breakers) -> None:
    open_up(breakers["search"], 3)
    assert run(app, "reset", "payments").exit_code == 0
    assert breakers["search"].state is State.OPEN


def test_reset_keeps_who_and_why(
    app: Flask, breakers: Breakers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "alice")
    run(app, "reset", "payments", "--reason", "repaired")
    (act,) = breakers["payments"].snapshot().transitions
    assert (act.rule, act.by, act.reason) == ("reset", "alice", "repaired")


def test_a_name_given_twice_is_reset_once(app: Flask, breakers: Breakers) -> None:
    run(app, "reset", "payments", "payments")
    assert len(breakers["payments"].snapshot().transitions) == 1


def test_reset_as_json_shows_what_was_reset(app: Flask, breakers: Breakers) -> None:
    (shown,) = json.loads(run(app, "reset", "payments", "--json").output)["breakers"]
    assert (shown["name"], shown["transitions"][0]["rule"]) == ("payments", "reset")


@pytest.mark.parametrize("words", [["show", "paymets"], ["reset", "search", "paymets"]])
def test_an_unknown_name_is_answered_with_the_nearest_and_does_nothing(
    app: Flask, breakers: Breakers, words: list[str]
) -> None:
    result = run(app, *words)
    assert result.exit_code == 2
    assert result.output.splitlines()[-1] == (
        "Error: no breaker 'paymets' is configured in BREAKERS (did you mean 'payments'?)"
    )
    assert breakers["search"].snapshot().transitions == ()


def test_reset_wants_a_name(app: Flask, breakers: Breakers) -> None:
    assert run(app, "reset").exit_code == 2


@pytest.mark.shared_breakers
def test_reset_reaches_the_other_processes(
    sharing: Callable[..., Breakers], tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/breakers.db"
    options = {"payments": {"failure_threshold": 2, "refresh_interval": 0.05}}
    worker = sharing(url, BREAKERS=options)
    open_up(worker["payments"])
    command = make_app(BREAKER_CACHE=url)
    of_command = Breakers(command)
    assert run(command, "reset", "payments").exit_code == 0
    of_command.registry.close()
    wait_until(lambda: worker["payments"].state is State.CLOSED, "the worker obeys", 5)


@pytest.mark.shared_breakers
def test_reset_that_cannot_reach_the_others_says_so(app: Flask, breakers: Breakers) -> None:
    result = run(app, "reset", "payments")
    assert result.exit_code == 1
    assert result.output.splitlines()[-1] == (
        "Error: nothing was reset: each process has breakers of its own, which a command cannot "
        "reach. Set BREAKER_CACHE to a cache that all processes share"
    )


@pytest.mark.shared_breakers
def test_reset_that_was_not_stored_fails(tmp_path: Path) -> None:
    app = make_app(BREAKER_CACHE=f"sqlite:///{tmp_path}/not there/breakers.db")
    Breakers(app)
    result = run(app, "reset", "payments")
    assert result.exit_code == 1
    assert "Error: payments: not stored, table 'breaker_cache' of sqlite:///" in result.output
    assert "nothing was changed" in result.output


@pytest.mark.shared_breakers
def test_list_says_when_the_store_is_away(tmp_path: Path) -> None:
    app = make_app(BREAKER_CACHE=f"sqlite:///{tmp_path}/not there/breakers.db")
    Breakers(app)
    result = run(app, "list")
    assert result.exit_code == 0
    assert result.stderr == "the breaker store is unreachable: this is what was last seen\n"
    assert "Unknown, store unreachable, never seen by this process" in result.stdout


@pytest.mark.shared_breakers
def test_a_cache_that_turns_out_wrong_is_said_without_a_traceback() -> None:
    from flask_caching import Cache

    app = make_app(BREAKER_CACHE=Cache())
    Breakers(app)
    result = run(app, "list")
    assert (result.exit_code, result.output) == (
        1,
        "Error: BREAKER_CACHE: the Flask-Caching object was not set up for this application: "
        "call its init_app(app)\n",
    )


def test_an_application_without_breakers_has_no_such_command() -> None:
    from flask import Flask

    assert run(Flask("bare"), "list").exit_code == 2
