"""The options of a breaker, and the errors that teach how to write them.

One validator serves keyword arguments, Django's settings and Flask's config. It knows the options
and their limits; it does not know where they came from: the caller hands in the *place* that the
error message names.
"""

from __future__ import annotations

import difflib
import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from importlib import import_module
from typing import Any

from breaker_core.errors import ConfigurationError

Seconds = float
"""Durations are kept as seconds; every option takes a number or a ``timedelta``."""

MOST_TRIALS = 1000
MOST_CALLS = 1_000_000
NAME_LIMIT = 100
SHOWN = 200
"""Characters of a wrong value that a message shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerConfig:
    """How one breaker behaves. Frozen; wrong values raise ConfigurationError when it is made."""

    failure_threshold: int | None = 5
    """Failures in a row that open it. None switches this policy off."""
    open_timeout: float | timedelta = 30.0
    """Seconds to stay open before a trial. 0: the next call is a trial."""
    open_timeout_max: float | timedelta | None = None
    """With it, each failed round doubles ``open_timeout`` up to this. None: no back-off."""
    open_timeout_jitter: float = 0.0
    """0 to 1: random share by which an open time is lengthened."""
    retry_after_from: Any = None
    """Callable (or its dotted path) from a failure's exception or result to the seconds that the
    dependency asks for, or None. Lengthens the open time, up to ``open_timeout_max`` or an hour."""
    half_open_max_calls: int = 1
    """Trials at a time, across all processes."""
    success_threshold: int = 1
    """Successful trials needed to close."""
    trial_timeout: float | timedelta = 60.0
    """Seconds after which a trial is given up for lost and its permit is free again."""
    failure_rate: float | None = None
    """Share of failed calls over the window, above 0 and up to 1, that opens it. None: off."""
    window: float | timedelta = 60.0
    """Seconds that the sliding window looks back, with a grain of a twentieth of it."""
    window_calls: int | None = None
    """With it, the window is the last so many calls instead of a time."""
    minimum_calls: int | None = None
    """Calls in the window below which no rate is judged. None: 20, or ``window_calls`` if less."""
    slow_call_duration: float | timedelta | None = None
    """Seconds; a call that takes longer is slow, and a slow trial fails. None: none is."""
    slow_call_rate: float | None = None
    """Share of slow calls over the window, above 0 and up to 1, that opens it. None: off."""
    failure_on: Any = (Exception,)
    """Exceptions that are failures: classes or dotted paths."""
    ignore: Any = ()
    """Exceptions that count neither way, checked before ``failure_on``: classes or dotted paths."""
    failure_if: Any = None
    """Predicate on the result (or its dotted path): true makes a returned result a failure."""
    fallback: Any = None
    """``fallback(error, *args, **kwargs)`` (or its dotted path), used when a call is rejected."""
    fallback_on_failure: bool = False
    """Let the fallback answer for failed calls as well; its *error* is then the call's own."""
    shadow: bool = False
    """Decide and count, reject nothing."""
    refresh_interval: float | timedelta = 1.0
    """Seconds that a process may go on with what it last saw in the shared store."""
    record_error_messages: bool = False
    """Keep the clipped text of the last error, not only its class. Texts can hold secrets."""
    vital: bool = False
    """While it is open, the site is not ready."""
    description: str = ""
    """What the dependency is for; shown to operators."""
    owner: str = ""
    """Whom to call; shown to operators."""
    runbook: str = ""
    """Where the runbook is; shown to operators."""

    def __post_init__(self) -> None:
        for option in fields(self):
            checked = _CHECKS[option.name](option.name, getattr(self, option.name))
            object.__setattr__(self, option.name, checked)
        self._refuse_contradictions()

    def _refuse_contradictions(self) -> None:
        if not self.judges_rates and self.failure_threshold is None:
            raise ConfigurationError(
                "failure_threshold=None switches off the only policy that opens this breaker; set "
                "it to a whole number of at least 1, or set failure_rate or slow_call_rate"
            )
        most = self.open_timeout_max
        if most is not None and seconds(most) < seconds(self.open_timeout):
            raise ConfigurationError(
                f"open_timeout_max={most!r} is below open_timeout={self.open_timeout!r}; "
                "it is the longest open time, so it must be at least as long"
            )
        self._refuse_contradictory_windows()
        if self.fallback_on_failure and self.fallback is None:
            raise ConfigurationError("fallback_on_failure=True needs a fallback")

    def _refuse_contradictory_windows(self) -> None:
        if self.slow_call_rate is not None and self.slow_call_duration is None:
            raise ConfigurationError(
                f"slow_call_rate={self.slow_call_rate!r} needs slow_call_duration: "
                "how long a call takes that is slow"
            )
        last, least = self.window_calls, self.minimum_calls
        if least is None:
            object.__setattr__(self, "minimum_calls", min(20, last or 20))
        elif last is not None and least > last:
            raise ConfigurationError(
                f"minimum_calls={least!r} is above window_calls={last!r}; "
                "the window never holds so many calls, so no rate would ever be judged"
            )

    @property
    def judges_rates(self) -> bool:
        """Whether a rate opens this breaker, so that its calls are counted in a window."""
        return self.failure_rate is not None or self.slow_call_rate is not None

    @classmethod
    def from_mapping(cls, options: Mapping[str, Any], *, place: str) -> BreakerConfig:
        """Return the configuration of *options*; errors begin with *place*.

        *place* says where the options were written, such as ``BREAKERS['payments']``.
        """
        if not isinstance(options, Mapping):
            raise ConfigurationError(
                f"{place}: must be a mapping of options, such as {{'failure_threshold': 3}}; "
                f"got {shown(options)}"
            )
        refuse_unknown(options, option_names(), place=place, kind="option")
        try:
            return cls(**options)
        except ConfigurationError as error:
            raise ConfigurationError(f"{place}: {error}") from error.__cause__


