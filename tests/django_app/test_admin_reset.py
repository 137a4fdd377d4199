"""Resetting from the admin: row, detail page and bulk, by one confirmation page."""

from __future__ import annotations

import html
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.messages import get_messages
from django.test import Client

from breaker_core import BreakerRegistry, State
from django_breaker import admin_reset, breakers
from django_breaker.conf import load
from tests.django_app.helpers import fail, trip
from tests.django_app.people import LIST, client_of, page_of

if TYPE_CHECKING:
    from pytest_django.fixtures import SettingsWrapper

    from tests.django_app.conftest import RedisOfTest

pytestmark = pytest.mark.django_db

ROW: tuple[str, dict[str, Any]] = (LIST, {"_reset": "payments"})
DETAIL: tuple[str, dict[str, Any]] = (f"{LIST}payments/change/", {"_reset": "payments"})
BULK: tuple[str, dict[str, Any]] = (
    LIST,
    {"action": "reset_selected", "_selected_action": ["payments", "search"]},
)
WAYS = {"row": ROW, "detail": DETAIL, "bulk": BULK}
way = pytest.mark.parametrize("way", WAYS)


def fields_of(page: Any, **others: str) -> dict[str, Any]:
    """Return what the confirmation *page* sends when its button is pressed."""
    text = page.content.decode()
    found: dict[str, Any] = {"_confirm": "Reset"}
    for name in ("_reset", "_drawn"):
        values = re.findall(rf'type="hidden" name="{name}" value="([^"]*)"', text)
        found[name] = [html.unescape(each) for each in values]
    return {**found, **others}


def ask(client: Client, way: str) -> Any:
    """Press the first button; return the confirmation page."""
    address, fields = WAYS[way]
    return client.post(address, fields)


def confirm(client: Client, way: str, **others: str) -> Any:
    """Go all the way through; return the last response."""
    return client.post(WAYS[way][0], fields_of(ask(client, way), **others))


def said(response: Any) -> list[str]:
    """Return the messages to the user."""
    return [str(each) for each in get_messages(response.wsgi_request)]


# -- the way through -------------------------------------------------------------------------


@way
def test_the_first_step_changes_nothing_and_asks(way: str) -> None:
    trip("payments")
    page = ask(client_of(superuser=True), way)
    assert page.status_code == 200
    assert "Reset th" in page.content.decode()
    assert breakers["payments"].state is State.OPEN
    assert not LogEntry.objects.exists()


@way
def test_the_second_step_resets_and_leads_back(way: str) -> None:
    trip("payments")
    response = confirm(client_of(superuser=True), way)
    assert (response.status_code, response["Location"]) == (302, WAYS[way][0])
    assert breakers["payments"].state is State.CLOSED


@way
def test_only_the_chosen_breakers_are_reset(way: str) -> None:
    for name in breakers:
        trip(name)
    confirm(client_of(superuser=True), way)
    still_open = [name for name in breakers if breakers[name].state is State.OPEN]
    assert still_open == (["geo"] if way == "bulk" else ["search", "geo"])


@way
def test_the_message_says_old_and_new_state(way: str) -> None:
    trip("payments")
    response = confirm(client_of(superuser=True), way)
    assert said(response)[0] == (
        "<strong>payments</strong>: Open → Closed (3 failures in a row cleared)"
    )


@way
def test_the_log_of_the_admin_keeps_who_what_and_why(way: str) -> None:
    trip("payments")
    confirm(client_of(superuser=True), way, reason=" provider is back ")
    entry = LogEntry.objects.get(object_id="payments")
    assert entry.user.get_username() == "root"
    assert entry.action_flag == CHANGE
    assert entry.change_message == (
        "Reset: Open → Closed (3 failures in a row cleared). Reason: provider is back"
    )
    assert entry.get_admin_url() == "/admin/django_breaker/breaker/payments/change/"


@way
def test_the_history_of_the_breaker_keeps_who_and_why(way: str) -> None:
    confirm(client_of(superuser=True), way, reason="provider is back")
    act = breakers["payments"].snapshot().transitions[-1]
    assert (act.rule, act.by, act.reason) == ("reset", "root", "provider is back")


def test_a_reset_of_a_closed_breaker_is_logged_too() -> None:
    confirm(client_of(superuser=True), "row")
    assert LogEntry.objects.get().change_message == "Reset: Closed → Closed."


