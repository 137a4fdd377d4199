"""How a process of the demo ends: when it is told to, or when the one that started it is gone."""

import ctypes
import signal
import sys
from typing import NoReturn

PR_SET_PDEATHSIG = 1


def on_sigterm_exit() -> None:
    """Make SIGTERM end this process as Ctrl-C does, with all ``finally`` blocks run."""
    signal.signal(signal.SIGTERM, _exit)


def _exit(number: int, frame: object) -> NoReturn:
    raise SystemExit(0)


def end_with_starter() -> None:
    """Send SIGTERM to this process if its starter dies without a chance to stop it (Linux only)."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
