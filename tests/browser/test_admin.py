"""The admin pages in a browser: what is seen, reached by keyboard, and done."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from playwright.sync_api import expect

from breaker_core import State
from django_breaker import breakers

if TYPE_CHECKING:
    from playwright.sync_api import Page

LIST = "/admin/django_breaker/breaker/"
WIDTHS = [1280, 390]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def signed_in(page: Page) -> Page:
    """The page of a superuser, on the list of breakers, with *payments* open."""
    User.objects.create_superuser("alice", password="right")
    for _ in range(3):
        with pytest.raises(TimeoutError), breakers["payments"]:
            raise TimeoutError
    page.goto(f"/admin/login/?next={LIST}")
    page.get_by_label("Username").fill("alice")
    page.get_by_label("Password").fill("right")
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(re.compile(LIST))
    return page


def row(page: Page, name: str) -> Any:
    return page.locator("#result_list tbody tr").filter(has_text=name)


def test_the_breaker_that_rejects_comes_first_and_says_so(signed_in: Page) -> None:
    first = signed_in.locator("#result_list tbody tr").first
    expect(first).to_contain_text("payments")
    expect(first).to_contain_text("Open")
    expect(first).to_contain_text("3 failures in a row (opens at 3)")
    expect(first).to_contain_text("TimeoutError")


def test_a_reset_by_keyboard_alone(signed_in: Page) -> None:
    button = signed_in.get_by_role("button", name=re.compile("Reset payments"))
    button.focus()
    signed_in.keyboard.press("Enter")
    reason = signed_in.get_by_label(re.compile("Reason"))
    expect(reason).to_be_focused()
    assert breakers["payments"].state is State.OPEN, "nothing happens before it is confirmed"
    signed_in.keyboard.type("provider is back")
    signed_in.keyboard.press("Enter")
    expect(signed_in.locator(".messagelist")).to_contain_text("Open → Closed")
    expect(row(signed_in, "payments")).to_contain_text("Closed")
    assert breakers["payments"].state is State.CLOSED
    assert "provider is back" in LogEntry.objects.get().change_message


def test_cancel_leads_back_and_changes_nothing(signed_in: Page) -> None:
    signed_in.goto(f"{LIST}?q=pay")
    signed_in.get_by_role("button", name=re.compile("Reset payments")).click()
    signed_in.get_by_role("link", name="Cancel").click()
    expect(signed_in).to_have_url(re.compile(r"\?q=pay$"))
    assert breakers["payments"].state is State.OPEN


def test_several_are_reset_at_once_by_the_action(signed_in: Page) -> None:
    breakers["search"].force_open(by="bob", reason="migration")
    signed_in.reload()
    for name in ("payments", "search"):
        row(signed_in, name).locator("input[type=checkbox]").check()
    signed_in.get_by_label("Action:").select_option("reset_selected")
    signed_in.get_by_role("button", name=re.compile("^(Go|Run)")).first.click()
    expect(signed_in.get_by_text("It ends the override by bob: migration")).to_be_visible()
    signed_in.get_by_role("button", name="Reset").click()
    expect(signed_in.locator(".messagelist")).to_contain_text("search")
    assert breakers["search"].snapshot().override is None
    assert breakers["payments"].state is State.CLOSED


def test_the_detail_page_resets_too(signed_in: Page) -> None:
    row(signed_in, "payments").get_by_role("link", name="payments").click()
    expect(signed_in.locator("#content")).to_contain_text("TimeoutError")
    signed_in.get_by_role("button", name=re.compile("Reset payments")).click()
    signed_in.get_by_role("button", name="Reset").click()
    expect(signed_in.locator(".messagelist")).to_contain_text("Open → Closed")


@pytest.mark.parametrize("width", WIDTHS)
def test_state_and_button_are_in_sight_without_scrolling_sideways(
    signed_in: Page, width: int
) -> None:
    signed_in.set_viewport_size({"width": width, "height": 900})
    signed_in.reload()
    for part in (
        row(signed_in, "payments").locator(".breaker-state"),
        signed_in.get_by_role("button", name=re.compile("Reset payments")),
    ):
        box = part.first.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_words_of_the_state_can_be_read(signed_in: Page, scheme: Any) -> None:
    """Contrast of 4.5 to 1, the least for text in WCAG."""
    signed_in.emulate_media(color_scheme=scheme)
    signed_in.reload()
    badges = signed_in.locator(".breaker-state")
    assert badges.count() >= 3
    for index in range(badges.count()):
        assert contrast(badges.nth(index)) >= 4.5


def contrast(element: Any) -> float:
    colours = element.evaluate(
        """node => {
            const paint = document.createElement('canvas').getContext('2d');
            const rgb = colour => {
                paint.clearRect(0, 0, 1, 1); paint.fillStyle = colour;
                paint.fillRect(0, 0, 1, 1);
                return [...paint.getImageData(0, 0, 1, 1).data];
            };
            const behind = node => {
                const colour = getComputedStyle(node).backgroundColor;
                return rgb(colour)[3] === 255 ? colour : behind(node.parentElement);
            };
            return [rgb(getComputedStyle(node).color), rgb(behind(node))];
        }"""
    )
    light, dark = sorted((_luminance(each[:3]) for each in colours), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(rgb: list[int]) -> float:
    parts = [each / 255 for each in rgb]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
