"""The example project, started for real: every click goes through HTTP to worker processes."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import django
import pytest

from tests.example.browser import Browser, Page
from tests.example.demo import CATALOGUE, LIVE, PATIENCE, SHOPS, Demo, run
from tests.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGES = ["price_service/", "django/", "django/buy", "flask/", "flask/buy"]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The running demo; a test begins by bringing it into the state that it wants."""
    running = Demo(tmp_path_factory.mktemp("demo"))
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture
def own_demo(tmp_path: Path) -> Iterator[Demo]:
    """A demo that the test may end."""
    running = Demo(tmp_path)
    try:
        running.start()
        yield running
    finally:
        running.stop()


def address(demo: Demo, page: str) -> str:
    name, _, path = page.partition("/")
    return f"{demo.urls[name]}/{path}"


# -- the breaker ---------------------------------------------------------------------------------


@pytest.mark.parametrize("clicks", [("django", "flask", "django"), ("flask", "flask", "django")])
def test_the_third_failing_click_opens_it_whichever_workers_answer(
    demo: Demo, clicks: tuple[str, ...]
) -> None:
    demo.as_new()
    demo.switch("fail")
    before = demo.requests()

    answers = [demo.click(shop) for shop in clicks]

    assert [answer.status for answer in answers] == [502, 502, 502]
    standing = demo.standing_when("standing", "open")
    assert standing["transitions"][-1]["why"].startswith("3 failures in a row")
    assert demo.requests() == before + 3


def test_two_failing_clicks_leave_it_closed(demo: Demo) -> None:
    demo.as_new()
    demo.switch("fail")
    for shop in SHOPS:
        demo.click(shop)
    demo.switch("healthy")

    demo.every_worker(LIVE)

    assert demo.standing_when("consecutive_failures", 0)["standing"] == "closed"


def test_no_worker_of_either_shop_calls_the_service_while_it_is_open(demo: Demo) -> None:
    demo.broken()
    before = demo.requests()

    workers = demo.every_worker(CATALOGUE)

    assert len(workers) == 4
    assert demo.requests() == before


@pytest.mark.parametrize("shop", SHOPS)
def test_an_order_without_a_fallback_is_refused_with_503(demo: Demo, shop: str) -> None:
    demo.broken()

    answer = demo.click(shop, "/buy")

    assert answer.status == 503
    assert 0 < int(answer.headers["Retry-After"]) <= 600


def test_the_pages_say_in_how_many_processes_it_rejects(demo: Demo) -> None:
    demo.broken()

    everywhere = "rejecting in 4 of 4 processes"

    def all_say_so() -> bool:
        return all(
            demo.click(shop).element("reach") == "rejecting in 4 of 4 processes" for shop in SHOPS
        )

    wait_until(all_say_so, everywhere, PATIENCE)


def test_the_admin_shows_the_open_breaker(demo: Demo) -> None:
    demo.broken()

    page = demo.admin_list()

    assert page.status == 200
    assert "3 failures in a row (opens at 3)" in page.text


def test_a_reset_in_the_admin_lets_every_worker_of_both_shops_call_again(demo: Demo) -> None:
    demo.broken()
    demo.switch("healthy")
    before = demo.requests_by_process()

    after_reset = demo.reset_in_admin()
    workers = demo.every_worker(LIVE)

    calls = demo.requests_by_process()
    assert after_reset.status == 200
    assert all(calls[pid] > before[pid] for pid in workers)
    last = demo.standing_when("standing", "closed")["transitions"][-1]
    assert (last["rule"], last["by"]) == ("reset", demo.urls["user"])


def test_opening_the_confirmation_of_a_reset_changes_nothing(demo: Demo) -> None:
    demo.broken()
    page = demo.admin_list()

    confirmation = demo.browser.press(page, page.button(name="_reset", value="prices"))

    assert confirmation.status == 200
    assert demo.standing()["standing"] == "open"


@pytest.mark.parametrize("shop", SHOPS)
def test_a_hang_ends_by_the_time_out_and_counts_as_a_failure(demo: Demo, shop: str) -> None:
    demo.as_new()
    demo.switch("hang")

    answer = demo.click(shop)

    assert answer.status == 502
    assert "no answer within 2 seconds" in answer.element("note")
    demo.standing_when("consecutive_failures", 1)


