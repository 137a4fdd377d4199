"""The Django shop for a WSGI server, with its static files: enough for a demo."""

import os

from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_project.shop_django.settings")

application = StaticFilesHandler(get_wsgi_application())
