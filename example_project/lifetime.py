"""How a process of the demo ends: when it is told to, or when the one that started it is gone."""

import ctypes
import signal
import sys
from typing import NoReturn

PR_SET_PDEATHSIG = 1
ENDING = (signal.SIGINT, signal.SIGTERM)


def exit_when_told() -> None:
    """Make SIGTERM and Ctrl-C end this process once, with all ``finally`` blocks run."""
    for number in ENDING:
        signal.signal(number, _exit)


def _exit(number: int, frame: object) -> NoReturn:
    for each in ENDING:
        signal.signal(each, signal.SIG_IGN)  # an impatient second one would leave orphans
    raise SystemExit(0)


def end_with_starter() -> None:
    """Send SIGTERM to this process if its starter dies without a chance to stop it (Linux only)."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
