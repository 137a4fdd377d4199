"""Who is measured: the plain wrapper that all are compared with, ours in three settings, peers.

A contestant says for each case what to time, or None where it has no such case. What it opens
for that is given back by the *stack* that comes with the case.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from benchmarks import loops
from benchmarks.cases import BrokenError, Case, Subject, break_down, is_bad
from breaker_core import BreakerConfig, BreakerRegistry, CircuitBreaker, CircuitOpenError
from breaker_core.lazy import LazyBreaker
from breaker_core.stores import MemoryStore

Contestant = Callable[[Case, ExitStack], Subject | None]

NEVER = 10**9
"""Failures in a row that no run reaches."""
HOUR = 3600
"""Seconds: longer than any run, so an open breaker stays open."""


# -- the reference ---------------------------------------------------------------------------


def reference(case: Case) -> Subject:
    """Return the plain wrapper for *case*; a rejected call is compared with one that succeeds."""
    if case.outcome == "rejected":
        case = Case("success", case.form, case.is_async)
    wrap, loop = (
        (wrapped_async, loops.function_async) if case.is_async else (wrapped, loops.function)
    )
    return Subject(loop, wrap(case.work), case.work, expected_of(case, ()))


def wrapped(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return *fn* in the least that a wrapper can do."""

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return fn(*args, **kwargs)
        except Exception:
            raise

    return wrapper


def wrapped_async(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return the coroutine function *fn* in the least that a wrapper can do."""

    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return await fn(*args, **kwargs)
        except Exception:
            raise

    return wrapper


def expected_of(case: Case, rejection: loops.Expected) -> loops.Expected:
    """Return what a call of *case* raises; *rejection* is the contestant's own error."""
    if case.outcome == "success":
        return ()
    return BrokenError if case.outcome == "failure" else rejection


# -- ours ------------------------------------------------------------------------------------


def options_of(case: Case) -> dict[str, Any]:
    """Return our options: open after the first failure and for long, or never open."""
    if case.outcome == "rejected":
        return {"failure_threshold": 1, "open_timeout": HOUR}
    return {"failure_threshold": NEVER, "failure_if": is_bad if case.form == "judged" else None}


def written(case: Case) -> str:
    """Return how *case* is written: judging results is a matter of options."""
    return "decorator" if case.form == "judged" else case.form


def trip(breaker: Any, case: Case, errors: type[Exception]) -> None:
    """Open *breaker*, which takes one failure, if *case* wants it open."""
    if case.outcome == "rejected":
        with suppress(errors):
            breaker.call(break_down, 1)


def in_memory(case: Case, stack: ExitStack) -> Subject:
    """Ours, held by its user, the state in memory."""
    breaker = CircuitBreaker("payments", BreakerConfig(**options_of(case)), store=MemoryStore())
    trip(breaker, case, BrokenError)
    loop, target = {
        ("decorator", False): (loops.function, breaker(case.work)),
        ("decorator", True): (loops.function_async, breaker(case.work)),
        ("call", False): (loops.call, breaker.call),
        ("call", True): (loops.call_async, breaker.call_async),
        ("with", False): (loops.block, breaker),
        ("with", True): (loops.block_async, breaker),
    }[written(case), case.is_async]
    return Subject(loop, target, case.work, expected_of(case, CircuitOpenError))


def by_name(case: Case, stack: ExitStack) -> Subject:
    """Ours, found by its name in a registry as the adapters do, the state in memory."""
    return _found(BreakerRegistry({"payments": options_of(case)}), case)


def shared(case: Case, stack: ExitStack) -> Subject | None:
    """Ours, found by its name, the state in an SQLite file that processes share."""
    try:
        import sqlalchemy  # noqa: F401

        from breaker_core.stores import CacheStore
    except ImportError:
        return None
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    store = CacheStore(f"sqlite:///{Path(folder) / 'breakers.db'}")
    registry = BreakerRegistry({"payments": options_of(case)}, store=store)
    stack.callback(registry.close)
    if registry["payments"].snapshot().store != "ok":
        raise RuntimeError(f"{store.describe()} cannot be reached: there is nothing to measure")
    return _found(registry, case)


def _found(registry: BreakerRegistry, case: Case) -> Subject:
    trip(registry["payments"], case, BrokenError)
    handle = functools.partial(LazyBreaker, "payments", lambda: registry["payments"], {})
    loop, target = {
        ("decorator", False): (loops.function, handle()(case.work)),
        ("decorator", True): (loops.function_async, handle()(case.work)),
        ("call", False): (loops.call_by_name, registry),
        ("call", True): (loops.call_by_name_async, registry),
        ("with", False): (loops.fresh_block, handle),
        ("with", True): (loops.fresh_block_async, handle),
    }[written(case), case.is_async]
    return Subject(loop, target, case.work, expected_of(case, CircuitOpenError))


# -- peers -----------------------------------------------------------------------------------


def with_circuitbreaker(case: Case, stack: ExitStack) -> Subject | None:
    """circuitbreaker: its ``call`` and ``with`` never reject, and it has no ``async with``."""
    try:
        import circuitbreaker  # type: ignore[import-untyped]
    except ImportError:
        return None
    cannot_reject = case.outcome == "rejected" and case.form != "decorator"
    if cannot_reject or case.form == "judged" or (case.form == "with" and case.is_async):
        return None
    threshold = 1 if case.outcome == "rejected" else NEVER
    breaker = circuitbreaker.CircuitBreaker(failure_threshold=threshold, recovery_timeout=HOUR)
    trip(breaker, case, BrokenError)
    loop, target = {
        ("decorator", False): (loops.function, breaker(case.work)),
        ("decorator", True): (loops.function_async, breaker(case.work)),
        ("call", False): (loops.call, breaker.call),
        ("call", True): (loops.call_async, breaker.call_async),
        ("with", False): (loops.block, breaker),
    }[case.form, case.is_async]
    return Subject(loop, target, case.work, expected_of(case, circuitbreaker.CircuitBreakerError))


def with_pybreaker(case: Case, stack: ExitStack) -> Subject | None:
    """pybreaker: its asynchronous calls are Tornado's, so it has no async case here."""
    try:
        import pybreaker
    except ImportError:
        return None
    if case.is_async or case.form == "judged":
        return None
    threshold = 1 if case.outcome == "rejected" else NEVER
    breaker = pybreaker.CircuitBreaker(fail_max=threshold, reset_timeout=HOUR)
    trip(breaker, case, pybreaker.CircuitBreakerError)
    loop, target = {
        "decorator": (loops.function, breaker(case.work)),
        "call": (loops.call, breaker.call),
        "with": (loops.fresh_block, breaker.calling),
    }[case.form]
    return Subject(loop, target, case.work, expected_of(case, pybreaker.CircuitBreakerError))


ALL: dict[str, Contestant] = {
    "ours, memory": in_memory,
    "ours, by name": by_name,
    "ours, shared": shared,
    "circuitbreaker": with_circuitbreaker,
    "pybreaker": with_pybreaker,
}
PACKAGES = ("django-flask-breaker", "circuitbreaker", "pybreaker", "SQLAlchemy")
