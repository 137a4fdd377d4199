"""The answer to a request that a breaker rejected: 503 with ``Retry-After``, or the application's.

An application that handles ``CircuitOpenError`` itself answers in its own words, whether its
handler came before ``init_app`` or after. The text tells a visitor nothing about the inside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Response, current_app, has_request_context, request

from breaker_core import BreakerError, CircuitOpenError
from breaker_core.http import STATUS, retry_after_header

if TYPE_CHECKING:
    from flask import Flask

TEXT = "This service is not available at the moment. Please try again later.\n"


def unavailable(error: CircuitOpenError) -> Response:
    """Return the 503 for a rejected call; without ``Retry-After`` when nobody knows when."""
    response = Response(TEXT, STATUS, {"Cache-Control": "no-store"}, mimetype="text/plain")
    header = retry_after_header(error.retry_after)
    if header is not None:
        response.headers["Retry-After"] = header
    return response


def handle_rejections(app: Flask) -> None:
    """Let *app* answer rejections with the 503, unless it has a handler of its own."""
    if _handler(app, None) is None:
        app.register_error_handler(CircuitOpenError, unavailable)


def answer(error: CircuitOpenError) -> Response:
    """Return the 503 for a guarded view; raise *error* where the application handles it itself."""
    if has_request_context():
        names = (*request.blueprints, None)
        if any(_handler(current_app, name) not in {None, unavailable} for name in names):
            raise error
    return unavailable(error)


def _handler(app: Flask, blueprint: str | None) -> Any:
    """Return what answers rejections in *blueprint*, or where it is None in all of *app*."""
    handlers: dict[type[Exception], Any] = app.error_handler_spec[blueprint][None]
    return handlers.get(CircuitOpenError) or handlers.get(BreakerError)
