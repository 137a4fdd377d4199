"""Where breakers keep their state."""

from breaker_core.stores.base import SeenText, SharedStore, Stored, StoreError
from breaker_core.stores.cache import CacheStore, store_for, use_django_tables
from breaker_core.stores.memory import MemoryStore
from breaker_core.stores.sql import SqlConnection, SqlDatabase, SqlTexts

__all__ = [
    "CacheStore",
    "MemoryStore",
    "SeenText",
    "SharedStore",
    "SqlConnection",
    "SqlDatabase",
    "SqlTexts",
    "StoreError",
    "Stored",
    "store_for",
    "use_django_tables",
]
