"""What a visitor sees of a rejected call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from flask import Blueprint, Flask, jsonify
from flask.views import MethodView

from breaker_core import BreakerError, CircuitOpenError
from flask_breaker import Breakers
from tests.flask_ext.factories import Dependency, DownError, make_app
from tests.flask_ext.helpers import open_up

if TYPE_CHECKING:
    from collections.abc import Callable

    from werkzeug.test import TestResponse


def _own(error: Exception) -> tuple[str, int]:
    return f"own: {type(error).__name__}", 418


def _calling(app: Flask, breakers: Breakers) -> TestResponse:
    """Ask for a page whose service call is rejected."""
    guarded = breakers("payments")(Dependency())
    app.add_url_rule("/", "index", guarded)
    open_up(breakers["payments"])
    return app.test_client().get("/")


def test_a_rejection_is_answered_with_503_and_the_rest_of_the_open_time(
    app: Flask, breakers: Breakers
) -> None:
    answer = _calling(app, breakers)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")


def test_the_answer_tells_nothing_about_the_inside(app: Flask, breakers: Breakers) -> None:
    answer = _calling(app, breakers)
    assert answer.text == ("This service is not available at the moment. Please try again later.\n")
    assert answer.content_type == "text/plain; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"


def test_retry_after_is_left_out_when_nobody_knows(app: Flask, breakers: Breakers) -> None:
    breakers["payments"].force_open(by="alice")
    app.add_url_rule("/", "index", breakers("payments")(Dependency()))
    answer = app.test_client().get("/")
    assert answer.status_code == 503
    assert "Retry-After" not in answer.headers


def test_retry_after_is_rounded_up() -> None:
    app = make_app(BREAKERS={"payments": {"failure_threshold": 2, "open_timeout": 0.2}})
    assert _calling(app, Breakers(app)).headers["Retry-After"] == "1"


def test_other_errors_are_not_answered(app: Flask, breakers: Breakers) -> None:
    app.testing = True
    app.add_url_rule("/", "index", breakers("payments")(Dependency()))
    with pytest.raises(DownError):
        app.test_client().get("/")


def test_a_test_application_answers_too(app: Flask, breakers: Breakers) -> None:
    app.testing = True
    assert _calling(app, breakers).status_code == 503


@pytest.mark.parametrize("kind", [CircuitOpenError, BreakerError])
def test_a_handler_from_before_is_kept(kind: type[Exception]) -> None:
    app = make_app()
    app.register_error_handler(kind, _own)
    assert _calling(app, Breakers(app)).text == "own: CircuitOpenError"


def test_a_handler_from_later_wins(app: Flask, breakers: Breakers) -> None:
    app.register_error_handler(CircuitOpenError, _own)
    assert _calling(app, breakers).text == "own: CircuitOpenError"


def test_a_general_handler_from_before_leaves_rejections_to_the_503() -> None:
    app = make_app()
    app.register_error_handler(Exception, _own)
    assert _calling(app, Breakers(app)).status_code == 503


# -- protect_view ------------------------------------------------------------------------------


def _sync_view(app: Flask, breakers: Breakers) -> None:
    @app.get("/<kind>")
    @breakers.protect_view("payments")
    def pay(kind: str) -> Any:
        if kind == "raise":
            raise DownError
        return ("down", 502) if kind == "down" else "paid"


def _async_view(app: Flask, breakers: Breakers) -> None:
    @app.get("/<kind>")
    @breakers.protect_view("payments")
    async def pay(kind: str) -> Any:
        if kind == "raise":
            raise DownError
        return ("down", 502) if kind == "down" else "paid"


@pytest.mark.parametrize("add_view", [_sync_view, _async_view])
@pytest.mark.parametrize("kind", ["raise", "down"])
def test_a_protected_view_answers_503_when_rejected(
    app: Flask, breakers: Breakers, add_view: Callable[[Flask, Breakers], None], kind: str
) -> None:
    add_view(app, breakers)
    client = app.test_client()
    assert client.get("/fine").text == "paid"
    first = [client.get(f"/{kind}").status_code for _ in range(2)]
    assert first in ([500, 500], [502, 502])
    answer = client.get("/fine")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")


@pytest.mark.parametrize("add_view", [_sync_view, _async_view])
def test_a_protected_view_leaves_the_answer_to_the_application_s_own_handler(
    app: Flask, breakers: Breakers, add_view: Callable[[Flask, Breakers], None]
) -> None:
    add_view(app, breakers)
    app.register_error_handler(CircuitOpenError, _own)
    open_up(breakers["payments"])
    assert app.test_client().get("/fine").text == "own: CircuitOpenError"


def test_a_protected_view_answers_503_whatever_its_blueprint_catches(
    app: Flask, breakers: Breakers
) -> None:
    blueprint = Blueprint("shop", __name__)
    blueprint.add_url_rule("/", "pay", breakers.protect_view("payments")(Dependency()))
    blueprint.register_error_handler(Exception, _own)
    app.register_blueprint(blueprint)
    open_up(breakers["payments"])
    assert app.test_client().get("/").status_code == 503


def test_a_protected_view_may_be_called_without_a_request(breakers: Breakers) -> None:
    view = breakers.protect_view("payments")(Dependency())
    open_up(breakers["payments"])
    assert view().status_code == 503


def test_a_protected_view_may_have_a_fallback(app: Flask, breakers: Breakers) -> None:
    @app.get("/")
    @breakers.protect_view("payments", fallback=lambda error: jsonify(error.name))
    def pay() -> str:
        return "paid"

    open_up(breakers["payments"])
    answer = app.test_client().get("/")
    assert (answer.status_code, answer.json) == (200, "payments")


def test_a_protected_view_leaves_the_answer_to_its_blueprint_s_own_handler(
    app: Flask, breakers: Breakers
) -> None:
    blueprint = Blueprint("shop", __name__)
    blueprint.add_url_rule("/", "pay", breakers.protect_view("payments")(Dependency()))
    blueprint.register_error_handler(CircuitOpenError, _own)
    app.register_blueprint(blueprint)
    open_up(breakers["payments"])
    assert app.test_client().get("/").text == "own: CircuitOpenError"


def test_a_protected_view_passes_on_the_rejection_by_another_breaker() -> None:
    breakers = Breakers(make_app(BREAKERS={"payments": {"failure_threshold": 2}, "search": {}}))
    view = breakers.protect_view("search")(breakers("payments")(Dependency()))
    open_up(breakers["payments"])
    with pytest.raises(CircuitOpenError, match="payments"):
        view()


def test_a_view_class_is_protected_by_its_decorators(app: Flask, breakers: Breakers) -> None:
    class Pay(MethodView):
        decorators: ClassVar = [breakers.protect_view("payments")]

        def get(self) -> str:
            raise DownError

    app.add_url_rule("/", view_func=Pay.as_view("pay"))
    client = app.test_client()
    assert [client.get("/").status_code for _ in range(3)] == [500, 500, 503]
