"""The thread that runs a process's SQL: callers wait a bounded time, whatever the database does."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from breaker_core.stores import CacheStore, SeenText, SqlConnection, Stored, StoreError, worker
from breaker_core.stores.worker import Worker
from tests.servers import PostgresServer, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


class Connection:
    """A connection that only knows whether it was closed, and in which thread it was opened."""

    opened: int = 0

    def __init__(self) -> None:
        self.thread = threading.current_thread()
        self.closed = threading.Event()

    def execute(self, statement: str, values: Any) -> Any:
        raise NotImplementedError

    def time(self, when: Any) -> Any:
        raise NotImplementedError

    def close(self) -> None:
        self.closed.set()


class Connections:
    """Remembers every connection that it opened."""

    def __init__(self) -> None:
        self.opened: list[Connection] = []

    def __call__(self) -> SqlConnection:
        self.opened.append(Connection())
        return self.opened[-1]


@pytest.fixture
def connections() -> Connections:
    return Connections()


@pytest.fixture
def running(connections: Connections) -> Iterator[Worker]:
    made = Worker(connections)
    yield made
    made.close()


def test_a_worker_that_was_not_used_has_neither_thread_nor_connection(
    connections: Connections,
) -> None:
    before = threading.active_count()
    Worker(connections)
    assert threading.active_count() == before
    assert connections.opened == []


def test_all_jobs_run_on_one_connection_in_one_thread(
    running: Worker, connections: Connections
) -> None:
    threads = {running.run(lambda connection: threading.current_thread()) for _ in range(5)}
    assert len(connections.opened) == 1
    assert threads == {connections.opened[0].thread}
    assert connections.opened[0].thread.daemon


def test_a_job_that_fails_costs_the_connection(running: Worker, connections: Connections) -> None:
    def broken(connection: SqlConnection) -> None:
        raise OSError("gone\n[SQL: SELECT secret]")

    with pytest.raises(StoreError) as caught:
        running.run(broken)
    assert str(caught.value) == "OSError: gone"
    assert connections.opened[0].closed.is_set()
    assert running.run(lambda connection: "fine") == "fine"
    assert len(connections.opened) == 2


@pytest.mark.parametrize("said", ["database is locked", "database table is locked: x", "busy"])
def test_a_lock_of_somebody_else_does_not_cost_the_connection(
    running: Worker, connections: Connections, said: str
) -> None:
    def locked(connection: SqlConnection) -> None:
        raise sqlite3.OperationalError(said)

    for _ in range(3):
        with pytest.raises(StoreError):
            running.run(locked)
    assert len(connections.opened) == 1
    assert not connections.opened[0].closed.is_set()


def test_a_caller_waits_no_longer_than_its_budget(running: Worker) -> None:
    running.run(lambda connection: None)
    go_on = threading.Event()
    began = time.monotonic()
    with pytest.raises(StoreError, match=r"no answer within 0\.25 s"):
        running.run(lambda connection: go_on.wait(30))
    go_on.set()
    assert time.monotonic() - began < 5


def test_a_job_that_nobody_waits_for_any_more_is_not_begun(running: Worker) -> None:
    running.run(lambda connection: None)
    go_on, ran = threading.Event(), threading.Event()
    for job in (lambda connection: go_on.wait(30), lambda connection: ran.set()):
        with pytest.raises(StoreError):
            running.run(job)
    go_on.set()
    running.run(lambda connection: None)
    assert not ran.is_set()


def test_a_thread_that_hangs_is_left_to_itself(
    running: Worker, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "STUCK", 0.1)
    running.run(lambda connection: None)
    go_on = threading.Event()
    with pytest.raises(StoreError):
        running.run(lambda connection: go_on.wait(30))
    assert running.run(lambda connection: "fine") == "fine"
    assert len(connections.opened) == 2
    go_on.set()
    assert connections.opened[0].closed.wait(10), "the old thread closes its connection"


def test_threads_that_hang_do_not_pile_up(
    connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "STUCK", 0.01)
    monkeypatch.setattr(worker, "BUDGET", 0.05)
    monkeypatch.setattr(worker, "BUDGET_TO_OPEN", 0.05)
    running, go_on = Worker(connections), threading.Event()
    for _ in range(worker.MOST_STUCK + 3):
        with pytest.raises(StoreError):
            running.run(lambda connection: go_on.wait(30))
    assert len(connections.opened) == worker.MOST_STUCK + 1
    go_on.set()
    running.close()


def test_an_idle_worker_gives_up_connection_and_thread(
    running: Worker, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "IDLE", 0.05)
    running.run(lambda connection: None)
    wait_until(lambda: not connections.opened[0].thread.is_alive(), "the thread ends")
    assert connections.opened[0].closed.is_set()
    assert running.run(lambda connection: "fine") == "fine"
    assert len(connections.opened) == 2


def test_many_callers_each_get_their_own_answer(running: Worker) -> None:
    answers: dict[int, int] = {}

    def ask(number: int) -> None:
        answers[number] = running.run(lambda connection: number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)
    assert answers == {number: number for number in range(20)}


def test_a_child_of_a_fork_opens_a_connection_of_its_own(
    running: Worker, connections: Connections
) -> None:
    running.run(lambda connection: None)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            mine = running.run(lambda connection: os.getpid())
            parents = connections.opened[0]
            code = 0 if mine == os.getpid() and not parents.closed.is_set() else 1
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert running.run(lambda connection: "parent") == "parent"
    assert len(connections.opened) == 1


def test_in_a_child_that_was_told_of_the_fork_a_lock_of_the_parent_holds_nobody(
    tmp_path: Path,
) -> None:
    store = CacheStore(f"sqlite:///{tmp_path}/breakers.db")
    store.load(["r:1:a"])
    texts: Any = store._texts
    with texts._worker._lock:
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            code = 1
            try:
                store.after_fork()
                # a thread, because this one holds the lock as far as a reentrant lock knows
                asking = threading.Thread(target=store.load, args=(["r:1:a"],))
                asking.start()
                asking.join(10)
                code = int(asking.is_alive())
            finally:
                os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    store.close()


def test_a_child_has_all_that_is_new_before_it_counts_as_told() -> None:
    seen: list[str] = []

    class Watched(Worker):
        def __setattr__(self, name: str, value: object) -> None:
            seen.append(name)
            super().__setattr__(name, value)

    Watched(Connections()).after_fork()
    assert seen[-1] == "_pid"


def test_a_signal_handler_may_use_a_store_whose_lock_its_thread_holds(
    running: Worker, connections: Connections
) -> None:
    answers: list[object] = []
    running.run(lambda connection: None)
    desk = running._desk
    assert desk is not None

    def handle(number: int, frame: object) -> None:
        answers.append(running.run(lambda connection: "fine"))

    before = signal.signal(signal.SIGUSR1, handle)
    watchdog = threading.Timer(20, os._exit, [99])
    watchdog.start()
    try:
        with running._lock, desk._lock:
            signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)
        watchdog.cancel()
    assert answers == ["fine"]


def test_a_worker_may_be_closed_while_a_job_is_handed_in(
    running: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = worker._Desk.take

    def interrupted(desk: Any, job: Any) -> Any:
        future = take(desk, job)
        running.close()  # as a signal handler of this thread may
        return future

    monkeypatch.setattr(worker._Desk, "take", interrupted)
    assert running.run(lambda connection: "fine") == "fine"


def test_a_locked_sqlite_file_holds_nobody(tmp_path: Path) -> None:
    path = tmp_path / "breakers.db"
    store = CacheStore(f"sqlite:///{path}")
    assert store.replace("r:1:a", SeenText(None), "one", seconds=60) is Stored.STORED
    locker = sqlite3.connect(path, isolation_level=None)
    locker.execute("BEGIN EXCLUSIVE")
    began = time.monotonic()
    for _ in range(4):
        assert store.replace("r:1:b", SeenText(None), "one", seconds=60) is Stored.UNCLEAR
    assert time.monotonic() - began < 4 * worker.BUDGET + 0.5
    locker.execute("ROLLBACK")
    locker.close()
    wait_until(lambda: _stores(store), "the store works again")
    store.close()


def test_a_connection_that_cannot_be_set_up_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "breakers.db"
    store = CacheStore(f"sqlite:///{path}", table="sqlite_refuses_this_name")
    with pytest.raises(StoreError) as caught:
        store.load(["r:1:a"])
    assert _open_files(path) == 0, f"after {caught.value}"
    store.close()


def _open_files(path: Path) -> int:
    links = Path("/proc/self/fd").iterdir()
    return sum(os.path.realpath(link) == str(path) for link in links)


def _stores(store: CacheStore) -> bool:
    return store.replace("r:1:b", SeenText(None), "one", seconds=60) is not Stored.UNCLEAR


def test_a_frozen_postgres_holds_nobody() -> None:
    server = PostgresServer()
    server.start()
    store = CacheStore(server.url)
    try:
        store.load(["r:1:a"])
        server.freeze(signal.SIGSTOP)
        began = time.monotonic()
        with pytest.raises(StoreError):
            store.load(["r:1:a"])
        assert store.replace("r:1:a", SeenText(None), "x", seconds=60) is Stored.UNCLEAR
        assert time.monotonic() - began < 3
        server.freeze(signal.SIGCONT)
        wait_until(lambda: _loads(store), "the store works again")
    finally:
        store.close()
        server.freeze(signal.SIGCONT)
        server.remove()


def _loads(store: CacheStore) -> bool:
    try:
        store.load(["r:1:a"])
    except StoreError:
        return False
    return True
