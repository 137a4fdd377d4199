"""The breakers of one application: what ``app.extensions["breaker"]`` holds.

It decides which registry counts: in a test one in memory, made anew for each test; else the one
over the configured store, made in ``init_app``, or at the first use where the cache comes later.
"""

from __future__ import annotations

import logging
import threading
from functools import cached_property
from typing import TYPE_CHECKING

from breaker_core import BreakerEvent, BreakerRegistry
from breaker_core.isolation import current
from breaker_core.stores import CacheStore, MemoryStore
from flask_breaker import caches, signals
from flask_breaker.conventions import CONVENTIONS

if TYPE_CHECKING:
    from flask import Flask

    from flask_breaker.config import Settings
    from flask_breaker.extension import Breakers

logger = logging.getLogger("breaker")

KEY = "breaker"
"""The place in ``app.extensions``."""


class AppBreakers:
    """One application's settings and registry. Making one does no I/O."""

    def __init__(self, app: Flask, extension: Breakers, settings: Settings) -> None:
        self.app = app
        self.extension = extension
        self.settings = settings
        self._lock = threading.Lock()
        self._shared: BreakerRegistry | None = None
        if caches.is_ready(app, settings.cache):
            self._shared = self._over_store()

    @property
    def registry(self) -> BreakerRegistry:
        """The breakers that count now. Raises ConfigurationError where a late cache is wrong."""
        isolation = current()
        if isolation is not None:
            return isolation.registry(self, self._made)
        return self._shared if self._shared is not None else self._made_late()

    @cached_property
    def model(self) -> BreakerRegistry:
        """The same breakers in memory, never called: for checking what decorators name."""
        return BreakerRegistry(self.settings.breakers, self.settings.defaults)

    def _made_late(self) -> BreakerRegistry:
        with self._lock:
            if self._shared is None:
                self._shared = self._over_store()
            return self._shared

    def _over_store(self) -> BreakerRegistry:
        store = caches.open_store(self.app, self.settings)
        if isinstance(store, MemoryStore):
            self._warn_of_process_only()
        return self._made(store)

    def _made(self, store: CacheStore | MemoryStore | None = None) -> BreakerRegistry:
        registry = BreakerRegistry(
            self.settings.breakers,
            self.settings.defaults,
            store=store,
            conventions=CONVENTIONS,
            enabled=self.settings.enabled,
        )
        registry.listen(self._announce)
        return registry

    def _announce(self, event: BreakerEvent) -> None:
        signals.announce(self.app, event)

    def _warn_of_process_only(self) -> None:
        if self.app.testing or current() is not None or not self.settings.breakers:
            return
        logger.warning(
            "BREAKER_CACHE of %r is %s: each process keeps the state of its breakers for itself, "
            "so every worker opens on its own and a reset reaches one of them. Set it to what all "
            "workers share, such as 'redis://localhost:6379/0' or 'sqlite:////path/to/breakers.db'",
            self.app.name,
            caches.describe(self.app, self.settings.cache),
        )
