"""Real worker processes of a Django site on real stores."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
WORKERS = 8
REFRESH = 0.2
TRIAL_TIMEOUT = 2.0

DATABASE_CACHE = {
    "BACKEND": "django.core.cache.backends.db.DatabaseCache",
    "LOCATION": "breaker_cache",
}


class Worker:
    """One worker process and the line to it."""

    def __init__(self, site: dict[str, Any]) -> None:
        command = [sys.executable, "-m", "tests.processes.worker", json.dumps(site)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def tell(self, do: str, **command: Any) -> None:
        """Give a command, and do not wait for its answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": do, **command}) + "\n")
        self.process.stdin.flush()

    def hear(self) -> Any:
        """Return the answer to the oldest command that was not answered yet."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the worker ended"
        return json.loads(line)

    def ask(self, do: str, **command: Any) -> Any:
        self.tell(do, **command)
        return self.hear()

    def end(self) -> None:
        """Kill it, as the system would: SIGKILL cannot be caught."""
        self.process.kill()
        self.process.communicate()


class Site:
    """The workers of one site, and what their upstream saw."""

    def __init__(self, settings: dict[str, Any], folder: Path) -> None:
        self.log = folder / "upstream.log"
        self.log.touch()
        self.site = {"settings": settings, "log": str(self.log)}
        self.workers: list[Worker] = []

    def start(self, count: int) -> list[Worker]:
        started = [Worker(self.site) for _ in range(count)]
        self.workers += started
        for each in started:
            assert each.hear() == "ready"
        return started

    def entries(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def events(self) -> list[dict[str, Any]]:
        told = [event for each in self.workers for event in each.ask("events")]
        return sorted(told, key=lambda event: event["at"])

    def end(self) -> None:
        for each in self.workers:
            each.end()


def everybody(workers: list[Worker], do: str, **command: Any) -> list[Any]:
    """Give all *workers* the same command at once; return their answers."""
    for each in workers:
        each.tell(do, **command)
    return [each.hear() for each in workers]


@pytest.fixture(params=["sqlite", "postgres", "redis", "valkey"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """A site on each kind of store, made with options for its breaker."""
    made: list[Site] = []

    def make(**options: Any) -> Site:
        settings = {
            **_store_settings(request, tmp_path),
            "BREAKERS": {"payments": {**options, "refresh_interval": REFRESH}},
            "BREAKER_KEY_PREFIX": tmp_path.name,
        }
        if "DATABASES" in settings:
            _make_table(settings)
        made.append(Site(settings, tmp_path))
        return made[0]

    yield make
    for each in made:
        each.end()


def _store_settings(request: pytest.FixtureRequest, folder: Path) -> dict[str, Any]:
    kind = request.param
    if kind in {"redis", "valkey"}:
        url = request.getfixturevalue(f"{kind}_server").url
        cache = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": url}
        return {"CACHES": {"default": cache}}
    if kind == "sqlite":
        database = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "breakers.db")}
    else:
        port = request.getfixturevalue("postgres_server").port
        where = {"HOST": "127.0.0.1", "PORT": port, "USER": "postgres", "NAME": "postgres"}
        database = {"ENGINE": "django.db.backends.postgresql", **where}
    return {
        "CACHES": {"default": DATABASE_CACHE},
        "DATABASES": {"default": {}, "breakers": database},
        "DATABASE_ROUTERS": ["tests.processes.routers.BreakersApart"],
    }


def _make_table(settings: dict[str, Any]) -> None:
    code = (
        "import json, sys; from tests.processes.worker import set_up; "
        "set_up({'settings': json.loads(sys.argv[1])}); "
        "from django.core.management import call_command; "
        "call_command('createcachetable', database='breakers')"
    )
    command = [sys.executable, "-c", code, json.dumps(settings)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)


def overlapping(entries: list[dict[str, Any]]) -> int:
    """Return how many calls were inside the upstream at the same time, at most."""
    inside, most = 0, 0
    for entry in sorted(entries, key=lambda entry: entry["at"]):
        inside += 1 if entry["what"] == "enter" else -1
        most = max(most, inside)
    return most


def test_of_many_failing_processes_exactly_one_opens_and_one_tries(
    site: Callable[..., Site],
) -> None:
    """Guarantees G1 and G2."""
    it = site(failure_threshold=3, open_timeout=0.1)
    workers = it.start(WORKERS)
    everybody(workers, "call", outcome="succeed")
    everybody(workers, "loop", seconds=1, outcome="fail", hold=0.0)
    before = len(it.entries())
    everybody(workers, "loop", seconds=3, outcome="fail", hold=0.02)
    trials = it.entries()[before:]

    assert overlapping(trials) == 1
    assert len({entry["pid"] for entry in trials}) > 1
    fleet = [event for event in it.events() if event["kind"] == "fleet"]
    assert [(e["from"], e["to"]) for e in fleet[:2]] == [("closed", "open"), ("open", "half_open")]
    assert all(earlier["to"] == later["from"] for earlier, later in itertools.pairwise(fleet)), (
        "two processes made the same transition"
    )
    assert len(fleet) >= len(trials)  # into half-open and out of it, for each trial


def test_all_processes_go_on_after_the_upstream_recovered(site: Callable[..., Site]) -> None:
    it = site(failure_threshold=3, open_timeout=0.1)
    workers = it.start(WORKERS)
    everybody(workers, "loop", seconds=0.5, outcome="fail", hold=0.0)
    wait_until(
        lambda: set(everybody(workers, "call", outcome="succeed")) == {"done"},
        "every process calls the upstream again",
    )
    closed = [e for e in it.events() if e["kind"] == "fleet" and e["to"] == "closed"]
    assert len(closed) == 1


def test_a_worker_killed_in_its_trial_delays_the_next_one_by_no_more_than_trial_timeout(
    site: Callable[..., Site],
) -> None:
    """Guarantee G3."""
    it = site(failure_threshold=3, open_timeout=0.1, trial_timeout=TRIAL_TIMEOUT)
    dying, *others = it.start(3)
    assert [dying.ask("call", outcome="fail") for _ in range(3)] == ["failed"] * 3
    hang_in_a_trial(it, dying)
    dying.end()
    it.workers.remove(dying)
    began = [entry["at"] for entry in it.entries() if entry["what"] == "enter"][-1]

    wait_until(lambda: "done" in everybody(others, "call", outcome="succeed"), "another trial", 10)
    waited = time.monotonic() - began
    assert waited > TRIAL_TIMEOUT * 0.8, "the dead worker's permit was given away too early"
    assert waited < TRIAL_TIMEOUT + 1.5


def hang_in_a_trial(it: Site, worker: Worker) -> None:
    """Let *worker* call until it is let in, and stay inside the upstream."""
    before = len(it.entries())
    while True:
        worker.tell("call", outcome="fail", hold=60.0)
        wait_until(lambda: _answered(worker) or len(it.entries()) > before, "let in or rejected")
        if len(it.entries()) > before:
            return
        assert worker.hear() == "rejected"


def _answered(worker: Worker) -> bool:
    import select

    assert worker.process.stdout is not None
    return bool(select.select([worker.process.stdout], [], [], 0.02)[0])


def test_a_reset_in_one_process_is_obeyed_by_all(site: Callable[..., Site]) -> None:
    """Guarantee G4."""
    it = site(failure_threshold=3, open_timeout=600)
    workers = it.start(WORKERS)
    for each in workers[:3]:
        each.ask("call", outcome="fail")
    wait_until(
        lambda: set(everybody(workers, "call", outcome="succeed")) == {"rejected"},
        "every process rejects",
    )
    at = time.monotonic()
    assert workers[5].ask("reset") is None
    wait_until(
        lambda: set(everybody(workers, "call", outcome="succeed")) == {"done"},
        "every process obeys",
        5,
    )
    assert time.monotonic() - at < REFRESH + 1.5
    operator = [event for event in it.events() if event["kind"] == "operator"]
    assert [event["rule"] for event in operator] == ["reset"]


def test_at_a_visitors_pace_the_third_failure_opens_whichever_workers_saw_them(
    site: Callable[..., Site],
) -> None:
    it = site(failure_threshold=3, open_timeout=600)
    workers = it.start(4)
    everybody(workers, "call", outcome="succeed")
    it.log.write_text("")
    answers = []
    for click in range(8):
        answers.append(workers[click % 4].ask("call", outcome="fail"))
        at = time.monotonic()
        wait_until(lambda at=at: time.monotonic() - at > REFRESH, "the next click", 5)  # type: ignore[misc]
    assert answers == ["failed"] * 3 + ["rejected"] * 5
    assert os.path.getsize(it.log) > 0
    assert len(it.entries()) == 2 * 3
