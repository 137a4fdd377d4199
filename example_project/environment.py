"""Where the parts of the demo find each other.

``run.py`` sets these variables for the processes that it starts; the defaults are those of
``make demo``, so that ``python -m example_project.manage`` in another terminal sees the same data.
"""

import os
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent

DATA = Path(os.environ.get("SHOP_DATA", HERE / "data"))
"""The directory of the demo's two database files."""
BREAKER_FILE = DATA / "breakers.sqlite3"
"""The SQLite file in which all workers of both shops share the breakers' state."""
BREAKER_TABLE = "breaker_cache"
BREAKER_KEY_PREFIX = "shop"

PRICE_SERVICE = os.environ.get("SHOP_PRICE_SERVICE", "http://127.0.0.1:8000")
DJANGO_SHOP = os.environ.get("SHOP_DJANGO", "http://127.0.0.1:8001")
FLASK_SHOP = os.environ.get("SHOP_FLASK", "http://127.0.0.1:8002")


def admin_page(django_shop: str = DJANGO_SHOP) -> str:
    """Return the address of the admin's list of breakers."""
    return f"{django_shop}/admin/django_breaker/breaker/"


def status_page(flask_shop: str = FLASK_SHOP) -> str:
    """Return the address of the breakers' state as JSON."""
    return f"{flask_shop}/breakers.json"


BREAKERS = {
    "prices": {
        "failure_threshold": 3,
        "open_timeout": float(os.environ.get("SHOP_OPEN_TIMEOUT", "30")),
        "ignore": ["example_project.price_client.UnknownItemError"],
        "description": "the price service",
        "owner": "the pricing team",
    },
}
"""The setting ``BREAKERS`` of both shops."""

USER, PASSWORD = "admin", "demo"
"""The login of the demo's admin. All of it is bound to this machine alone."""


LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "process %(process)d: %(message)s"}},
    "handlers": {"terminal": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {"breaker": {"handlers": ["terminal"], "level": "INFO", "propagate": False}},
}
"""The logging of both shops: what happens to a breaker is written to the terminal."""


def links(here: str) -> list[dict[str, Any]]:
    """Return the navigation that all pages of the demo share."""
    places = [
        ("Start", f"{PRICE_SERVICE}/"),
        ("Django shop", f"{DJANGO_SHOP}/"),
        ("Flask shop", f"{FLASK_SHOP}/"),
        ("Admin", admin_page()),
    ]
    return [{"name": name, "url": url, "here": name == here} for name, url in places]
