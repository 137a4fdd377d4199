"""The extension object: guards by name, and what ``init_app`` adds to an application.

One ``Breakers`` may serve several applications; which one a guard means is found at each call.
"""

from __future__ import annotations

import gc
import logging
import weakref
from typing import TYPE_CHECKING, Any, ParamSpec

from flask import current_app

from breaker_core import BreakerRegistry, CircuitBreaker, ConfigurationError
from flask_breaker import config
from flask_breaker.application import KEY, AppBreakers
from flask_breaker.cli import breakers_group
from flask_breaker.decorators import NamedBreaker, protected
from flask_breaker.responses import handle_rejections
from flask_breaker.status import status_response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask import Flask, Response

logger = logging.getLogger("breaker")

P = ParamSpec("P")


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
        self._decorators: weakref.WeakSet[NamedBreaker] = weakref.WeakSet()
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Give *app* its breakers: reads its config, makes no connection.

        Reads BREAKERS, BREAKER_CACHE, BREAKER_DEFAULTS, BREAKER_ENABLED, BREAKER_ENVIRONMENT,
        BREAKER_KEY_PREFIX and BREAKER_TABLE; later changes are not seen. Adds an error handler
        for rejected calls unless the application has one, and the command ``flask breakers``.
        Logs a warning for each decorator that would work in no application of this object yet; the
        first call of such a function raises, in most cases UnknownBreakerError.
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
        for each in sorted(self._decorators, key=lambda decorator: decorator.where):
            self._warn_of(each, each.options)

    # -- guarding ----------------------------------------------------------------------------

    def __call__(self, name: str, /, **options: Any) -> NamedBreaker:
        """Return a decorator and context manager for breaker *name*, found at each call.

        *options* count for this use alone: fallback, failure_if, failure_on, ignore.
        """
        return NamedBreaker(self, name, options)

    def protect_view(
        self, name: str, /, **options: Any
    ) -> Callable[[Callable[P, Any]], Callable[P, Any]]:
        """Return a decorator for a view: guarded, and a rejection becomes the 503.

        Write it below ``@app.route``. Works on async views; a class takes it in ``decorators``.
        An application that handles CircuitOpenError itself answers in its own words here too.
        """

        source = NamedBreaker(self, name, options)
        return lambda view: protected(source, view)

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

    # -- decorators that could not work ------------------------------------------------------

    def note(self, decorator: NamedBreaker) -> None:
        """Take down that *decorator* is in use; what it names is checked as soon as possible."""
        self._decorators.add(decorator)
        if self._apps:  # its dotted paths may name what is not defined yet, so only the name
            self._warn_of(decorator, {})

    def _warn_of(self, decorator: NamedBreaker, options: dict[str, Any]) -> None:
        """Warn of what works in no application so far; no more, for one may be still to come."""
        trouble = None
        for app in list(self._apps):
            try:
                app.extensions[KEY].model[decorator.name].use_with(options)
            except ConfigurationError as error:
                trouble = error
            else:
                return
        logger.warning("%s: %s", decorator.where, trouble)
