"""The extension object: guards by name, and what ``init_app`` adds to an application.

One ``Breakers`` may serve several applications; which one a guard means is found at each call.
"""

from __future__ import annotations

import functools
import gc
import inspect
import logging
import weakref
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from flask import current_app

from breaker_core import BreakerRegistry, CircuitBreaker, CircuitOpenError, LazyBreaker
from flask_breaker import config
from flask_breaker.application import KEY, AppBreakers
from flask_breaker.cli import breakers_group
from flask_breaker.responses import answer, handle_rejections
from flask_breaker.status import status_response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask import Flask, Response

logger = logging.getLogger("breaker")

P = ParamSpec("P")
T = TypeVar("T")


class Breakers:
    """The circuit breakers of a Flask application.

    ``@breakers("payments")`` guards a function, sync or async, and ``with breakers("payments"):``
    a block; both may be written before any application exists. ``breakers["payments"]`` is the
    breaker itself. Outside an application context the extension's only application is meant.
    """

    def __init__(self, app: Flask | None = None) -> None:
        self._apps: weakref.WeakSet[Flask] = weakref.WeakSet()
        self._latest: Flask | None = None
        """Kept alive: a script may drop its application and go on to use the guards."""
        self._decorated: set[str] = set()
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Give *app* its breakers: reads its config, makes no connection.

        Reads BREAKERS, BREAKER_CACHE, BREAKER_DEFAULTS, BREAKER_ENABLED, BREAKER_ENVIRONMENT,
        BREAKER_KEY_PREFIX and BREAKER_TABLE; later changes are not seen. Adds an error handler
        for rejected calls unless the application has one, and the command ``flask breakers``.
        Raises ConfigurationError for a wrong setting, and then leaves *app* as it was; RuntimeError
        when *app* has breakers already.
        """
        if KEY in app.extensions:
            raise RuntimeError(
                f"the application {app.name!r} has breakers already: "
                "call init_app once for each application"
            )
        held = AppBreakers(app, self, config.read(app.config))
        handle_rejections(app)
        app.cli.add_command(breakers_group)
        app.extensions[KEY] = held
        self._apps.add(app)
        self._latest = app
        for name in sorted(self._decorated):
            self._warn_if_unknown(name)

    # -- guarding ----------------------------------------------------------------------------

    def __call__(self, name: str, /, **options: Any) -> LazyBreaker:
        """Return a decorator and context manager for breaker *name*, found at each call.

        *options* count for this use alone: fallback, failure_if, failure_on, ignore.
        """
        return _Named(self, name, options)

    def protect_view(
        self, name: str, /, **options: Any
    ) -> Callable[[Callable[P, Any]], Callable[P, Any]]:
        """Return a decorator for a view: guarded, and a rejection becomes the 503.

        Write it below ``@app.route``. Works on async views. An application that handles
        CircuitOpenError itself answers in its own words here too.
        """

        def decorate(view: Callable[P, Any]) -> Callable[P, Any]:
            return _answering(self(name, **options)(view))

        return decorate

    # -- looking -----------------------------------------------------------------------------

    def __getitem__(self, name: str) -> CircuitBreaker:
        """Return breaker *name* of the application; raises UnknownBreakerError."""
        return self.registry[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.registry)

    def __contains__(self, name: object) -> bool:
        return name in self.registry

    @property
    def registry(self) -> BreakerRegistry:
        """The breakers of the current application, or else of the only one.

        Raises RuntimeError when there is none, or several and none is current.
        """
        return self._held().registry

    def status_view(self) -> Response:
        """Answer with all breakers as JSON. Nothing mounts it by itself; who may see it is yours:

        ``app.add_url_rule("/breakers.json", view_func=breakers.status_view)``
        """
        return status_response(self._held())

    # -- which application is meant ----------------------------------------------------------

    def _held(self) -> AppBreakers:
        if current_app:
            held: AppBreakers | None = current_app.extensions.get(KEY)
            if held is not None and held.extension is self:
                return held
        return self._only_one()

    def _only_one(self) -> AppBreakers:
        if len(self._apps) > 1:
            gc.collect()  # an application is full of cycles, and a forgotten one is none
        apps = list(self._apps)
        if len(apps) == 1:
            only: AppBreakers = apps[0].extensions[KEY]
            return only
        if not apps:
            raise RuntimeError(
                "these breakers have no application yet: call init_app(app) on the Breakers object"
            )
        names = ", ".join(sorted(repr(app.name) for app in apps))
        raise RuntimeError(
            f"these breakers serve {len(apps)} applications ({names}) and none of them is the "
            "current one: use them in a request, or inside 'with app.app_context():'"
        )

    # -- names that nobody configured --------------------------------------------------------

    def _note_decorated(self, name: str) -> None:
        self._decorated.add(name)
        if self._apps:
            self._warn_if_unknown(name)

    def _warn_if_unknown(self, name: str) -> None:
        """Warn, no more: another application of this extension may be still to come."""
        known: set[str] = set()
        for app in list(self._apps):
            known.update(app.extensions[KEY].settings.breakers)
        if name not in known:
            logger.warning(
                "a decorator uses the breaker %r, which is not configured in BREAKERS%s",
                name,
                config.did_you_mean(name, known),
            )


class _Named(LazyBreaker):
    """A breaker by name, whose extension knows in which decorators it is used."""

    def __init__(self, extension: Breakers, name: str, options: dict[str, Any]) -> None:
        super().__init__(name, lambda: extension[name], options, keep=False)
        self._extension = extension

    def __call__(self, fn: Callable[P, T], /) -> Callable[P, T]:
        """Decorate *fn*."""
        guarded = super().__call__(fn)
        self._extension._note_decorated(self.name)
        return guarded


def _answering(view: Callable[P, Any]) -> Callable[P, Any]:
    """Return the guarded *view* so that it answers where it would raise CircuitOpenError."""
    if inspect.iscoroutinefunction(view):

        @functools.wraps(view)
        async def answering_async(*args: P.args, **kwargs: P.kwargs) -> Any:
            try:
                return await view(*args, **kwargs)
            except CircuitOpenError as error:
                return answer(error)

        return answering_async

    @functools.wraps(view)
    def answering(*args: P.args, **kwargs: P.kwargs) -> Any:
        try:
            return view(*args, **kwargs)
        except CircuitOpenError as error:
            return answer(error)

    return answering
