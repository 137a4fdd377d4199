"""Running what may block for asynchronous callers: a few threads of our own."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

MOST_THREADS = 8

_pool: ThreadPoolExecutor | None = None
_pool_pid = 0


def _executor() -> ThreadPoolExecutor:
    """Return the pool of this process: threads do not survive a fork."""
    global _pool, _pool_pid  # noqa: PLW0603 - one pool per process is the point
    if _pool is None or _pool_pid != os.getpid():
        _pool = ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="breaker")
        _pool_pid = os.getpid()
    return _pool


async def run(work: Callable[[], T], *, unwanted: Callable[[T], object] | None = None) -> T:
    """Return what *work* returns, run in a thread.

    When the caller is cancelled meanwhile, *work* still ends, and its result goes to *unwanted*.
    """
    future = _executor().submit(work)
    waiting = asyncio.wrap_future(future)
    try:
        return await asyncio.shield(waiting)
    except asyncio.CancelledError:
        waiting.add_done_callback(_hear)
        if unwanted is not None:
            future.add_done_callback(lambda done: _hand_over(done, unwanted))
        raise


def start(work: Callable[[], object]) -> None:
    """Run *work* in a thread and do not wait: for callers that may not await any more."""
    _executor().submit(work)


def _hear(future: asyncio.Future[T]) -> None:
    """Take an error that nobody waits for any more, so that asyncio does not complain of it."""
    if not future.cancelled():
        future.exception()


def _hand_over(done: Future[T], unwanted: Callable[[T], object]) -> None:
    if not done.cancelled() and done.exception() is None:
        unwanted(done.result())