def test_a_reset_ends_an_override_and_says_whose() -> None:
    breakers["payments"].force_open(by="bob", reason="drill")
    client = client_of(superuser=True)
    assert "It ends the override by bob: drill" in ask(client, "row").content.decode()
    response = confirm(client, "row")
    assert said(response) == [
        "<strong>payments</strong>: Forced open → Closed (override by bob ended)"
    ]
    assert breakers["payments"].snapshot().override is None


def test_bulk_makes_an_entry_for_each() -> None:
    confirm(client_of(superuser=True), "bulk", reason="x")
    assert set(LogEntry.objects.values_list("object_id", flat=True)) == {"payments", "search"}


def test_select_all_across_pages_takes_all() -> None:
    page = client_of(superuser=True).post(
        LIST,
        {"action": "reset_selected", "select_across": "1", "_selected_action": ["geo"]},
    )
    assert sorted(json.loads(fields_of(page)["_drawn"][0])) == ["geo", "payments", "search"]


# -- the confirmation page -------------------------------------------------------------------


def test_the_page_says_breaker_environment_state_and_effect(settings: SettingsWrapper) -> None:
    settings.BREAKER_ENVIRONMENT = "staging"
    trip("payments")
    text = ask(client_of(superuser=True), "row").content.decode()
    assert "<h1>Reset this breaker?</h1>" in text
    assert "<h2>staging</h2>" in text
    assert "<h3>payments</h3>" in text
    assert "breaker-state--open" in text
    assert "The last failure was &lt; 1 s ago: DownError." in text
    assert "The state is not shared." in text


@pytest.mark.usefixtures("shared_store")
def test_the_page_says_that_a_shared_breaker_closes_for_all() -> None:
    assert "A reset closes the breaker for all processes, " in (
        ask(client_of(superuser=True), "row").content.decode()
    )


def test_the_reason_is_the_first_field_and_has_the_focus() -> None:
    text = ask(client_of(superuser=True), "row").content.decode()
    form = text[text.index('id="breaker-reset-form"') :]
    visible = re.findall(r'<(?:input|button|a)(?![^>]*type="hidden")[^>]*>', form)
    assert 'name="reason"' in visible[0]
    assert "autofocus" in visible[0]
    assert 'name="_confirm"' in visible[1]


def test_cancel_and_confirm_lead_back_to_the_same_filters() -> None:
    client = client_of(superuser=True)
    address = f"{LIST}?state=open&q=pay"
    page = client.post(address, {"_reset": "payments"})
    assert f'<a href="{html.escape(address)}" class="closelink">Cancel</a>' in page.content.decode()
    assert client.post(address, fields_of(page))["Location"] == address


def test_a_breaker_that_is_gone_is_left_out() -> None:
    page = client_of(superuser=True).post(LIST, {"_reset": ["payments", "maps"]})
    assert fields_of(page)["_reset"] == ["payments"]


def test_when_all_are_gone_nothing_is_changed_and_it_says_so() -> None:
    response = client_of(superuser=True).post(LIST, {"_reset": "maps"})
    assert response.status_code == 302
    assert said(response) == ["No breaker of that name is configured. Nothing was changed."]


def test_a_long_reason_is_cut() -> None:
    confirm(client_of(superuser=True), "row", reason="x" * 1000)
    assert len(breakers["payments"].snapshot().transitions[-1].reason) <= 300
    assert LogEntry.objects.get().change_message == "Reset: Closed → Closed. Reason: " + "x" * 300


# -- the record has moved on -----------------------------------------------------------------


@way
def test_a_breaker_that_moved_on_is_asked_about_again(way: str) -> None:
    client = client_of(superuser=True)
    page = ask(client, way)
    breakers["payments"].force_open(by="bob", reason="vendor drill")
    again = client.post(WAYS[way][0], fields_of(page, reason="mine"))
    text = again.content.decode()
    assert again.status_code == 200
    assert "Nothing was reset yet" in text
    assert "force open by bob: vendor drill" in text
    assert 'value="mine"' in text
    assert breakers["payments"].snapshot().override is not None
    assert not LogEntry.objects.exists()


def test_the_second_answer_counts_when_nothing_moved_since() -> None:
    client = client_of(superuser=True)
    page = ask(client, "row")
    breakers["payments"].force_open(by="bob")
    again = client.post(LIST, fields_of(page))
    assert client.post(LIST, fields_of(again)).status_code == 302
    assert breakers["payments"].snapshot().override is None