def check_options(options: Mapping[str, Any], *, place: str) -> None:
    """Raise ConfigurationError for the first option that is wrong by itself.

    Whether options contradict one another shows only where a breaker's own join the defaults.
    """
    refuse_unknown(options, option_names(), place=place, kind="option")
    for name, value in options.items():
        try:
            _CHECKS[name](name, value)
        except ConfigurationError as error:
            raise ConfigurationError(f"{place}: {error}") from error.__cause__


def shown(value: object) -> str:
    """Return *value* as messages show it: clipped, whatever its ``repr`` does."""
    try:
        text = repr(value)
    except Exception:
        return f"a {type(value).__name__} that cannot be shown"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def option_names() -> tuple[str, ...]:
    """Return the names of all options, in the order of the documentation."""
    return tuple(option.name for option in fields(BreakerConfig))


def refuse_unknown(given: Iterable[Any], known: Iterable[str], *, place: str, kind: str) -> None:
    """Raise ConfigurationError for the first name of *given* that is not *known*."""
    names = list(known)
    for name in given:
        if name not in names:
            raise ConfigurationError(f"{place}: unknown {kind} {shown(name)}{nearest(name, names)}")


def nearest(name: Any, known: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)``, or else the names there are, for the end of a message."""
    names = sorted(known)
    by_lower = {each.lower(): each for each in names}
    wanted = name.lower() if isinstance(name, str) else ""
    matches = difflib.get_close_matches(wanted, by_lower, n=1)
    if matches:
        return f" (did you mean {by_lower[matches[0]]!r}?)"
    return f" (known: {', '.join(names)})" if names else " (none are configured)"


def check_name(name: Any, *, place: str) -> str:
    """Return *name* if a breaker may be called so; else raise ConfigurationError."""
    if not isinstance(name, str) or not 1 <= len(name) <= NAME_LIMIT or not name.isprintable():
        raise ConfigurationError(
            f"{place}: a breaker's name must be a text of 1 to {NAME_LIMIT} printable "
            f"characters; got {shown(name)}"
        )
    return name


def seconds(duration: float | timedelta) -> float:
    """Return *duration* in seconds."""
    return duration.total_seconds() if isinstance(duration, timedelta) else float(duration)


def import_dotted(path: str, *, option: str) -> Any:
    """Return what the dotted *path* names; ConfigurationError says why it can't be had."""
    module_name, _, attribute = path.rpartition(".")
    if not module_name:
        raise ConfigurationError(
            f"{option}: {path!r} is not a dotted path, such as 'package.module.name'"
        )
    try:
        module = import_module(module_name)
    except Exception as error:
        raise ConfigurationError(
            f"{option}: cannot import {path!r}: {type(error).__name__}: {error}"
        ) from error
    try:
        return getattr(module, attribute)
    except AttributeError:
        hint = nearest(attribute, [name for name in vars(module) if not name.startswith("_")])
        raise ConfigurationError(
            f"{option}: module {module_name!r} has no {attribute!r}"
            + (hint if hint.startswith(" (did") else "")
        ) from None


