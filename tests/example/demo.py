"""The running demo, and what a visitor does with it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.example.browser import Browser, Page
from tests.servers import wait_until

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0
"""Seconds in which anything the demo should do must have happened, on a busy machine as well."""
SHOPS = ("django", "flask")
WORKERS_EACH = 2
LIVE, CATALOGUE = "24.90 €", "26.00 €"


class Demo:
    """``python -m example_project`` on free ports, with its files in *folder*."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._out = folder / "ready.json"
        self.data = folder / "data"
        self.browser = Browser()
        self.pids: set[int] = set()

    def start(self) -> None:
        """Start it and wait until it says where everything is."""
        environment = {**os.environ, "SHOP_OPEN_TIMEOUT": "600"}  # no trial while a test looks on
        command = [sys.executable, "-m", "example_project", "--port-base", "0", "--json-ready"]
        with self._out.open("wb") as out, (self._folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--data", str(self.data)],
                cwd=ROOT,
                env=environment,
                stdout=out,
                stderr=log,
                start_new_session=True,
            )
        wait_until(self._said_ready, "the demo says that it is ready", PATIENCE)
        assert self.process.poll() is None, self.log_text()
        self.urls: dict[str, Any] = json.loads(self._out.read_text())
        self.pids.update(self.urls["pids"].values())

    def _said_ready(self) -> bool:
        return self._out.read_text().endswith("\n") or self.process.poll() is not None

    def log_text(self) -> str:
        """Return what it wrote to the terminal."""
        return (self._folder / "log").read_text()

    def stop(self) -> int:
        """Press Ctrl-C and return the exit code."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)
        return self.wait()

    def wait(self) -> int:
        """Return the exit code when it has ended."""
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def living(self) -> list[int]:
        """Return those of its processes that are still there."""
        living = []
        for pid in sorted(self.pids):
            with suppress(ProcessLookupError):
                os.kill(pid, 0)
                living.append(pid)
        return living

    # -- the price service ---------------------------------------------------------------------

    def switch(self, mode: str) -> None:
        """Press a button of the switch."""
        page = self.browser.get(f"{self.urls['price_service']}/")
        self.browser.press(page, page.button(value=mode))

    def requests(self) -> int:
        """Return how many calls have reached the price service."""
        return int(self._log()["requests"])

    def requests_by_process(self) -> dict[int, int]:
        """Return how many calls of each worker have reached the price service."""
        modes = ("healthy", "fail", "hang")
        callers = self._log()["callers"]
        return {int(each["process"]): sum(each[mode] for mode in modes) for each in callers}

    def _log(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            self.browser.get(f"{self.urls['price_service']}/log").text
        )
        return found

    # -- the shops -----------------------------------------------------------------------------

    def click(self, shop: str, path: str = "/") -> Page:
        """Open a page of a shop on a new connection."""
        page = self.browser.get(f"{self.urls[shop]}{path}")
        self.pids.add(pid_of(page))
        return page

    def every_worker(self, wanted: str) -> set[int]:
        """Click until every worker of both shops has shown the price *wanted*; return their ids."""
        seen: dict[str, set[int]] = {shop: set() for shop in SHOPS}

        def all_have_shown_it() -> bool:
            for shop in SHOPS:
                page = self.click(shop)
                if page.element("price") == wanted:
                    seen[shop].add(pid_of(page))
            return all(len(pids) == WORKERS_EACH for pids in seen.values())

        wait_until(all_have_shown_it, f"every worker shows {wanted!r}", PATIENCE)
        return set().union(*seen.values())

    def standing(self) -> dict[str, Any]:
        """Return the breaker as the Flask shop tells it in JSON; no call is made for that."""
        told = json.loads(self.browser.get(self.urls["status"]).text)
        breaker: dict[str, Any] = told["breakers"][0]
        return breaker

    def standing_when(self, key: str, value: object) -> dict[str, Any]:
        """Return how it stands once a worker tells so; each worker's view may be a second old."""
        told: list[dict[str, Any]] = []

        def tells() -> bool:
            told.append(self.standing())
            return bool(told[-1][key] == value)

        wait_until(tells, f"the Flask shop tells {key}={value!r}", PATIENCE)
        return told[-1]

    # -- the admin -----------------------------------------------------------------------------

    def admin_list(self) -> Page:
        """Return the admin's list of breakers, logged in."""
        page = self.browser.get(self.urls["admin"])
        if "/login/" in page.url:
            user, password = self.urls["user"], self.urls["password"]
            log_in = page.button(text="Log in")
            page = self.browser.press(page, log_in, username=user, password=password)
        assert page.url.startswith(self.urls["admin"]), page.url
        return page

    def reset_in_admin(self) -> Page:
        """Press Reset in the list and confirm; return the page after it.

        The page asks again when another worker knows something newer, as a visitor may see it.
        """
        page = self.admin_list()
        page = self.browser.press(page, page.button(name="_reset", value="prices"))
        for _ in range(5):
            page = self.browser.press(page, page.button(name="_confirm"))
            if not any(button.name == "_confirm" for button in page.html.buttons):
                return page
        raise AssertionError(f"the reset was not accepted: {page.text}")

    def as_new(self) -> None:
        """Mend the service, reset the breaker, and see every worker sell at today's price."""
        self.switch("healthy")
        self.reset_in_admin()
        self.every_worker(LIVE)

    def broken(self) -> None:
        """From new: break the service, and see every worker reject."""
        self.as_new()
        self.switch("fail")
        self.every_worker(CATALOGUE)


def run(*arguments: str, data: Path) -> subprocess.CompletedProcess[str]:
    """Run Python with *arguments*, as in another terminal, on the files in *data*."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={
            **os.environ,
            "SHOP_DATA": str(data),
            "DJANGO_SETTINGS_MODULE": "example_project.shop_django.settings",
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def pid_of(page: Page) -> int:
    """Return the process that answered with *page*."""
    return int(page.element("pid"))
