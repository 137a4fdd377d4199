"""What ``breakers("payments")`` and ``protect_view`` make: guards that find their breaker late.

A decorator runs at import, when there may be no application yet; so it takes down the name and the
function for the extension's check of names. Guarding is the core's; here a rejected view answers.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from breaker_core import CircuitOpenError, ConfigurationError, LazyBreaker
from flask_breaker.responses import answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask_breaker.extension import Breakers

P = ParamSpec("P")
T = TypeVar("T")


class NamedBreaker(LazyBreaker):
    """A breaker by name, looked up in *extension* at every call: another application may be meant.

    Raises ConfigurationError when *name* is no text, as in ``@breakers`` without a name.
    """

    def __init__(self, extension: Breakers, name: str, options: dict[str, Any]) -> None:
        if not isinstance(name, str):
            raise ConfigurationError(
                "a decorator takes the name of a breaker in BREAKERS, such as "
                f"@breakers('payments'); got {name!r}"
            )
        super().__init__(name, lambda: extension[name], options, keep=False)
        self.options = options
        self.where = ""
        """Dotted name of the function that this decorates."""
        self._extension = extension

    def __call__(self, fn: Callable[P, T], /) -> Callable[P, T]:
        """Decorate *fn*, sync or async. Raises ConfigurationError for generators."""
        guarded = super().__call__(fn)
        name = getattr(fn, "__qualname__", type(fn).__qualname__)
        self.where = f"{getattr(fn, '__module__', '')}.{name}"
        self._extension.note(self)
        return guarded


def protected(source: NamedBreaker, view: Callable[P, Any]) -> Callable[P, Any]:
    """Return *view* guarded by *source*, so that a rejection becomes the answer.

    Only that breaker's rejection does: another one's, raised inside the view, passes on.
    """
    guarded = source(view)
    if inspect.iscoroutinefunction(guarded):

        @functools.wraps(view)
        async def protected_async(*args: P.args, **kwargs: P.kwargs) -> Any:
            try:
                return await guarded(*args, **kwargs)
            except CircuitOpenError as error:
                return _answer(error, source)

        return protected_async

    @functools.wraps(view)
    def protected_sync(*args: P.args, **kwargs: P.kwargs) -> Any:
        try:
            return guarded(*args, **kwargs)
        except CircuitOpenError as error:
            return _answer(error, source)

    return protected_sync


def _answer(error: CircuitOpenError, source: NamedBreaker) -> Any:
    if error.name != source.name:
        raise error
    return answer(error)
