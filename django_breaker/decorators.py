"""``breaker`` and ``protect_view``: breakers by name, looked up when they are first used.

A decorator runs at import, when settings may not be ready and ``override_settings`` is far away;
so it only takes down the name, and where it stands, for the system check of names. Guarding is the
core's; here a rejection of a view becomes a response.
"""

from __future__ import annotations

import functools
import sys
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from asgiref.sync import iscoroutinefunction

from breaker_core import CircuitOpenError, ConfigurationError, LazyBreaker

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from breaker_core import CircuitBreaker

P = ParamSpec("P")
T = TypeVar("T")
View = TypeVar("View", bound=Callable[..., Any])


class NamedBreaker(LazyBreaker):
    """A breaker by name that knows where it was written."""

    def __init__(self, name: str, options: dict[str, Any], module: str) -> None:
        super().__init__(name, functools.partial(_look_up, name), options)
        self.options = options
        self.module = module
        self.decorates: set[str] = set()

    def __call__(self, fn: Callable[P, T], /) -> Callable[P, T]:
        """Decorate *fn*, sync or async; raises ConfigurationError for generators."""
        wrapper = super().__call__(fn)
        self.decorates.add(_dotted(fn))
        _named.add(self)
        return wrapper


def _look_up(name: str) -> CircuitBreaker:
    from django_breaker.registry import registry

    return registry()[name]


_named: weakref.WeakSet[NamedBreaker] = weakref.WeakSet()


@dataclass(frozen=True, slots=True)
class NamedUse:
    """One place where a decorator names a breaker."""

    name: str
    options: dict[str, Any]
    where: str
    """Dotted name of the decorated function, or of the module when that is all one knows."""


def named_uses() -> Iterator[NamedUse]:
    """Return the places where decorators name breakers, as far as their modules are imported."""
    for each in list(_named):
        places = {place for place in each.decorates if not place.startswith(_DUMMY)}
        for where in sorted(places) or [each.module]:
            yield NamedUse(each.name, each.options, where)


_DUMMY = "django.utils.decorators."
"""``method_decorator`` tries a decorator on a function of its own first."""


def _dotted(fn: Any) -> str:
    module = getattr(fn, "__module__", "")
    return f"{module}.{getattr(fn, '__qualname__', type(fn).__qualname__)}"


def _named_breaker(name: Any, options: dict[str, Any], usage: str) -> NamedBreaker:
    if not isinstance(name, str):
        raise ConfigurationError(
            f"{usage} takes the name of a breaker in BREAKERS, such as {usage}('payments'); "
            f"got {name!r}"
        )
    return NamedBreaker(name, options, sys._getframe(2).f_globals.get("__name__", ""))


def breaker(name: str, /, **options: Any) -> LazyBreaker:
    """Guard a function, or a block of a ``with`` or ``async with``, by breaker *name*.

    *options* hold for this use only: ``fallback``, ``failure_if``, ``failure_on`` and ``ignore``.
    The guarded call raises CircuitOpenError when it is rejected, UnknownBreakerError when the name
    is not configured, and ImproperlyConfigured while the settings are wrong.
    """
    return _named_breaker(name, options, "breaker")


def protect_view(name: str, /, **options: Any) -> Callable[[View], View]:
    """Guard a view, sync or async, by breaker *name*; a rejection becomes the 503.

    Only this breaker's rejection does: that of another breaker, raised inside the view, passes on
    unchanged, to the site's own handling or to BreakerMiddleware. With ``fallback`` in *options*,
    ``fallback(error, request, …)`` answers instead. For a class, take
    ``method_decorator(protect_view("payments"), name="dispatch")``.
    """
    source = _named_breaker(name, options, "protect_view")

    def decorate(view: View) -> View:
        protect = _protect_async if _is_async(view) else _protect_sync
        return cast("View", functools.wraps(view)(protect(view, source)))

    return decorate


def _is_async(view: Any) -> bool:
    """Whether *view* gives a coroutine; ``View.dispatch`` does when its handlers are async."""
    owner = getattr(getattr(view, "func", view), "__self__", None)
    return iscoroutinefunction(view) or getattr(owner, "view_is_async", False) is True


def _protect_sync(view: Callable[..., Any], source: NamedBreaker) -> Callable[..., Any]:
    guarded = source(view)

    def protected(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            return guarded(request, *args, **kwargs)
        except CircuitOpenError as error:
            return _answer(error, source)

    return protected


def _protect_async(view: Callable[..., Any], source: NamedBreaker) -> Callable[..., Any]:
    @functools.wraps(view)
    async def awaited(*args: Any, **kwargs: Any) -> Any:
        return await view(*args, **kwargs)

    guarded = source(awaited)

    async def protected(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            return await guarded(request, *args, **kwargs)
        except CircuitOpenError as error:
            return _answer(error, source)

    return protected


def _answer(error: CircuitOpenError, source: NamedBreaker) -> HttpResponseBase:
    """Return the 503 for a rejection by *source*; raise the *error* of another breaker again."""
    if error.name != source.name:
        raise error
    from django_breaker.responses import rejected

    return rejected(error)
