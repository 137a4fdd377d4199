"""From ``BREAKER_CACHE`` to a store: what Flask's own extensions wrap is taken out of them.

Which caches can be shared is the core's business. Objects are recognised by the names of their
classes, so that nothing is imported and subclasses count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import current_app

from breaker_core import ConfigurationError
from breaker_core.stores import CacheStore, MemoryStore, store_for

if TYPE_CHECKING:
    from flask import Flask

    from flask_breaker.config import Settings

FLASK_CACHING = "flask_caching.Cache"
FLASK_SQLALCHEMY = "flask_sqlalchemy.extension.SQLAlchemy"


def is_ready(app: Flask, cache: Any) -> bool:
    """Whether the store over *cache* can be made while *app* is still being set up."""
    names = _names(cache)
    if FLASK_CACHING in names:
        return _backend(app, cache) is not None
    return FLASK_SQLALCHEMY not in names


def open_store(app: Flask, settings: Settings) -> CacheStore | MemoryStore:
    """Return the store that *settings* ask for; does no I/O. Raises ConfigurationError."""
    try:
        cache = _unwrapped(app, settings.cache)
        return store_for(cache, key_prefix=settings.key_prefix, table=settings.table)
    except ConfigurationError as error:
        raise ConfigurationError(f"BREAKER_CACHE: {error}") from error.__cause__


def describe(app: Flask, cache: Any) -> str:
    """Return what a message calls *cache*, without any secret."""
    inside = _backend(app, cache) if FLASK_CACHING in _names(cache) else cache
    return "None" if inside is None else f"a {type(inside).__name__}"


def _unwrapped(app: Flask, cache: Any) -> Any:
    names = _names(cache)
    if FLASK_CACHING in names:
        backend = _backend(app, cache)
        if backend is None:
            raise ConfigurationError(
                "the Flask-Caching object was not set up for this application: "
                "call its init_app(app)"
            )
        return backend
    return _engine(app, cache) if FLASK_SQLALCHEMY in names else cache


def _backend(app: Flask, cache: Any) -> Any:
    """Return the cache that a Flask-Caching object uses in *app*; None before its ``init_app``."""
    return app.extensions.get("cache", {}).get(cache)


def _engine(app: Flask, database: Any) -> Any:
    """Return the engine that a Flask-SQLAlchemy object uses in *app*."""
    if "sqlalchemy" not in app.extensions:
        raise ConfigurationError(
            "the Flask-SQLAlchemy object was not set up for this application: "
            "call its init_app(app)"
        )
    # A context of our own would end with the application's teardown functions, and these may
    # drop the database session that a request is using.
    if current_app and current_app.extensions is app.extensions:
        return database.engine
    with app.app_context():
        return database.engine


def _names(cache: Any) -> set[str]:
    return {f"{kind.__module__}.{kind.__qualname__}" for kind in type(cache).__mro__}
