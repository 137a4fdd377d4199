"""``python -m example_project.manage breakers list``, and all commands of the Django shop."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_project.shop_django.settings")
    execute_from_command_line(["example_project.manage", *sys.argv[1:]])
