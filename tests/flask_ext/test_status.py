"""The status view for machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flask_breaker import Breakers
from tests.flask_ext.factories import make_app
from tests.flask_ext.helpers import open_up

if TYPE_CHECKING:
    from pathlib import Path

    from flask import Flask

PATH = "/breakers.json"


def _mounted(app: Flask) -> Breakers:
    breakers = Breakers(app)
    app.add_url_rule(PATH, view_func=breakers.status_view)
    return breakers


def test_it_shows_all_breakers_the_worst_first() -> None:
    app = make_app(BREAKERS={"a": {}, "payments": {"failure_threshold": 2}})
    open_up(_mounted(app)["payments"])
    answer = app.test_client().get(PATH)
    assert answer.is_json
    assert [(each["name"], each["state"]) for each in answer.json["breakers"]] == [
        ("payments", "open"),
        ("a", "closed"),
    ]


def test_it_is_answered_with_200_although_a_breaker_is_open(app: Flask) -> None:
    open_up(_mounted(app)["payments"])
    assert app.test_client().get(PATH).status_code == 200


def test_it_is_never_cached(app: Flask) -> None:
    _mounted(app)
    assert app.test_client().get(PATH).headers["Cache-Control"] == "no-store"


def test_it_names_the_environment() -> None:
    app = make_app(BREAKER_ENVIRONMENT="production")
    _mounted(app)
    assert app.test_client().get(PATH).json["environment"] == "production"


def test_nothing_mounts_it_by_itself(app: Flask) -> None:
    Breakers(app)
    assert [rule.endpoint for rule in app.url_map.iter_rules()] == ["static"]


def test_looking_changes_nothing(app: Flask) -> None:
    breakers = _mounted(app)
    before = breakers["payments"].snapshot().epoch
    app.test_client().get(PATH)
    assert breakers["payments"].snapshot().epoch == before
    assert breakers["payments"].snapshot().totals["calls"] == 0


@pytest.mark.shared_breakers
def test_it_holds_no_secret_of_the_store_and_works_while_that_is_away(tmp_path: Path) -> None:
    url = "postgresql+psycopg://shop:s3cret@127.0.0.1:1/shop"
    app = make_app(BREAKER_CACHE=url)
    _mounted(app)
    answer = app.test_client().get(PATH)
    assert answer.status_code == 200
    assert answer.json["breakers"][0]["store"] == "unreachable"
    assert "s3cret" not in answer.text
