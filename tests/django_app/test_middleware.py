"""The middleware: rejections that views let through become the 503, sync and async."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client

from django_breaker.middleware import BreakerMiddleware
from tests.django_app.helpers import trip
from tests.django_app.views import UpstreamError

ADDRESSES = ["/calling/", "/calling-async/"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_rejection_becomes_the_503(address: str) -> None:
    trip("payments")
    response = Client().get(address)
    assert response.status_code == 503
    assert response["Retry-After"] == "10"


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_rejection_becomes_the_503_under_asgi(address: str) -> None:
    trip("payments")

    async def ask() -> Any:
        return await AsyncClient().get(address)

    assert asyncio.run(ask()).status_code == 503


def test_the_body_names_neither_the_breaker_nor_its_error() -> None:
    trip("payments")
    body = Client().get("/calling/").content
    assert b"payments" not in body
    assert b"DownError" not in body


def test_other_exceptions_are_left_to_django() -> None:
    with pytest.raises(UpstreamError):
        Client().get("/calling/", {"do": "raise"})


def test_a_response_goes_through_unchanged() -> None:
    response = HttpResponse("fine")
    assert BreakerMiddleware(lambda request: response)(HttpRequest()) is response


def test_it_is_async_exactly_when_what_it_wraps_is() -> None:
    async def get_response(request: HttpRequest) -> HttpResponse:
        return HttpResponse()

    assert iscoroutinefunction(BreakerMiddleware(get_response))
    assert not iscoroutinefunction(BreakerMiddleware(lambda request: HttpResponse()))
