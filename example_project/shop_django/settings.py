"""The settings of the Django shop; what breakers need stands under *Circuit breakers*."""

import os
from importlib.util import find_spec

import django
from django.core.management.utils import get_random_secret_key

from example_project import environment

DEBUG = False
SECRET_KEY = os.environ.get("SHOP_SECRET_KEY") or get_random_secret_key()
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ROOT_URLCONF = "example_project.shop_django.urls"
WSGI_APPLICATION = "example_project.shop_django.wsgi.application"
USE_TZ = True
TIME_ZONE = "UTC"

# django-admin-interface has no support for Django 6.1 yet.
THEMED = find_spec("admin_interface") is not None and django.VERSION < (6, 1)

INSTALLED_APPS = [
    *(["admin_interface", "colorfield"] if THEMED else []),  # before the admin
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_breaker",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    # Answers 503 to each rejection that no view has answered itself.
    "django_breaker.middleware.BreakerMiddleware",
]

# -- Circuit breakers ------------------------------------------------------------------------------

BREAKERS = environment.BREAKERS
BREAKER_CACHE = "default"
BREAKER_KEY_PREFIX = environment.BREAKER_KEY_PREFIX  # the same in the Flask shop: they share
BREAKER_ENVIRONMENT = "demo"

CACHES = {
    # A site that runs Redis or Valkey takes its RedisCache instead, and needs no second database.
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": environment.BREAKER_TABLE,
        "OPTIONS": {"MAX_ENTRIES": 10_000},
    },
    # The theme of the admin keeps pickles in its cache: not beside the breakers.
    "admin_interface": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
}

_SQLITE = {
    "ENGINE": "django.db.backends.sqlite3",
    "OPTIONS": {
        "init_command": "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;",
        "transaction_mode": "IMMEDIATE",
    },
}

DATABASES = {
    "default": {**_SQLITE, "NAME": environment.DATA / "shop.sqlite3"},
    # On SQLite the cache's table wants a file of its own: a transaction of a request would lock
    # the breakers out of a file that they share.
    "breakers": {**_SQLITE, "NAME": environment.BREAKER_FILE},
}
DATABASE_ROUTERS = ["example_project.shop_django.router.CacheRouter"]

LOGGING = environment.LOGGING

# --------------------------------------------------------------------------------------------------

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [environment.HERE / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

STATIC_URL = "/static/"
STATICFILES_DIRS = [environment.HERE / "static"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# The theme opens pages of the admin in frames of the same site.
X_FRAME_OPTIONS = "SAMEORIGIN"
SILENCED_SYSTEM_CHECKS = ["security.W019"]
