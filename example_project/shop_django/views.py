"""The two pages of the shop."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from breaker_core import CircuitOpenError
from breaker_core.http import retry_after_header
from django_breaker import breakers
from django_breaker.registry import registry
from example_project.catalogue import ITEM
from example_project.page import Stopwatch, context
from example_project.price_client import PriceServiceError
from example_project.shop_django import prices


@never_cache
@require_safe
def product(request: HttpRequest) -> HttpResponse:
    """Show the product: with today's price, with the catalogue's, or with the error."""
    stopwatch = Stopwatch()
    try:
        offer = prices.offer(ITEM)
    except PriceServiceError as error:
        return page(request, "product.html", status=502, took=stopwatch.read(), error=error)
    return page(request, "product.html", took=stopwatch.read(), offer=offer)


@never_cache
@require_safe
def buy(request: HttpRequest) -> HttpResponse:
    """Show the order; without today's price there is none."""
    stopwatch = Stopwatch()
    try:
        price = prices.price(ITEM)
    except CircuitOpenError as rejected:
        return _unavailable(request, stopwatch, rejected)
    except PriceServiceError as error:
        return page(request, "order.html", status=502, took=stopwatch.read(), error=error)
    return page(request, "order.html", took=stopwatch.read(), price=price)


def _unavailable(
    request: HttpRequest, stopwatch: Stopwatch, rejected: CircuitOpenError
) -> HttpResponse:
    retry_after = retry_after_header(rejected.retry_after)
    answer = page(
        request,
        "order.html",
        status=503,
        took=stopwatch.read(),
        rejected=True,
        retry_after=retry_after,
    )
    if retry_after is not None:
        answer["Retry-After"] = retry_after
    return answer


def page(request: HttpRequest, template: str, *, status: int = 200, **more: Any) -> HttpResponse:
    """Return *template* with what it shows of the breaker."""
    about = context("Django shop", breakers["prices"], registry().processes(), **more)
    return render(request, template, about, status=status)
