"""Which database holds what: the cache's table stands alone in ``breakers``."""

from typing import Any

CACHE = "django_cache"
"""The app label of DatabaseCache's table."""


class CacheRouter:
    """Sends the cache to ``breakers`` and everything else to ``default``."""

    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        """Return the database to read *model* from; None leaves it to the default."""
        return "breakers" if model._meta.app_label == CACHE else None

    db_for_write = db_for_read

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        """Whether the tables of *app_label* are made in *db*."""
        return (db == "breakers") == (app_label == CACHE)
