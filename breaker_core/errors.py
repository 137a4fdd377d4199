"""What can go wrong, as exceptions.

BreakerError                 root of everything raised by this package
├── CircuitOpenError         a call was rejected, the dependency was not touched
├── StaleActError            an operator's act expected what is true no more
└── ConfigurationError       a setting or an argument is wrong (also a ValueError)
    └── UnknownBreakerError  a name is not configured (also a KeyError)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from breaker_core.record import State


class BreakerError(Exception):
    """Root of this package's errors; raised itself when an operator's act was not stored."""


class ConfigurationError(BreakerError, ValueError):
    """A configuration is wrong; the message names the place, the value and what is allowed."""


class CircuitOpenError(BreakerError):
    """A call was rejected because its breaker lets no call through.

    Every rejection raises a fresh one, so no traceback grows. The values live in ``args``
    and the text is made only when somebody reads it: rejecting has to be cheap exactly
    while everything fails.
    """

    @property
    def name(self) -> str:
        """The breaker's name."""
        name: str = self.args[0]
        return name

    @property
    def state(self) -> State:
        """The state of the breaker when it rejected the call."""
        state: State = self.args[1]
        return state

    @property
    def retry_after(self) -> float | None:
        """Seconds until a call may pass; None when nobody knows (forced open without an end)."""
        seconds: float | None = self.args[2]
        return seconds

    @property
    def reason(self) -> str:
        """Why the breaker rejects: the deciding numbers, or the operator's words."""
        reason: str = self.args[3]
        return reason

    @property
    def last_error(self) -> str:
        """Class (and, if recorded, text) of the last error seen; empty when there is none."""
        error: str = self.args[4]
        return error

    def __str__(self) -> str:
        wait = "" if self.retry_after is None else f", retry in {self.retry_after:.1f} s"
        reason = f": {self.reason}" if self.reason else ""
        return f"circuit breaker {self.name!r} is {self.state.value}{reason}{wait}"


class StaleActError(BreakerError):
    """An operator's act was decided on a state that has changed since; nothing was changed."""


class UnknownBreakerError(ConfigurationError, KeyError):
    """A name was looked up that is not configured; the message names the nearest one."""

    def __str__(self) -> str:  # KeyError would show the message in quotes
        return str(self.args[0])