def test_what_happened_before_the_page_was_drawn_is_no_change() -> None:
    breakers["payments"].force_open(by="eve")
    client = client_of(superuser=True)
    page = ask(client, "row")
    breakers["payments"].clear_override(by="bob")
    text = client.post(LIST, fields_of(page)).content.decode()
    changes = text[text.index("breaker-changes") :]
    assert "clear override by bob" in changes
    assert "eve" not in changes


def test_one_of_several_that_moved_holds_all_back() -> None:
    trip("payments")
    client = client_of(superuser=True)
    page = ask(client, "bulk")
    trip("search")
    assert client.post(LIST, fields_of(page)).status_code == 200
    assert breakers["payments"].state is State.OPEN


def test_a_failure_that_moves_no_state_needs_no_second_look() -> None:
    client = client_of(superuser=True)
    page = ask(client, "row")
    fail("payments")
    assert client.post(LIST, fields_of(page)).status_code == 302


@pytest.mark.parametrize(
    "forged",
    [
        *("", "{", "[]", "{}", '{"payments": 3}', '{"payments": ["a.1", "x"]}'),
        *('{"payments": ["a.1", 1]}', '{"payments": {}}', "[" * 100_000, '{"search": ["a", 1]}'),
    ],
)
def test_a_confirmation_without_the_epoch_is_asked_about_again(forged: str) -> None:
    trip("payments")
    client = client_of(superuser=True)
    fields = {**fields_of(ask(client, "row")), "_drawn": forged}
    page = client.post(LIST, fields)
    assert "Nothing was reset yet" in page.content.decode()
    assert breakers["payments"].state is State.OPEN


# -- what could not be stored ----------------------------------------------------------------


def test_a_reset_that_was_not_stored_is_said_to_have_changed_nothing(
    shared_store: RedisOfTest,
) -> None:
    trip("payments")
    client = client_of(superuser=True)
    page = ask(client, "row")
    shared_store.go_away()
    response = client.post(LIST, fields_of(page))
    assert response.status_code == 302
    (message,) = said(response)
    assert message.startswith("Not reset: payments: not stored, ")
    assert not LogEntry.objects.exists()


def test_switched_off_breakers_are_not_reset(settings: SettingsWrapper) -> None:
    settings.BREAKER_ENABLED = False
    (message,) = said(confirm(client_of(superuser=True), "row"))
    assert message == (
        "Not reset: payments: breakers are switched off in this process (BREAKER_ENABLED is False)"
    )


def test_wrong_settings_are_said_instead_of_a_server_error(settings: SettingsWrapper) -> None:
    settings.BREAKERS = 3
    response = client_of(superuser=True).post(*ROW)
    assert response.status_code == 302
    assert said(response)[0].startswith("BREAKERS: must be a mapping")


# -- rights ----------------------------------------------------------------------------------


@way
@pytest.mark.parametrize("rights", [["view_breaker"], []])
def test_without_the_right_nothing_is_asked_or_changed(way: str, rights: list[str]) -> None:
    trip("payments")
    client = client_of(*rights)
    response = ask(client, way)
    if way == "bulk" and rights:  # Django's list comes back: the action is not offered
        assert "Reset these breakers?" not in response.content.decode()
    else:
        assert response.status_code == 403
    assert breakers["payments"].state is State.OPEN


@way
@pytest.mark.parametrize("rights", [["view_breaker"], []])
def test_the_right_is_asked_again_where_the_change_is_made(way: str, rights: list[str]) -> None:
    trip("payments")
    trip("search")
    fields = fields_of(ask(client_of(superuser=True), way))
    assert client_of(*rights).post(WAYS[way][0], fields).status_code == 403
    assert breakers["payments"].state is State.OPEN


@way
def test_the_right_to_reset_is_enough(way: str) -> None:
    trip("payments")
    assert confirm(client_of("reset_breaker"), way).status_code == 302
    assert breakers["payments"].state is State.CLOSED


@way
def test_the_anonymous_are_sent_to_log_in(way: str) -> None:
    trip("payments")
    response = ask(Client(), way)
    assert response.status_code == 302
    assert response["Location"] == f"/admin/login/?next={WAYS[way][0]}"
    assert breakers["payments"].state is State.OPEN


