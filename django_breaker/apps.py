"""The Django app: loads the system checks when the project starts, and touches nothing else."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DjangoBreakerConfig(AppConfig):
    """``django_breaker`` in INSTALLED_APPS."""

    name = "django_breaker"
    label = "django_breaker"
    verbose_name = _("Circuit breakers")
    default_auto_field = "django.db.models.BigAutoField"
