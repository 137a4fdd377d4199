"""What Flask's own answers count as."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask, Response, abort
from werkzeug.exceptions import HTTPException, NotFound, ServiceUnavailable, TooManyRequests

from breaker_core import CircuitOpenError, State
from flask_breaker.conventions import is_answer, is_failure

if TYPE_CHECKING:
    from flask_breaker import Breakers


@pytest.mark.parametrize(
    "error",
    [NotFound(), TooManyRequests(), HTTPException(response=Response("gone", 410))],
)
def test_an_http_exception_below_500_is_an_answer(error: HTTPException) -> None:
    assert is_answer(error)


@pytest.mark.parametrize(
    "error",
    [
        ServiceUnavailable(),
        HTTPException(response=Response("down", 500)),
        HTTPException(),
        ValueError(),
    ],
)
def test_other_exceptions_are_no_answers(error: Exception) -> None:
    assert not is_answer(error)


@pytest.mark.parametrize(
    "result",
    [
        Response("down", 500),
        ServiceUnavailable(),
        ("down", 503),
        ("down", HTTPStatus.BAD_GATEWAY),
        ("down", "503 SERVICE UNAVAILABLE"),
        ({"error": "down"}, 500),
        ([], 599),
        (b"down", 500, {"X-A": "b"}),
        ("down", 500, [("X-A", "b")]),
        (Response("down", 502), {"X-A": "b"}),
        (Response("fine", 200), 500),
        (iter(["down"]), 500),
    ],
)
def test_a_response_of_500_or_above_is_a_failure(result: Any) -> None:
    assert is_failure(result)


@pytest.mark.parametrize(
    "result",
    [
        Response("fine", 499),
        NotFound(),
        "503",
        503,
        None,
        ("not found", 404),
        ("fine", {"X-Status": "500"}),
        (Response("down", 500), 200),
        (Response("fine", 200), {"X-A": "b"}),
    ],
)
def test_other_answers_of_views_are_no_failures(result: Any) -> None:
    assert not is_failure(result)


@pytest.mark.parametrize(
    "result",
    [
        (3, 500),
        (None, 500),
        ("width", 640),
        ("price", 500.0),
        ("flag", True),
        ("a", 500, "c"),
        ("a", 500, {}, 4),
        ("only",),
        (),
        ("road", "500m"),
    ],
)
def test_tuples_that_flask_would_not_answer_with_are_left_alone(result: Any) -> None:
    assert not is_failure(result)


@pytest.mark.parametrize("status", [400, 404, 429])
def test_aborting_below_500_keeps_the_breaker_closed(
    app: Flask, breakers: Breakers, status: int
) -> None:
    @app.get("/")
    @breakers("payments")
    def view() -> str:
        abort(status)

    for _ in range(3):
        assert app.test_client().get("/").status_code == status
    assert breakers["payments"].state is State.CLOSED


def test_a_404_clears_the_streak(breakers: Breakers) -> None:
    guarded = breakers["payments"]
    with pytest.raises(ValueError, match="down"):
        guarded.call(_raise, ValueError("down"))
    with pytest.raises(NotFound):
        guarded.call(_raise, NotFound())
    assert guarded.snapshot().consecutive_failures == 0


def test_aborting_with_503_is_a_failure(breakers: Breakers) -> None:
    for _ in range(2):
        with pytest.raises(ServiceUnavailable):
            breakers["payments"].call(_raise, ServiceUnavailable())
    assert breakers["payments"].state is State.OPEN


@pytest.mark.parametrize(
    "answer", [Response("down", 500), ("down", 502), ("down", 503, {"X-A": "b"})]
)
def test_a_view_that_returns_500_or_above_opens_the_breaker(
    app: Flask, breakers: Breakers, answer: Any
) -> None:
    @app.get("/")
    @breakers("payments")
    def view() -> Any:
        return answer

    statuses = [app.test_client().get("/").status_code for _ in range(2)]
    assert min(statuses) >= 500
    with pytest.raises(CircuitOpenError):
        view()


def _raise(error: Exception) -> None:
    raise error
