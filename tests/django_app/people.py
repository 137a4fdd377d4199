"""Members of the staff with different rights, for the tests of the admin."""

from __future__ import annotations

from django.contrib.admin.utils import quote
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

LIST = "/admin/django_breaker/breaker/"


def person(*rights: str, superuser: bool = False) -> User:
    """Return a member of the staff with the permissions *rights*."""
    name = "root" if superuser else "_".join(rights) or "nobody"
    user = User.objects.create_user(name, is_staff=True, is_superuser=superuser)
    for right in rights:
        user.user_permissions.add(Permission.objects.get(codename=right))
    return user


def client_of(*rights: str, superuser: bool = False, csrf: bool = False) -> Client:
    """Return a client that is logged in as such a person."""
    client = Client(enforce_csrf_checks=csrf)
    client.force_login(person(*rights, superuser=superuser))
    return client


def page_of(name: str) -> str:
    """Return the address of the detail page of breaker *name*."""
    return reverse("admin:django_breaker_breaker_change", args=[quote(name)])
