"""The pages under django-admin-interface, in a process of their own: a theme is a setting."""

from __future__ import annotations

import subprocess
import sys

VISIT = """
import django
django.setup()
from django.test.utils import setup_test_environment
setup_test_environment()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from django.contrib.auth.models import User
from django.test import Client

client = Client()
client.force_login(User.objects.create_superuser("root"))
address = "/admin/django_breaker/breaker/"
pages = [
    client.get(address),
    client.get(address + "payments/change/"),
    client.post(address, {"_reset": "payments"}),
]
for page in pages:
    assert page.status_code == 200, page
    text = page.content.decode()
    assert 'class="breaker-state' in text
    assert "admin-interface" in text
    assert "django_breaker/admin.css" in text
print("fine")
"""


def test_the_pages_render_under_the_theme() -> None:
    done = subprocess.run(
        [sys.executable, "-c", VISIT],
        env={"DJANGO_SETTINGS_MODULE": "tests.django_app.settings_themed", "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout == "fine\n", done.stderr
