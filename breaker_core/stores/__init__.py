"""Where breakers keep their state."""

from breaker_core.stores.cache import CacheStore
from breaker_core.stores.memory import MemoryStore

__all__ = ["CacheStore", "MemoryStore"]
