"""Applications for the tests, and dependencies that fail when told to."""

from __future__ import annotations

from typing import Any

from flask import Flask

PAYMENTS: dict[str, Any] = {"payments": {"failure_threshold": 2, "open_timeout": 10}}


class DownError(Exception):
    """The dependency is away."""


def make_app(name: str = "shop", **config: Any) -> Flask:
    """Return an application with breakers configured, but not yet given to an extension."""
    app = Flask(name)
    app.config.update({"BREAKERS": PAYMENTS, **config})
    return app


class Dependency:
    """Counts its calls; fails while ``down``."""

    def __init__(self) -> None:
        self.calls = 0
        self.down = True

    def __call__(self) -> str:
        self.calls += 1
        if self.down:
            raise DownError
        return "paid"
