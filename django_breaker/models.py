"""The one model, without a table: it gives the admin its permissions, audit log and addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django_breaker.admin_rows import Row


class TablelessManager(models.Manager["Breaker"]):
    """Gives no rows and never asks the database, so that ``dumpdata`` works without a table."""

    def get_queryset(self) -> models.QuerySet[Breaker]:
        return super().get_queryset().none()


class Breaker(models.Model):
    """A configured breaker as the admin knows it; its state is in the breaker store."""

    name = models.CharField(_("name"), max_length=100, primary_key=True)

    row: Row
    """How it stands; set by whoever makes an instance (``admin_rows``)."""

    objects: ClassVar[TablelessManager] = TablelessManager()

    class Meta:
        managed = False
        base_manager_name = "objects"
        default_permissions = ("view",)
        permissions: ClassVar = [("reset_breaker", "Can reset circuit breaker")]
        verbose_name = _("circuit breaker")
        verbose_name_plural = _("circuit breakers")

    def __str__(self) -> str:
        return self.name
