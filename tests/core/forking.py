"""Trying something in a forked child."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


def ends_within(seconds: float, work: Callable[[], object]) -> bool:
    """Whether *work*, in a thread of its own, ends in time."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()


def ends_in_child(work: Callable[[], object]) -> bool:
    """Whether *work* ends within 3 s in a forked child."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = 0 if ends_within(3, work) else 1
        finally:
            os._exit(code)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.01)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    return False