@way
def test_a_post_without_the_csrf_token_is_refused(way: str) -> None:
    trip("payments")
    fields = fields_of(ask(client_of(superuser=True), way))
    client = Client(enforce_csrf_checks=True)
    client.force_login(_root())
    for sent in (WAYS[way][1], fields):
        assert client.post(WAYS[way][0], sent).status_code == 403
    assert breakers["payments"].state is State.OPEN


def _root() -> Any:
    from django.contrib.auth.models import User

    return User.objects.get(username="root")


@way
def test_no_get_changes_anything(way: str) -> None:
    trip("payments")
    client = client_of(superuser=True)
    fields = fields_of(ask(client, way))
    for query in (WAYS[way][1], fields):
        client.get(WAYS[way][0], query)
    assert breakers["payments"].state is State.OPEN
    assert not LogEntry.objects.exists()


def test_the_button_of_a_row_wins_over_a_chosen_action() -> None:
    page = client_of(superuser=True).post(
        LIST,
        {"_reset": "geo", "action": "reset_selected", "_selected_action": ["payments"]},
    )
    assert fields_of(page)["_reset"] == ["geo"]


def test_the_detail_page_resets_its_own_breaker_whatever_is_sent() -> None:
    page = client_of(superuser=True).post(page_of("payments"), {"_reset": "geo"})
    assert fields_of(page)["_reset"] == ["payments"]


def test_odd_names_can_be_reset(settings: SettingsWrapper) -> None:
    name = "<b>a/b</b>:ä_ö"
    settings.BREAKERS = {name: {"failure_threshold": 1}}
    trip(name)
    client = client_of(superuser=True)
    page = client.post(page_of(name), {"_reset": name})
    response = client.post(page_of(name), fields_of(page))
    assert breakers[name].state is State.CLOSED
    assert client.get(response["Location"]).status_code == 200
    assert said(response)[0].startswith("<strong>&lt;b&gt;a/b&lt;/b&gt;:ä_ö</strong>: Open → ")


def test_a_second_admin_site_keeps_to_itself() -> None:
    trip("payments")
    client = client_of(superuser=True)
    page = client.post("/other-admin/django_breaker/breaker/", {"_reset": "payments"})
    assert "/other-admin/" in page.content.decode()
    assert 'href="/admin/' not in page.content.decode()
    response = client.post("/other-admin/django_breaker/breaker/", fields_of(page))
    assert response["Location"] == "/other-admin/django_breaker/breaker/"
    assert breakers["payments"].state is State.CLOSED


# -- what happens between the look and the act -------------------------------------------------


def test_an_override_that_comes_between_the_look_and_the_reset_is_not_ended(
    shared_store: RedisOfTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The core compares the epoch in the very change: the page may look a moment too early."""
    trip("payments")
    client = client_of(superuser=True)
    fields = fields_of(ask(client, "row"))
    other = BreakerRegistry(load().breakers, store=shared_store.open())["payments"]
    seen = admin_reset.look_at

    def look_and_be_overtaken(*args: Any) -> Any:
        found = seen(*args)
        if other.snapshot(fresh=True).override is None:
            other.force_open(by="alice", reason="do not touch")
        return found

    monkeypatch.setattr(admin_reset, "look_at", look_and_be_overtaken)
    page = client.post(LIST, fields)
    assert page.status_code == 200
    assert "Nothing was reset yet" in page.content.decode()
    assert "do not touch" in page.content.decode()
    assert other.snapshot(fresh=True).override is not None
    assert not LogEntry.objects.exists()


def test_more_breakers_are_reset_at_once_than_a_form_may_have_fields(
    settings: SettingsWrapper,
) -> None:
    settings.BREAKERS = {f"b{number:04}": {} for number in range(700)}
    breakers["b0699"].force_open(by="bob")
    client = client_of(superuser=True)
    chosen = {"action": "reset_selected", "_selected_action": list(settings.BREAKERS)}
    page = client.post(LIST, chosen)
    assert client.post(LIST, fields_of(page)).status_code == 302
    assert breakers["b0699"].snapshot().override is None


def test_a_reason_with_control_characters_is_kept_without_them() -> None:
    confirm(client_of(superuser=True), "row", reason="a\x00b\x1b[2J")
    assert "a\ufffdb\ufffd[2J" in LogEntry.objects.get().change_message
