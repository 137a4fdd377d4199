"""The admin's list and detail page: what they show, to whom, and whatever is wrong."""

from __future__ import annotations

import re
import time
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.utils.html import escape

from breaker_core import BreakerRegistry, CircuitOpenError, State
from breaker_core.testing import FakeClock
from django_breaker import breakers
from django_breaker.admin_rows import Rows, picture
from django_breaker.conf import load
from tests.django_app.conftest import use_store
from tests.django_app.helpers import fail, trip
from tests.django_app.people import LIST, client_of, page_of

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django.fixtures import DjangoAssertNumQueries, SettingsWrapper

    from tests.django_app.conftest import RedisOfTest

pytestmark = pytest.mark.django_db

ODD = "<b>a/b</b>:ä_ö"


def text_of(html: str) -> str:
    """Return what a reader sees of *html*, with single spaces."""
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


def shown(address: str, **query: str) -> str:
    """Return the page at *address* as a superuser gets it."""
    response = client_of(superuser=True).get(address, query)
    assert response.status_code == 200
    return response.content.decode()


def listed(html: str) -> list[str]:
    """Return the names in the list, in their order."""
    return re.findall(r'name="_selected_action" value="([^"]*)"', html)


# -- the list --------------------------------------------------------------------------------


def test_the_worst_come_first_then_names() -> None:
    trip("search")
    breakers["geo"].force_closed()
    assert listed(shown(LIST)) == ["search", "geo", "payments"]


def test_an_open_breaker_says_state_effect_next_step_and_why() -> None:
    trip("payments")
    text = text_of(shown(LIST))
    assert "■ Open calls rejected · next trial in" in text
    assert "opened &lt; 1 s ago, at" in text
    assert "3 failures in a row (opens at 3) · DownError" in text


def test_a_closed_breaker_says_its_streak_beside_the_limit() -> None:
    fail("payments", 2)
    assert "2 of 3 failures in a row" in text_of(shown(LIST))


def test_a_breaker_nobody_called_says_so() -> None:
    assert text_of(shown(LIST)).count("not used yet") == 3


@pytest.mark.parametrize("state", ["open", "half-open", "closed", "forced-open", "forced-closed"])
def test_the_badge_has_word_shape_and_class(state: str) -> None:
    _bring_to(state)
    html = shown(page_of("payments"))
    word = state.replace("-", " ").capitalize() if "forced" in state else state.capitalize()
    assert f'class="breaker-state breaker-state--{state}"' in html
    assert re.search(rf'aria-hidden="true">.</span> {word}</span>', html)


def _bring_to(state: str) -> None:
    payments = breakers["payments"]
    if state == "half-open":
        trip("payments").try_now()
        payments.guard().__enter__()
    elif state == "open":
        trip("payments")
    elif state.startswith("forced"):
        getattr(payments, state.replace("forced-", "force_"))(by="bob", reason="drill")


def test_an_override_says_who_why_and_what_it_would_be_without() -> None:
    breakers["payments"].force_open(by="bob", reason="drill <now>", for_=600)
    text = text_of(shown(LIST))
    assert "by bob · all calls rejected · for another 10 min · would be closed" in text
    assert "drill &lt;now&gt;" in text
    assert re.search(r"overridden since [\d:]+ UTC , until [\d:]+ UTC", text)


def test_an_override_without_an_end_says_so() -> None:
    breakers["payments"].force_open(by="bob")
    text = text_of(shown(LIST))
    assert "until ended by hand" in text
    assert "without an end" in text


def test_the_notice_counts_what_is_not_normal_with_links_to_the_filter() -> None:
    trip("payments")
    trip("search")
    breakers["geo"].force_open()
    html = shown(LIST)
    assert '<a href="?state=open">2 open</a>' in html
    assert '<a href="?state=forced-open">1 forced open</a>' in html


def test_nothing_is_counted_while_all_is_normal() -> None:
    assert "Not normal:" not in shown(LIST)


def test_the_page_says_as_of_when_and_whose_word_it_is() -> None:
    text = text_of(shown(LIST))
    assert re.search(r"As of [\d:]+ UTC\.", text)
    assert "The state is not shared (BREAKER_CACHE)" in text


