"""Rule 1: what the end of a call says about the dependency.

This module only tells success, failure and ignored apart. What follows from that is ``decide``'s.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from breaker_core.errors import CircuitOpenError
from breaker_core.record import clip

if TYPE_CHECKING:
    from collections.abc import Callable

    from breaker_core.config import BreakerConfig

logger = logging.getLogger("breaker")

MOST_LEARNED = 200
"""Classes of errors whose verdict is remembered."""


class Outcome(Enum):
    """What one call says about the dependency."""

    SUCCESS = "success"
    FAILURE = "failure"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conventions:
    """What a framework's own answers mean; applied where the configuration says nothing.

    ``is_answer(error)`` is true for exceptions that are answers, such as "404 not found": the
    dependency works. ``is_failure(result)`` is true for results that are failures, such as a
    response of status 500.
    """

    is_answer: Callable[[BaseException], bool] | None = None
    is_failure: Callable[[Any], bool] | None = None


NO_CONVENTIONS = Conventions()


class Verdict:
    """Judges errors and results by one configuration."""

    __slots__ = ("_config", "_is_answer", "_plain", "_predicates", "plain_failures")

    def __init__(self, config: BreakerConfig, conventions: Conventions = NO_CONVENTIONS) -> None:
        self._config = config
        self._plain = config.failure_on == (Exception,)
        self._is_answer = conventions.is_answer if self._plain else None
        predicates = (config.failure_if, conventions.is_failure)
        self._predicates = tuple(each for each in predicates if each is not None)
        self.plain_failures: dict[type[BaseException], str] = {}
        """What the record keeps of errors whose class alone says that they are failures."""

    def of_error(self, error: BaseException) -> Outcome:
        """Return what *error*, raised by the call, says."""
        if isinstance(error, self._config.ignore):
            return Outcome.IGNORED
        if isinstance(error, CircuitOpenError) and self._unlisted(error):
            return Outcome.IGNORED
        if self._is_answer is not None and self._quietly(self._is_answer, error):
            return Outcome.SUCCESS
        if isinstance(error, self._config.failure_on):
            return Outcome.FAILURE
        return Outcome.SUCCESS if isinstance(error, Exception) else Outcome.IGNORED

    def judge(self) -> Callable[[object], bool] | None:
        """Return what tells whether a result is a failure, and never raises; None if none is."""
        if not self._predicates:
            return None
        if len(self._predicates) > 1:
            return lambda result: self.of_result(result) is Outcome.FAILURE
        (predicate,) = self._predicates

        def judge_by_one(result: object) -> bool:  # on the fast path: a frame less, no loop
            try:
                return bool(predicate(result))
            except Exception:
                return _taken_for_false(predicate)

        return judge_by_one

    def learn(self, error: BaseException) -> str:
        """Return the text of *error* if every error of its class is a failure; else nothing.

        What a class means is looked up from then on in ``plain_failures``.
        """
        kind = type(error)
        known = self._is_answer is None and not self._config.record_error_messages
        if not known or self.of_error(error) is not Outcome.FAILURE:
            return ""
        text = self.text_of_error(error)
        if len(self.plain_failures) < MOST_LEARNED:
            self.plain_failures[kind] = text
        return text

    def seconds_asked(self, value: object) -> float | None:
        """Return for how long *value*, an error or a result, asks to be left alone, in seconds."""
        ask = self._config.retry_after_from
        if ask is None:
            return None
        try:
            seconds = ask(value)
            asked = None if seconds is None else float(seconds)
        except Exception:
            logger.exception("retry_after_from %r failed and asks for nothing", ask)
            return None
        return asked if asked is not None and math.isfinite(asked) and asked > 0 else None

    def _unlisted(self, error: CircuitOpenError) -> bool:
        """Whether nothing in ``failure_on`` means *error*; a root of all exceptions does not."""
        roots = (Exception, BaseException)
        listed = tuple(kind for kind in self._config.failure_on if kind not in roots)
        return not isinstance(error, listed)

    def of_result(self, result: object) -> Outcome:
        """Return what *result*, returned by the call, says.

        A predicate that raises is our trouble, not the dependency's: logged, and a success.
        """
        for predicate in self._predicates:
            if self._quietly(predicate, result):
                return Outcome.FAILURE
        return Outcome.SUCCESS

    def _quietly(self, predicate: Callable[[Any], bool], value: object) -> bool:
        try:
            return bool(predicate(value))
        except Exception:
            return _taken_for_false(predicate)

    def text_of_error(self, error: BaseException) -> str:
        """Return what the record keeps of *error*: its class, and its text if that is wanted."""
        try:
            name = str(type(error).__qualname__)
        except Exception:  # a metaclass can do that
            name = "an exception"
        if not self._config.record_error_messages:
            return clip(name)
        try:
            return clip(f"{name}: {error}")
        except Exception:
            return clip(name)

    def text_of_result(self, result: object) -> str:
        """Return what the record keeps of a *result* that is a failure: never its contents."""
        name = type(result).__qualname__
        try:
            status = getattr(result, "status_code", None)
        except Exception:
            status = None
        return clip(f"{name} {status}" if type(status) is int else name)


def _taken_for_false(predicate: object) -> bool:
    """Log the error of *predicate* being handled; return what it counts as."""
    logger.exception("the predicate %r failed and is taken for false", predicate)
    return False
