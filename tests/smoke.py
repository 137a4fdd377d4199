"""Tries the installed wheel: run by itself, outside of the checkout, with no test tools there."""

from __future__ import annotations

import asyncio
import contextlib
from importlib.resources import files

from breaker_core import BreakerConfig, CircuitBreaker, CircuitOpenError, State


def fail() -> None:
    raise TimeoutError


def core_works() -> None:
    breaker = CircuitBreaker("payments", BreakerConfig(failure_threshold=1))
    with contextlib.suppress(TimeoutError):
        breaker.call(fail)
    assert breaker.state is State.OPEN
    try:
        asyncio.run(breaker.call_async(asyncio.sleep, 0))
    except CircuitOpenError as error:
        assert error.retry_after
    else:
        raise AssertionError("an open breaker let a call pass")


def django_works() -> None:
    import django
    from django.conf import settings

    settings.configure(
        INSTALLED_APPS=["django_breaker"], BREAKERS={"payments": {}}, BREAKER_CACHE=None
    )
    django.setup()
    from django.core.management import call_command

    from django_breaker import breakers

    assert breakers["payments"].call(lambda: 1) == 1
    call_command("breakers", "list")


def flask_works() -> None:
    from flask import Flask

    from flask_breaker import Breakers

    app = Flask("smoke")
    app.config["BREAKERS"] = {"payments": {}}
    breakers = Breakers(app)
    with app.app_context():
        assert breakers["payments"].call(lambda: 1) == 1


def files_came_along() -> None:
    for package in ("breaker_core", "django_breaker", "flask_breaker"):
        assert files(package).joinpath("py.typed").is_file(), package
    assert files("django_breaker").joinpath("migrations", "0001_initial.py").is_file()
    assert files("django_breaker").joinpath("static", "django_breaker").is_dir()
    assert files("django_breaker").joinpath("templates", "admin").is_dir()


if __name__ == "__main__":
    core_works()
    files_came_along()
    django_works()
    flask_works()
    print("the wheel works")
