"""Turns rejections that views let through into the 503; sync and async without a thread hop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from breaker_core import CircuitOpenError
from django_breaker.responses import rejected

GetResponse = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]


class BreakerMiddleware:
    """Answers 503, with ``Retry-After``, when a view raises CircuitOpenError.

    It must stand below whatever handles exceptions of views in its own way: Django asks the last
    middleware of MIDDLEWARE first.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Return the 503 for a rejection; None leaves every other exception to Django."""
        return rejected(exception) if isinstance(exception, CircuitOpenError) else None
