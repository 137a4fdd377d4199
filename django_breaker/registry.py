"""The breakers of this process: which registry counts now, made when it is first needed.

Three places can hold it: the isolation of the running test; memory, while Django's test
environment is set up (``manage.py test``); else the cache of ``BREAKER_CACHE``. Nothing here asks
a cache: that is the first guarded call's doing. Which results are failures in Django is said here
too; everything else about breakers is the core's.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Hashable, Iterator, Mapping
from typing import Any, Final

from django.apps import apps
from django.core.exceptions import (
    BadRequest,
    ImproperlyConfigured,
    PermissionDenied,
    SuspiciousOperation,
)
from django.http import Http404, HttpResponseBase

from breaker_core import (
    BreakerRegistry,
    CircuitBreaker,
    ConfigurationError,
    Conventions,
)
from breaker_core.isolation import current, forget_all, suspended
from breaker_core.stores import MemoryStore, SharedStore, store_for
from django_breaker import conf, signals

logger = logging.getLogger("breaker")

Store = MemoryStore | SharedStore

ANSWERS: Final = (Http404, PermissionDenied, SuspiciousOperation, BadRequest)
"""Exceptions by which a Django view answers with a status below 500: the dependency works."""


def _is_answer(error: BaseException) -> bool:
    return isinstance(error, ANSWERS)


def _is_failure(result: Any) -> bool:
    return isinstance(result, HttpResponseBase) and result.status_code >= 500


CONVENTIONS: Final = Conventions(is_answer=_is_answer, is_failure=_is_failure)

_lock = threading.RLock()
_generation = 0
"""How often the settings have changed."""
_built: dict[bool, BreakerRegistry] = {}
"""The registry in memory (true) and the one on the configured cache (false)."""


def registry() -> BreakerRegistry:
    """Return the registry that counts now.

    Raises ImproperlyConfigured, with the text of the ConfigurationError, while settings are wrong.
    """
    isolation = current()
    if isolation is not None:
        return isolation.registry(owner(), _in_memory)
    in_memory = in_test_environment() and not suspended()
    built = _built.get(in_memory)
    if built is None:
        with _lock:
            built = _built.get(in_memory)
            if built is None:
                built = _built[in_memory] = _in_memory() if in_memory else _on_the_cache()
    return built


def owner() -> Hashable:
    """Return the key of the registry that isolations keep for the settings of now."""
    return ("django_breaker", _generation)


def in_test_environment() -> bool:
    """Whether Django's ``setup_test_environment()`` is in force, as under ``manage.py test``."""
    utils = sys.modules.get("django.test.utils")
    return utils is not None and hasattr(utils._TestState, "saved_data")


def configured_store(settings: conf.BreakerSettings) -> Store:
    """Return a store on the configured cache, unused yet; raise ConfigurationError."""
    from django.core.cache import InvalidCacheBackendError, caches

    if settings.cache is None:
        return store_for(None)
    place = f"BREAKER_CACHE={settings.cache!r}"
    try:
        return store_for(caches[settings.cache], key_prefix=settings.key_prefix)
    except InvalidCacheBackendError as error:
        raise ConfigurationError(f"{place}: {error}") from error
    except ConfigurationError as error:
        raise ConfigurationError(f"{place}: {error}") from error


def _in_memory() -> BreakerRegistry:
    try:
        return build(conf.load(), MemoryStore())
    except ConfigurationError as error:
        raise ImproperlyConfigured(str(error)) from error


def _on_the_cache() -> BreakerRegistry:
    try:
        settings = conf.load()
        return build(settings, configured_store(settings))
    except ConfigurationError as error:
        raise ImproperlyConfigured(str(error)) from error


def build(settings: conf.BreakerSettings, store: Store) -> BreakerRegistry:
    """Return a registry of what *settings* configure on *store*, its events sent as signals."""
    _warn_if_not_installed()
    made = BreakerRegistry(
        settings.breakers,
        settings.defaults,
        store=store,
        conventions=CONVENTIONS,
        enabled=settings.enabled,
    )
    made.listen(signals.send)
    return made


def _warn_if_not_installed() -> None:
    if apps.ready and not apps.is_installed("django_breaker"):
        logger.warning(
            "breakers are used and 'django_breaker' is not in INSTALLED_APPS: there are no checks, "
            "no admin pages and no command"
        )


def forget() -> None:
    """Make the registry anew at its next use, and let every decorator look it up again."""
    global _generation  # noqa: PLW0603 - one process has one set of settings
    with _lock:
        _generation += 1
        dropped = list(_built.values())
        _built.clear()
    forget_all()
    for each in dropped:
        each.close()


conf.when_changed(forget)


class Breakers(Mapping[str, CircuitBreaker]):
    """The configured breakers by name, as the settings say at the moment of use."""

    def __getitem__(self, name: str) -> CircuitBreaker:
        return registry()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(registry())

    def __len__(self) -> int:
        return len(registry())

    def __contains__(self, name: object) -> bool:
        return name in registry()

    def __repr__(self) -> str:
        return "<the breakers of BREAKERS>"


breakers: Final = Breakers()
