"""What ``breaker.attempt`` answers: how one call went, as a value for a ``match`` statement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from breaker_core.errors import CircuitOpenError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Success(Generic[T]):
    """The function returned *value*.

    Also when ``failure_if`` counted that result as a failure: the value is the caller's to judge.
    """

    value: T


@dataclass(frozen=True, slots=True)
class Failure:
    """The function raised *error*, whatever the breaker counts that as.

    A CircuitOpenError here was raised by the function: another breaker rejected inside it.
    """

    error: Exception


@dataclass(frozen=True, slots=True)
class Rejected:
    """The breaker let no call through; the function was not called."""

    retry_after: float | None
    """Seconds until a call may pass; None when nobody knows (forced open without an end)."""
    error: CircuitOpenError
    """What ``call`` would have raised: the breaker's name, why it rejects, the last error."""


Attempt = Success[T] | Failure | Rejected
"""``Attempt[int]`` is what ``breaker.attempt`` answers for a function that returns an int."""