def test_an_open_breaker_does_not_say_its_streak_twice() -> None:
    trip("payments")
    assert "3 of 3 failures in a row" not in text_of(shown(LIST))


@pytest.fixture
def elsewhere(shared_store: RedisOfTest) -> Elsewhere:
    """Another process that shares the breakers of this test."""
    return Elsewhere(shared_store)


class Elsewhere:
    """A registry beside ours, as another process would have it."""

    def __init__(self, store: RedisOfTest) -> None:
        self.clock = FakeClock(time.time())
        self.breakers = BreakerRegistry(load().breakers, store=store.open(), clock=self.clock)

    def stop_alone(self, name: str) -> None:
        """Fail often enough to stop by itself, while successes here keep the fleet closed."""
        limit = self.breakers[name].config.failure_threshold
        assert limit is not None
        for _ in range(limit):
            with pytest.raises(ZeroDivisionError):
                self.breakers[name].call(lambda: 1 / 0)
            breakers[name].call(lambda: 1)
        self.clock.advance(6)
        with pytest.raises(CircuitOpenError):
            self.breakers[name].call(lambda: 1)


def test_a_breaker_that_one_process_alone_rejects_is_not_normal(elsewhere: Elsewhere) -> None:
    elsewhere.stop_alone("payments")
    html = shown(LIST)
    assert listed(html)[0] == "payments"
    assert "● Closed rejecting in 1 of 2 processes" in text_of(html)
    assert '<a href="?state=not-normal">1 closed</a>' in html
    assert "calls rejected, by itself" in text_of(
        client_of("reset_breaker").get(page_of("payments")).content.decode()
    )


def test_the_filter_for_not_normal_finds_what_one_process_rejects(elsewhere: Elsewhere) -> None:
    elsewhere.stop_alone("payments")
    assert listed(shown(LIST, state="not-normal")) == ["payments"]


def test_a_breaker_that_another_process_uses_is_used(elsewhere: Elsewhere) -> None:
    elsewhere.breakers["search"].call(lambda: 1)
    assert text_of(shown(LIST)).count("not used yet") == 2


@pytest.mark.usefixtures("shared_store")
def test_a_shared_state_needs_no_such_remark() -> None:
    assert "not shared" not in shown(LIST)


def test_the_environment_is_shown_on_both_pages(settings: SettingsWrapper) -> None:
    settings.BREAKER_ENVIRONMENT = "staging <1>"
    heading = "<h2>staging &lt;1&gt;</h2>"
    assert heading in shown(LIST)
    assert heading in client_of("reset_breaker").get(page_of("payments")).content.decode()


@pytest.mark.parametrize(
    ("state", "names"),
    [
        ("open", ["search"]),
        ("closed", ["payments"]),
        ("forced-open", ["geo"]),
        ("half-open", []),
        ("not-normal", ["search", "geo"]),
    ],
)
def test_the_filter_chooses_by_state(state: str, names: list[str]) -> None:
    trip("search")
    breakers["geo"].force_open()
    assert listed(shown(LIST, state=state)) == names


@pytest.mark.parametrize(
    ("words", "names"),
    [("PAY", ["payments"]), ("card pay", ["payments"]), ("down", ["search"]), ("pay geo", [])],
)
def test_search_finds_words_in_name_description_and_error(words: str, names: list[str]) -> None:
    fail("search")
    assert listed(shown(LIST, q=words)) == names


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ("1", ["geo", "payments", "search"]),
        ("-1", ["search", "payments", "geo"]),
        ("2.1", ["search", "geo", "payments"]),
        ("-2.1", ["geo", "payments", "search"]),
        ("2.-1", ["search", "payments", "geo"]),
    ],
)
def test_columns_sort(order: str, names: list[str]) -> None:
    trip("search")
    assert listed(shown(LIST, o=order)) == names


def test_an_order_that_makes_no_sense_still_lists_all() -> None:
    assert sorted(listed(shown(LIST, o="99.x.-"))) == ["geo", "payments", "search"]


