"""The Django app: registers checks, and how SQL caches are reached. Asks no cache, no database."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DjangoBreakerConfig(AppConfig):
    """``django_breaker`` in INSTALLED_APPS."""

    name = "django_breaker"
    label = "django_breaker"
    verbose_name = _("Circuit breakers")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks and the way to Django's DatabaseCache."""
        from django_breaker import checks, sql

        checks.register()
        sql.register()
