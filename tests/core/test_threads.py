"""What may block runs in threads of our own for asynchronous callers."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from typing import TYPE_CHECKING, NoReturn

import pytest

from breaker_core import threads
from tests.core.forking import ends_in_child, needs_fork

if TYPE_CHECKING:
    from collections.abc import Callable


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_what_the_work_returns_comes_back() -> None:
    """From another thread."""
    assert asyncio.run(threads.run(threading.get_ident)) != threading.get_ident()


def test_what_the_work_raises_comes_back() -> None:
    """The very same."""

    def broken() -> NoReturn:
        raise LookupError("no")

    with pytest.raises(LookupError, match=r"^no$"):
        asyncio.run(threads.run(broken))


def test_the_loop_goes_on_while_the_work_waits() -> None:
    """It never blocks."""
    go = threading.Event()

    async def main() -> bool:
        waiting = asyncio.create_task(threads.run(lambda: go.wait(5)))
        await asyncio.sleep(0)
        go.set()
        return await waiting

    assert asyncio.run(main())


@pytest.mark.parametrize("fails", [False, True])
def test_the_result_of_cancelled_work_is_handed_over_if_there_is_one(fails: bool) -> None:
    """So that a permit which arrives too late goes back; also when the loop is closed by then."""
    started, go, ended = threading.Event(), threading.Event(), threading.Event()
    unwanted: list[str] = []

    def work() -> str:
        started.set()
        assert go.wait(5)
        ended.set()
        if fails:
            raise LookupError
        return "permit"

    async def main() -> None:
        task = asyncio.create_task(threads.run(work, unwanted=unwanted.append))
        await asyncio.to_thread(started.wait, 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert unwanted == []
    go.set()
    assert ended.wait(5)
    if fails:
        asyncio.run(threads.run(os.getpid))
        assert unwanted == []
    else:
        until(lambda: unwanted == ["permit"])


def test_the_result_that_arrived_is_handed_to_nobody_else() -> None:
    """The caller has it."""
    unwanted: list[int] = []
    assert asyncio.run(threads.run(lambda: 7, unwanted=unwanted.append)) == 7
    assert unwanted == []


@needs_fork
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_has_threads_of_its_own() -> None:
    """G8: the parent's do not exist there."""
    asyncio.run(threads.run(os.getpid))
    assert ends_in_child(lambda: asyncio.run(threads.run(os.getpid)))
