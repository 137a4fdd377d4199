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
    try:
        return await asyncio.shield(asyncio.wrap_future(future))
    except asyncio.CancelledError:
        if unwanted is not None:
            future.add_done_callback(lambda done: _hand_over(done, unwanted))
        raise


def _hand_over(done: Future[T], unwanted: Callable[[T], object]) -> None:
    if not done.cancelled() and done.exception() is None:
        unwanted(done.result())
