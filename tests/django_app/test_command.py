"""``manage.py breakers``."""

from __future__ import annotations

import getpass
import json
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from breaker_core import State
from django_breaker import breaker, breakers
from django_breaker.management.commands.breakers import Command
from tests.django_app.helpers import trip

if TYPE_CHECKING:
    from pytest_django.fixtures import SettingsWrapper


def run(*words: str) -> str:
    """Return what the command prints."""
    out = StringIO()
    call_command("breakers", *words, stdout=out, stderr=StringIO())
    return out.getvalue()


def warned(*words: str) -> str:
    """Return what the command prints on stderr."""
    err = StringIO()
    call_command("breakers", *words, stdout=StringIO(), stderr=err)
    return err.getvalue()


def test_list_shows_all_breakers_the_worst_first() -> None:
    trip("search")
    lines = run("list").splitlines()
    assert [line.split()[0] for line in lines] == ["BREAKER", "search", "geo", "payments"]
    assert "Open, calls rejected" in lines[1]
    assert "2 failures in a row (opens at 2) · DownError" in lines[1]


def test_list_as_json_is_json() -> None:
    trip("search")
    shown = json.loads(run("list", "--json"))["breakers"]
    assert [(each["name"], each["state"]) for each in shown] == [
        ("search", "open"),
        ("geo", "closed"),
        ("payments", "closed"),
    ]


def test_show_tells_all_of_one_breaker() -> None:
    text = run("show", "payments")
    assert text.startswith("payments: Closed, calls pass")
    assert "description: card processor" in text
    assert "search" not in text


def test_show_as_json_holds_one_breaker() -> None:
    (shown,) = json.loads(run("show", "payments", "--json"))["breakers"]
    assert shown["name"] == "payments"


def test_reset_closes_the_named_breakers_and_no_others() -> None:
    for name in ("payments", "search", "geo"):
        trip(name)
    text = run("reset", "payments", "search")
    assert "geo" not in text
    assert [breakers[name].state for name in breakers] == [State.CLOSED, State.CLOSED, State.OPEN]


def test_reset_keeps_who_and_why() -> None:
    run("reset", "payments", "--reason", "provider is back")
    act = breakers["payments"].snapshot().transitions[-1]
    assert (act.rule, act.by, act.reason) == ("reset", getpass.getuser(), "provider is back")


def test_reset_as_json_shows_the_state_after_it() -> None:
    trip("payments")
    (shown,) = json.loads(run("reset", "payments", "--json"))["breakers"]
    assert shown["state"] == "closed"


@pytest.mark.parametrize("verb", ["show", "reset"])
def test_an_unknown_name_is_an_error_with_the_nearest(verb: str) -> None:
    with pytest.raises(CommandError) as caught:
        run(verb, "paymnets")
    assert str(caught.value) == (
        "no breaker 'paymnets' is configured in BREAKERS (did you mean 'payments'?)"
    )


def test_an_unknown_name_among_good_ones_resets_nothing() -> None:
    trip("payments")
    with pytest.raises(CommandError):
        run("reset", "payments", "paymnets")
    assert breakers["payments"].state is State.OPEN


@pytest.mark.usefixtures("store_away")
def test_a_reset_that_was_not_stored_is_an_error() -> None:
    with pytest.raises(CommandError, match=r"^not reset, nothing was changed: payments: "):
        run("reset", "payments")


@pytest.mark.usefixtures("store_away")
def test_list_still_shows_something_when_the_store_is_away() -> None:
    assert "payments" in run("list")
    assert "the breaker store is unreachable" in warned("list")


def test_wrong_settings_are_an_error_with_their_text(settings: SettingsWrapper) -> None:
    settings.BREAKERS = {"payments": {"open_timeout": -1}}
    with pytest.raises(CommandError, match=r"^BREAKERS\['payments'\]: open_timeout must be"):
        run("list")


def test_without_breakers_it_says_which_setting_to_write(settings: SettingsWrapper) -> None:
    settings.BREAKERS = {}
    assert run("list") == "No breakers are configured: write BREAKERS in the settings.\n"


def test_it_works_although_the_system_checks_find_errors() -> None:
    @breaker("paymnets")
    def charge() -> None: ...

    out = StringIO()
    Command(stdout=out).run_from_argv(["manage.py", "breakers", "list"])
    assert "payments" in out.getvalue()
    del charge


@pytest.mark.parametrize("words", [[], ["open", "payments"], ["show"], ["reset"]])
def test_wrong_usage_is_an_error(words: list[Any]) -> None:
    with pytest.raises(CommandError):
        run(*words)


def test_a_breaker_named_twice_is_reset_once() -> None:
    run("reset", "payments", "payments")
    assert len(breakers["payments"].snapshot().transitions) == 1


def test_nothing_is_warned_about_in_a_test() -> None:
    assert warned("list") == ""
