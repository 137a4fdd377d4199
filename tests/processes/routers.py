"""Sends the cache table to the database of the breakers."""

from __future__ import annotations

from typing import Any


class BreakersApart:
    def db_for_write(self, model: Any, **hints: Any) -> str | None:
        return "breakers" if model._meta.app_label == "django_cache" else None

    db_for_read = db_for_write

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        return db == "breakers" if app_label == "django_cache" else None
