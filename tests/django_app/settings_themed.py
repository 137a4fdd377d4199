"""The test site with django-admin-interface switched on, for screenshots."""

from __future__ import annotations

from tests.django_app.settings import *  # noqa: F403
from tests.django_app.settings import INSTALLED_APPS as PLAIN_APPS

INSTALLED_APPS = ["colorfield", "admin_interface", *PLAIN_APPS]
X_FRAME_OPTIONS = "SAMEORIGIN"
SILENCED_SYSTEM_CHECKS = ["security.W019"]
