"""``python -m example_project.shop_django.prepare``: makes the tables and the demo's login."""

import django


def prepare() -> None:
    """Fill the two empty database files."""
    django.setup()
    from django.apps import apps
    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    from example_project.environment import PASSWORD, USER

    call_command("migrate", verbosity=0, interactive=False)
    call_command("createcachetable", database="breakers", verbosity=0)
    get_user_model().objects.create_superuser(USER, password=PASSWORD)
    if apps.is_installed("admin_interface"):
        from admin_interface.models import Theme

        Theme.objects.create(
            title="Admin of the Django shop", env_name="demo", language_chooser_active=False
        )


if __name__ == "__main__":
    prepare()