# -- the pages -----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["healthy", "fail"])
@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_well_formed(demo: Demo, page: str, mode: str) -> None:
    demo.switch(mode)

    found = demo.browser.get(address(demo, page))

    assert found.html.faults == []
    assert found.html.tags.count("h1") == found.html.tags.count("title") == 1
    assert '<html lang="en">' in found.text


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_leads_somewhere(demo: Demo, page: str) -> None:
    demo.as_new()
    found = demo.browser.get(address(demo, page))

    broken = {link: _status(demo.browser, found, link) for link in found.html.links}

    assert set(broken.values()) == {200}, broken


def _status(browser: Browser, page: Page, link: str) -> int:
    target = urljoin(page.url, link)
    assert urlsplit(target).hostname == "127.0.0.1", f"{link} leads out of the demo"
    return browser.get(target).status


def test_the_switch_refuses_a_mode_that_does_not_exist(demo: Demo) -> None:
    page = demo.browser.get(address(demo, "price_service/"))
    button = page.button(value="fail")
    button.value = "explode"

    answer = demo.browser.press(page, button)

    assert answer.status == 400
    assert "healthy, fail, hang" in answer.text


def test_the_admin_is_themed_where_the_theme_supports_django(demo: Demo) -> None:
    log_in = Browser().get(demo.urls["admin"])

    assert ("admin_interface/" in log_in.text) == (django.VERSION < (6, 1))


def test_the_admin_has_its_static_files(demo: Demo) -> None:
    page = demo.admin_list()
    styles = [link for link in page.html.links if link.endswith(".css")]

    assert styles
    assert {_status(demo.browser, page, link) for link in styles} == {200}


# -- the processes -------------------------------------------------------------------------------


def test_ctrl_c_ends_every_process_also_while_a_call_hangs(own_demo: Demo) -> None:
    own_demo.every_worker(LIVE)
    own_demo.switch("hang")
    before = own_demo.requests()
    clicking = threading.Thread(target=_click_quietly, args=[own_demo])
    clicking.start()
    wait_until(lambda: own_demo.requests() > before, "a call hangs", PATIENCE)

    code = own_demo.stop()

    clicking.join(PATIENCE)
    assert code == 0
    assert len(own_demo.pids) == 7
    assert own_demo.living() == []


def _click_quietly(demo: Demo) -> None:
    with suppress(OSError):  # it is cut off: that is what the test does
        Browser().get(demo.urls["django"])


def test_a_server_that_dies_ends_the_demo_with_the_reason(own_demo: Demo) -> None:
    os.kill(own_demo.urls["pids"]["price_service"], signal.SIGKILL)

    code = own_demo.wait()

    assert code == 1
    assert "'price_service' has ended by itself" in own_demo.log_text()
    assert own_demo.living() == []


def test_the_servers_end_when_the_demo_is_killed(own_demo: Demo) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("needs Linux, which tells a process that its parent has died")
    own_demo.every_worker(LIVE)

    own_demo.process.kill()
    own_demo.wait()

    wait_until(lambda: not _running(own_demo.pids), "no process is left", PATIENCE)


def _running(pids: set[int]) -> list[int]:
    """Return those that run; whoever adopted one may not have asked for its end yet."""
    running = []
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat") as file:
                state = file.read().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            continue
        if state != "Z":
            running.append(pid)
    return running


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run("-m", "example_project", "--port-base", port, data=tmp_path)

    assert done.returncode == 1
    assert f"port {port} cannot be used" in done.stderr
    assert "PORT_BASE" in done.stderr


def test_a_data_directory_in_use_is_named(demo: Demo) -> None:
    done = run("-m", "example_project", "--port-base", "0", data=demo.data)

    assert done.returncode == 1
    assert f"another demo uses {demo.data}" in done.stderr


def test_commands_in_another_terminal_see_the_shops_breakers(demo: Demo) -> None:
    demo.broken()

    done = run("-m", "example_project.manage", "breakers", "list", data=demo.data)

    assert done.returncode == 0, done.stderr
    assert "3 failures in a row (opens at 3)" in done.stdout


def test_the_django_shop_has_nothing_to_mend_about_its_breakers(demo: Demo) -> None:
    done = run("-m", "example_project.manage", "check", "--deploy", data=demo.data)

    assert done.returncode == 0, done.stderr
    assert "django_breaker." not in done.stdout + done.stderr