def test_many_breakers_come_on_several_pages(settings: SettingsWrapper) -> None:
    settings.BREAKERS = {f"b{number:03}": {} for number in range(126)}
    client = client_of("view_breaker", "reset_breaker")
    pages = [listed(client.get(LIST, {"p": page}).content.decode()) for page in ("1", "2")]
    assert [len(page) for page in pages] == [100, 26]
    assert pages[1][0] == "b100"


@pytest.mark.parametrize(
    "query", ["name=payments", "name__contains=x", "nothing=1", "_facets=True"]
)
def test_a_foreign_lookup_is_no_server_error(query: str) -> None:
    response = client_of(superuser=True).get(f"{LIST}?{query}", follow=True)
    assert response.status_code == 200


def test_the_list_costs_two_queries(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    client = client_of(superuser=True)
    client.get(LIST)
    with django_assert_num_queries(2):
        client.get(LIST)


def test_nothing_can_be_added_changed_or_deleted_even_by_a_superuser() -> None:
    client = client_of(superuser=True)
    html = client.get(LIST).content.decode()
    assert "Add circuit breaker" not in html
    assert "delete_selected" not in html
    assert client.get(f"{LIST}add/").status_code == 403
    assert client.get(f"{LIST}payments/delete/").status_code == 403
    assert client.post(page_of("payments"), {"name": "x"}).status_code == 403


# -- the detail page -------------------------------------------------------------------------


def test_the_detail_page_tells_the_configuration_in_words(settings: SettingsWrapper) -> None:
    settings.BREAKERS = {
        "payments": {
            "failure_threshold": 1,
            "open_timeout": 90,
            "open_timeout_max": 3600,
            "success_threshold": 2,
            "ignore": [KeyError],
            "fallback": print,
            "shadow": True,
            "owner": "team checkout",
            "runbook": "https://wiki.example/payments",
        }
    }
    html = shown(page_of("payments"))
    text = text_of(html)
    for sentence in (
        "Opens at 1 failure in a row.",
        "Stays open for 1 min 30 s, doubled after each failed trial up to 1 h, then lets 1 call "
        "at a time try.",
        "Closes after 2 successful trials; a trial that takes longer than 1 min is lost.",
        "Failures are: Exception.",
        "Ignored are: KeyError.",
        "Answers with a fallback while it rejects.",
        "Shadow mode: decides and counts, rejects nothing.",
        "Other processes see a change within 1 s.",
        "team checkout",
    ):
        assert sentence in text
    assert '<a href="https://wiki.example/payments" rel="noreferrer">runbook</a>' in html


def test_a_runbook_that_is_no_web_address_is_plain_text(settings: SettingsWrapper) -> None:
    settings.BREAKERS = {"payments": {"runbook": "javascript:alert(1)"}}
    html = shown(page_of("payments"))
    assert "javascript:alert(1)" in html
    assert 'href="javascript' not in html


def test_the_detail_page_tells_the_history_the_newest_first() -> None:
    trip("payments")
    breakers["payments"].reset(by="bob", reason="mended")
    text = text_of(shown(page_of("payments")))
    first, second = text.index("open → closed · reset by bob: mended"), text.index("closed → open")
    assert first < second


def test_the_detail_page_tells_the_last_error() -> None:
    fail("payments")
    assert "last error DownError, &lt; 1 s ago" in text_of(shown(page_of("payments")))


@pytest.mark.usefixtures("shared_store")
def test_the_detail_page_lists_the_processes() -> None:
    trip("payments")
    text = text_of(shown(page_of("payments")))
    assert "rejecting in 1 of 1 process" in text
    assert re.search(r"\S+:\d+ calls rejected \d+ \d+ 0 &lt; 1 s ago", text)


@pytest.mark.parametrize("name", [ODD, "x" * 100, "a_2Fb", "ends with /"])
def test_names_of_every_kind_have_a_page(name: str, settings: SettingsWrapper) -> None:
    settings.BREAKERS = {name: {"description": "<i>what</i>"}}
    html = shown(LIST)
    assert escape(name) in html
    assert page_of(name) in html
    assert (
        f"<h1>{escape(name)}</h1>" in client_of("view_breaker").get(page_of(name)).content.decode()
    )


def test_foreign_text_is_escaped_on_all_pages(settings: SettingsWrapper) -> None:
    evil = "<script>alert(1)</script>"
    settings.BREAKERS = {
        evil: {"description": evil, "owner": evil, "runbook": evil, "record_error_messages": True}
    }
    breakers[evil].force_open(by=evil, reason=evil)
    client = client_of(superuser=True)
    pages = [client.get(LIST), client.get(page_of(evil)), client.post(LIST, {"_reset": evil})]
    for page in pages:
        assert page.status_code == 200
        assert evil not in page.content.decode()
        assert escape(evil) in page.content.decode()


def test_an_unknown_name_leads_back_with_a_message() -> None:
    response = client_of(superuser=True).get(page_of("maps"), follow=True)
    assert "maps” doesn’t exist" in response.content.decode()


def test_the_history_page_of_the_admin_works() -> None:
    client = client_of(superuser=True)
    client.post(LIST, _confirmation(client, "payments"))
    html = client.get(f"{LIST}payments/history/").content.decode()
    assert "Reset: Closed → Closed." in html


def _confirmation(client: Any, name: str) -> dict[str, str]:
    html = client.post(LIST, {"_reset": name}).content.decode()
    (drawn,) = re.findall(r'name="_drawn" value="([^"]*)"', html)
    return {"_reset": name, "_confirm": "1", "_drawn": unescape(drawn)}


# -- looking ---------------------------------------------------------------------------------


def test_drawing_the_pages_takes_no_permit_and_changes_nothing() -> None:
    trip("payments").try_now()
    before = breakers["payments"].snapshot()
    shown(LIST)
    client_of("view_breaker").get(page_of("payments"))
    after = breakers["payments"].snapshot()
    assert (after.state, after.epoch, after.trials) == (State.OPEN, before.epoch, 0)
    assert after.totals == before.totals


def test_drawing_the_pages_writes_nothing_to_the_store(shared_store: RedisOfTest) -> None:
    shown(LIST)
    client = client_of("reset_breaker")
    client.get(page_of("payments"))
    client.post(LIST, {"_reset": "payments"})
    assert shared_store.texts() == {}


# -- whatever is wrong -----------------------------------------------------------------------


def test_without_breakers_the_page_says_which_setting_to_write(settings: SettingsWrapper) -> None:
    settings.BREAKERS = {}
    text = text_of(shown(LIST))
    assert (
        "No breakers are configured. Write them in the setting BREAKERS: BREAKERS = "
        "{&quot;payments&quot;: {&quot;failure_threshold&quot;: 3}}"
    ) in text


def test_wrong_settings_give_a_message_and_no_server_error(settings: SettingsWrapper) -> None:
    settings.BREAKERS = {"payments": {"open_timeout": "<1>"}}
    html = shown(LIST)
    assert (
        "The settings are wrong: BREAKERS[&#x27;payments&#x27;]: open_timeout must be 0 or more "
        "seconds, as a number or a timedelta; got &#x27;&lt;1&gt;&#x27;"
    ) in html


def test_wrong_settings_lead_from_the_detail_page_to_the_message(settings: SettingsWrapper) -> None:
    settings.BREAKERS = 3
    response = client_of(superuser=True).get(page_of("payments"), follow=True)
    assert response.status_code == 200
    assert "The settings are wrong: BREAKERS: must be a mapping" in response.content.decode()


@pytest.mark.usefixtures("store_away")
@pytest.mark.parametrize("button", [{}, {"index": "0"}])
def test_the_warning_comes_once_whether_a_post_redirects_or_not(button: dict[str, str]) -> None:
    client = client_of(superuser=True)
    sent = {"action": "reset_selected", **button}
    html = client.post(LIST, sent, follow=True).content.decode()
    assert html.count("The breaker store is unreachable") == 1


@pytest.mark.usefixtures("store_away")
def test_the_list_renders_with_a_warning_while_the_store_is_away() -> None:
    text = text_of(shown(LIST))
    assert "The breaker store is unreachable: this is what this process last saw." in text
    assert text.count("? Unknown store unreachable, never seen by this process") == 3


def test_a_store_that_goes_away_later_leaves_the_last_state(shared_store: RedisOfTest) -> None:
    trip("payments")
    shared_store.go_away()
    breakers["payments"].snapshot()
    client = client_of(superuser=True)
    response = client.get(page_of("payments"))
    assert response.status_code == 200
    assert "breaker-state--open" in response.content.decode()


@pytest.mark.parametrize("garbage", ["", "{", "[]", '{"schema":1}', "\x00", "9" * 9999])
def test_garbage_in_the_store_is_no_server_error(garbage: str, shared_store: RedisOfTest) -> None:
    trip("payments")
    shared_store.overwrite(dict.fromkeys(shared_store.texts(), garbage))
    use_store(shared_store)
    assert len(listed(shown(LIST))) == 3


@pytest.mark.parametrize("field", ["at", "opened_at", "last_error_at"])
@pytest.mark.parametrize("when", ["1e18", "-1e18", "1e308", "0"])
def test_times_that_make_no_sense_are_no_server_error(
    field: str, when: str, shared_store: RedisOfTest
) -> None:
    trip("payments")
    pattern, absurd = rf'"{field}": ?[\d.]+', f'"{field}":{when}'
    texts = shared_store.texts().items()
    shared_store.overwrite({key: re.sub(pattern, absurd, text) for key, text in texts})
    use_store(shared_store)
    client = client_of(superuser=True)
    assert client.get(LIST).status_code == 200
    assert client.get(page_of("payments")).status_code == 200


def test_switched_off_breakers_say_so(settings: SettingsWrapper) -> None:
    settings.BREAKER_ENABLED = False
    assert "Breakers are switched off here (BREAKER_ENABLED is False)" in shown(LIST)


# -- who sees what ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rights", "status", "buttons"),
    [(["view_breaker"], 200, 0), (["reset_breaker"], 200, 3), ([], 403, 0)],
)
def test_the_list_is_for_those_who_may_view_or_reset(
    rights: list[str], status: int, buttons: int
) -> None:
    response = client_of(*rights).get(LIST)
    assert response.status_code == status
    html = response.content.decode()
    assert html.count('name="_reset"') == buttons
    assert ("reset_selected" in html) == bool(buttons)


