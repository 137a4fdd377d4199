"""One thread with one connection that runs a process's SQL, and callers that wait a bounded time.

The thread and its connection come with the first job and go when there is nothing to do. A job
that nobody began is taken back when its caller's time is over; one under way may still end, which
a compare-and-set makes harmless. After a fork everything begins anew.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Any, TypeVar

from breaker_core.stores.base import BUDGET, StoreError

if TYPE_CHECKING:
    from breaker_core.stores.sql import SqlConnection

logger = logging.getLogger("breaker")

BUDGET_TO_OPEN = 1.0
"""Seconds that a job may take that has to open the connection first."""
IDLE = 60.0
"""Seconds without a job after which connection and thread are given up."""
STUCK = 10.0
"""Seconds after which a thread that does not come back is left to itself."""
MOST_STUCK = 4

T = TypeVar("T")
_kept_from_parents: list[object] = []
"""Connections that belong to a parent process: closing them here would end them there."""


class Worker:
    """Runs jobs one after another on a connection that *connect* opens."""

    def __init__(self, connect: Callable[[], SqlConnection]) -> None:
        self._connect = connect
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.RLock()  # a signal handler may call in
        self._desk: _Desk | None = None
        self._stuck: list[_Desk] = []
        self._pid = os.getpid()  # last: it tells other threads that the lock is ours

    def after_fork(self) -> None:
        """Leave thread, connection and lock to the parent; called in the child."""
        _kept_from_parents.extend([self._desk, *self._stuck])
        self._begin()

    def run(self, job: Callable[[SqlConnection], T]) -> T:
        """Return what *job* returns. Raises StoreError when it failed or took too long."""
        if self._pid != os.getpid():
            self.after_fork()
        desk, future = self._submit(job)
        budget = BUDGET if desk.connected else BUDGET_TO_OPEN
        try:
            return future.result(budget)
        except TimeoutError:
            future.cancel()
            raise StoreError(f"no answer within {budget:g} s") from None
        except CancelledError:
            raise StoreError("the connection was given up") from None
        except Exception as error:
            raise StoreError(_first_line(error)) from error

    def close(self) -> None:
        """Give up thread and connection; the next job opens them again."""
        with self._lock:
            desk, self._desk = self._desk, None
        if desk is not None and self._pid == os.getpid():
            desk.dismiss()

    def _submit(self, job: Callable[[SqlConnection], T]) -> tuple[_Desk, Future[T]]:
        with self._lock:
            desk = self._desk
            if desk is not None and desk.stuck_for() > STUCK:
                self._abandon(desk)
            while True:
                desk = self._desk = self._desk or _Desk(self._connect)
                future = desk.take(job)
                if future is not None:
                    return desk, future
                self._desk = None

    def _abandon(self, desk: _Desk) -> None:
        """Begin with a fresh thread beside one that hangs, but not without limit."""
        self._stuck = [each for each in self._stuck if each.alive()]
        if len(self._stuck) < MOST_STUCK:
            self._stuck.append(desk)
            desk.dismiss()
            self._desk = None


_Item = tuple[Callable[["SqlConnection"], Any], Future[Any]]


class _Desk:
    """One thread, its connection and the jobs that wait for it."""

    def __init__(self, connect: Callable[[], SqlConnection]) -> None:
        self._connect = connect
        self._jobs: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._lock = threading.RLock()  # a signal handler may call in
        self._open = True
        self._busy_since: float | None = None
        self._connection: SqlConnection | None = None
        self._thread = threading.Thread(target=self._work, name="breaker-sql", daemon=True)
        self._thread.start()

    @property
    def connected(self) -> bool:
        return self._connection is not None

    def take(self, job: Callable[[SqlConnection], T]) -> Future[T] | None:
        """Put *job* in the queue; None when this desk is closed."""
        with self._lock:
            if not self._open or not self._thread.is_alive():
                return None
            future: Future[T] = Future()
            self._jobs.put((job, future))
            return future

    def dismiss(self) -> None:
        """Take no more jobs, and close the connection when the last one has ended."""
        with self._lock:
            self._open = False
        self._jobs.put(None)

    def stuck_for(self) -> float:
        """Return for how many seconds the job under way has been running."""
        since = self._busy_since
        return 0.0 if since is None else time.monotonic() - since

    def alive(self) -> bool:
        return self._thread.is_alive()

    def _work(self) -> None:
        while True:
            try:
                item = self._jobs.get(timeout=IDLE)
            except queue.Empty:
                if self._close_if_idle():
                    break
                continue
            if item is None:
                break
            self._do(*item)
        self._drop_connection()
        self._refuse_rest()

    def _close_if_idle(self) -> bool:
        with self._lock:
            if self._jobs.empty():
                self._open = False
            return not self._open

    def _do(self, job: Callable[[SqlConnection], Any], future: Future[Any]) -> None:
        if not future.set_running_or_notify_cancel():
            return
        self._busy_since = time.monotonic()
        try:
            if self._connection is None:
                self._connection = self._connect()
            future.set_result(job(self._connection))
        except BaseException as error:
            if not _locked(error):
                self._drop_connection()
            future.set_exception(error)
        finally:
            self._busy_since = None

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            connection.close()
        except Exception as error:
            logger.debug("closing a breaker's database connection failed: %s", error)

    def _refuse_rest(self) -> None:
        while not self._jobs.empty():
            item = self._jobs.get()
            if item is not None:
                item[1].cancel()


def _locked(error: BaseException) -> bool:
    """Whether another connection locks a SQLite file: ours is as good as before.

    Were it opened anew, the next caller would wait the longer time of an opening.
    """
    said = str(error).partition("\n")[0]
    return type(error).__name__ == "OperationalError" and ("locked" in said or "busy" in said)


def _first_line(error: Exception) -> str:
    """Return *error* without the statement and its values, which some drivers add."""
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
