"""Views that guard what they call in every way the adapter offers."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views import View

from django_breaker import breaker, protect_view


class UpstreamError(Exception):
    """The dependency of the test site failed."""


def answer(request: HttpRequest) -> HttpResponse:
    """Answer as the query asks: ``?do=raise``, ``?do=404``, or a status such as ``?do=502``."""
    wish = request.GET.get("do", "200")
    if wish == "raise":
        raise UpstreamError
    if wish == "missing":
        raise Http404
    if wish == "geo":
        guarded_call()
    return HttpResponse("fine", status=int(wish))


@breaker("geo")
def guarded_call() -> str:
    """Fail under breaker *geo*."""
    raise UpstreamError


@protect_view("payments")
def protected(request: HttpRequest) -> HttpResponse:
    """A view behind *payments*."""
    return answer(request)


@protect_view("payments")
async def protected_async(request: HttpRequest) -> HttpResponse:
    """An async view behind *payments*."""
    return answer(request)


@protect_view("payments", fallback=lambda error, request: HttpResponse("kept"))
def protected_with_fallback(request: HttpRequest) -> HttpResponse:
    """A view behind *payments* that answers something else when it is rejected."""
    return answer(request)


@method_decorator(protect_view("payments"), name="dispatch")
class ProtectedClass(View):
    """A class of sync handlers behind *payments*."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return answer(request)


@method_decorator(protect_view("payments"), name="dispatch")
class ProtectedAsyncClass(View):
    """A class of async handlers behind *payments*."""

    async def get(self, request: HttpRequest) -> HttpResponse:
        return answer(request)


def calling(request: HttpRequest) -> HttpResponse:
    """An unprotected view that calls a dependency behind *payments*."""
    with breaker("payments"):
        return answer(request)


async def calling_async(request: HttpRequest) -> HttpResponse:
    """The same, async."""
    async with breaker("payments"):
        return answer(request)