@pytest.mark.parametrize(
    ("rights", "status", "buttons"),
    [(["view_breaker"], 200, 0), (["reset_breaker"], 200, 1), ([], 403, 0)],
)
def test_the_detail_page_is_for_those_who_may_view_or_reset(
    rights: list[str], status: int, buttons: int
) -> None:
    response = client_of(*rights).get(page_of("payments"))
    assert response.status_code == status
    assert response.content.decode().count('name="_reset"') == buttons


def test_buttons_say_whose_they_are() -> None:
    assert 'aria-label="Reset payments …"' in shown(LIST)


# -- looks -----------------------------------------------------------------------------------


def test_no_page_has_inline_style_of_ours() -> None:
    trip("payments")
    client = client_of(superuser=True)
    for html in (
        client.get(LIST).content.decode(),
        client.get(page_of("payments")).content.decode(),
        client.post(LIST, {"_reset": "payments"}).content.decode(),
    ):
        assert "style=" not in html
        assert "django_breaker/admin.css" in html
        assert "onclick" not in html


def test_collectstatic_finds_the_style_sheet(settings: SettingsWrapper, tmp_path: Path) -> None:
    settings.STATIC_ROOT = str(tmp_path)
    call_command("collectstatic", interactive=False, verbosity=0)
    assert (tmp_path / "django_breaker" / "admin.css").exists()


# -- rows ------------------------------------------------------------------------------------


def test_rows_are_looked_at_once_per_request() -> None:
    request: Any = type("Request", (), {})()
    assert picture(request) is picture(request)


def test_rows_refuse_lookups_by_anything_but_the_key() -> None:
    from django.core.exceptions import FieldError
    from django.db.models import Q

    request: Any = type("Request", (), {})()
    rows = Rows(picture(request).breakers)
    with pytest.raises(FieldError):
        rows.filter(Q(name="payments"))
    with pytest.raises(FieldError):
        rows.filter(name="payments")
    assert [each.name for each in rows.filter(pk__in=["geo", "gone"])] == ["geo"]
