"""What type checkers make of the public names. Checked by mypy, never run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_type

from django.http import HttpRequest, HttpResponse

from breaker_core import (
    Attempt,
    BreakerRegistry,
    CircuitBreaker,
    CircuitOpenError,
    Failure,
    LazyBreaker,
    Permit,
    Rejected,
    Snapshot,
    Success,
)
from django_breaker import breaker as django_guard
from django_breaker import breakers as django_breakers
from django_breaker import protect_view
from flask_breaker import Breakers

if TYPE_CHECKING:
    from collections.abc import Coroutine

breaker = CircuitBreaker("payments")
flask_breakers = Breakers()


def price(article: str, *, currency: str = "EUR") -> int:
    return 7


async def fetch(article: str) -> bytes:
    return b""


# -- calls -----------------------------------------------------------------------------------------

assert_type(breaker.call(price, "x", currency="USD"), int)
breaker.call(price, 3)  # type: ignore[arg-type]
breaker.call(price, "x", curency="USD")  # type: ignore[call-arg]

assert_type(breaker.attempt(price, "x"), Success[int] | Failure | Rejected)
breaker.attempt(price)  # type: ignore[call-arg]


def matched(attempt: Attempt[int]) -> str:
    """Without a case for each, this would miss a return."""
    match attempt:
        case Success(value):
            assert_type(value, int)
            return "success"
        case Failure(error):
            assert_type(error, Exception)
            return "failure"
        case Rejected(retry_after, why):
            assert_type(retry_after, float | None)
            assert_type(why, CircuitOpenError)
            return "rejected"


async def calls() -> None:
    assert_type(await breaker.call_async(fetch, "x"), bytes)
    await breaker.call_async(fetch, 3)  # type: ignore[arg-type]
    assert_type(await breaker.attempt_async(fetch, "x"), Success[bytes] | Failure | Rejected)
    async with breaker as entered:
        assert_type(entered, CircuitBreaker)
    permit = await breaker.admit_async()
    assert_type(permit, Permit)
    await permit.failed_async(TimeoutError())
    assert_type(await charged_async(1), str)
    assert_type(await guarded_in_flask(1), str)
    await charged_async("1")  # type: ignore[arg-type]


def blocks() -> int:
    """A block swallows nothing, so what follows an endless one is not missed."""
    with breaker as entered:
        assert_type(entered, CircuitBreaker)
        return 1


def phases() -> None:
    permit = breaker.admit()
    permit.succeeded(5)
    permit.failed("status 500")  # type: ignore[arg-type]


# -- decorators ------------------------------------------------------------------------------------


@breaker
def charged(amount: int, *, currency: str = "EUR") -> str:
    return ""


@breaker(ignore=[LookupError], failure_if=bool, fallback=lambda error, *args: "")
def charged_otherwise(amount: int) -> str:
    return ""


@breaker
async def charged_async(amount: int) -> str:
    return ""


class Client:
    @breaker
    def charge(self, amount: int) -> str:
        return ""

    @classmethod
    @breaker
    def make(cls, url: str) -> int:
        return 1


assert_type(charged(1, currency="USD"), str)
charged("1")  # type: ignore[arg-type]
assert_type(charged_otherwise(1), str)
charged_otherwise()  # type: ignore[call-arg]
ran: Coroutine[Any, Any, str] = charged_async(1)
assert_type(Client().charge(1), str)
Client().charge("1")  # type: ignore[arg-type]
assert_type(Client.make("x"), int)
breaker(failure_treshold=3)  # type: ignore[call-overload]
breaker(3)  # type: ignore[call-overload]

# -- names -----------------------------------------------------------------------------------------

registry = BreakerRegistry({"payments": {}})
assert_type(registry["payments"], CircuitBreaker)
assert_type(registry["payments"].for_key("acme"), CircuitBreaker)
assert_type(registry.snapshots(), list[Snapshot])
registry["payments"].for_key(7)  # type: ignore[arg-type]

assert_type(django_guard("payments"), LazyBreaker)
assert_type(django_breakers["payments"].for_key("acme"), CircuitBreaker)
assert_type(flask_breakers["payments"].for_key("acme"), CircuitBreaker)


@django_guard("payments", ignore=[LookupError])
def guarded_in_django(amount: int) -> str:
    return ""


@flask_breakers("payments")
async def guarded_in_flask(amount: int) -> str:
    return ""


@protect_view("payments")
def django_view(request: HttpRequest, pk: int) -> HttpResponse:
    return HttpResponse()


@flask_breakers.protect_view("payments")
def flask_view(pk: int) -> str:
    return ""


assert_type(guarded_in_django(1), str)
guarded_in_django("1")  # type: ignore[arg-type]
ran = guarded_in_flask(1)
assert_type(django_view(HttpRequest(), pk=1), HttpResponse)
flask_view("1")  # type: ignore[arg-type]