def _wrong(option: str, allowed: str, value: Any) -> ConfigurationError:
    return ConfigurationError(f"{option} must be {allowed}; got {shown(value)}")


def _whole(least: int, most: int | None, *, none: bool = False) -> Callable[[str, Any], Any]:
    span = f"of at least {least}" if most is None else f"from {least} to {most}"
    allowed = f"a whole number {span}{', or None' if none else ''}"

    def check(option: str, value: Any) -> Any:
        if none and value is None:
            return None
        if type(value) is not int or value < least or (most is not None and value > most):
            raise _wrong(option, allowed, value)
        return value

    return check


def _duration(*, zero: bool, none: bool = False) -> Callable[[str, Any], Any]:
    span = "0 or more" if zero else "more than 0"
    allowed = f"{span} seconds, as a number or a timedelta{', or None' if none else ''}"

    def check(option: str, value: Any) -> Any:
        if none and value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float | timedelta):
            raise _wrong(option, allowed, value)
        length = _finite(value)
        if length is None or length < 0 or (length == 0 and not zero):
            raise _wrong(option, allowed, value)
        return length

    return check


LONGEST = 100 * 366 * 86400.0
"""A century: longer durations are typing errors, and would overflow dates."""


def _finite(value: float | timedelta) -> float | None:
    try:
        length = seconds(value)
    except OverflowError:
        return None
    return length if math.isfinite(length) and length <= LONGEST else None


check_length = _duration(zero=False, none=True)
"""``check_length(name, value)`` returns a length of time in seconds, or None."""


def _share(option: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise _wrong(option, "a number from 0 to 1", value)
    return float(value)


def _rate(option: str, value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise _wrong(option, "a number above 0 and up to 1, or None", value)
    return float(value)


def _flag(option: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _wrong(option, "True or False", value)
    return value


def _words(option: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong(option, "a text", value)
    return value


def _exceptions(option: str, value: Any) -> tuple[type[BaseException], ...]:
    allowed = "an exception class, its dotted path, or a list of these"
    several = value if isinstance(value, list | tuple | set | frozenset) else (value,)
    found = []
    for each in several:
        kind = import_dotted(each, option=option) if isinstance(each, str) else each
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            raise _wrong(option, allowed, each)
        found.append(kind)
    return tuple(found)


def _callable(option: str, value: Any) -> Callable[..., Any] | None:
    if value is None:
        return None
    found = import_dotted(value, option=option) if isinstance(value, str) else value
    if not callable(found):
        raise _wrong(option, "a callable, its dotted path, or None", value)
    function: Callable[..., Any] = found
    return function


def _predicate(option: str, value: Any) -> Callable[..., Any] | None:
    found = _callable(option, value)
    if inspect.iscoroutinefunction(found):
        raise ConfigurationError(
            f"{option} must not be async: a result is judged at once; got {value!r}"
        )
    return found


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "failure_threshold": _whole(1, None, none=True),
    "open_timeout": _duration(zero=True),
    "open_timeout_max": _duration(zero=True, none=True),
    "open_timeout_jitter": _share,
    "retry_after_from": _callable,
    "half_open_max_calls": _whole(1, MOST_TRIALS),
    "success_threshold": _whole(1, None),
    "trial_timeout": _duration(zero=False),
    "failure_rate": _rate,
    "window": _duration(zero=False),
    "window_calls": _whole(1, MOST_CALLS, none=True),
    "minimum_calls": _whole(1, None, none=True),
    "slow_call_duration": _duration(zero=False, none=True),
    "slow_call_rate": _rate,
    "failure_on": _exceptions,
    "ignore": _exceptions,
    "failure_if": _predicate,
    "fallback": _callable,
    "fallback_on_failure": _flag,
    "shadow": _flag,
    "refresh_interval": _duration(zero=False),
    "record_error_messages": _flag,
    "vital": _flag,
    "description": _words,
    "owner": _words,
    "runbook": _words,
}
