"""What the tests of the Flask adapter share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from flask_breaker import Breakers
from tests.flask_ext.factories import make_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask import Flask


@pytest.fixture
def app() -> Flask:
    """An application with the breaker payments: two failures open it for ten seconds."""
    return make_app()


@pytest.fixture
def breakers(app: Flask) -> Breakers:
    return Breakers(app)


@pytest.fixture
def sharing() -> Iterator[Callable[..., Breakers]]:
    """How to make one more process's breakers over a real store, so to say."""
    made: list[Breakers] = []

    def make(cache: Any, **config: Any) -> Breakers:
        made.append(Breakers(make_app(BREAKER_CACHE=cache, **config)))
        return made[-1]

    yield make
    for each in made:
        each.registry.close()
