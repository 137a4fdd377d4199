"""``breaker`` and ``protect_view`` on functions, blocks, views and classes of views."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import AsyncClient, Client, override_settings
from django.utils.decorators import method_decorator
from django.views import View

from breaker_core import CircuitOpenError, ConfigurationError, State, UnknownBreakerError
from django_breaker import breaker, breakers, protect_view
from django_breaker.decorators import named_uses
from tests.django_app import views
from tests.django_app.helpers import trip

if TYPE_CHECKING:
    from pytest_django.fixtures import SettingsWrapper

SYNC = ["/protected/", "/protected-class/"]
ASYNC = ["/protected-async/", "/protected-async-class/"]


def get(address: str, **query: str) -> Any:
    """Return the response to a GET as the client of the site gets it."""
    client = Client(raise_request_exception=False)
    return client.get(address, query)


async def aget(address: str, **query: str) -> Any:
    """Return the response to a GET by the async client."""
    client = AsyncClient(raise_request_exception=False)
    return await client.get(address, query)


@pytest.mark.parametrize("address", SYNC + ASYNC)
def test_a_protected_view_answers_as_always_while_closed(address: str) -> None:
    assert get(address).content == b"fine"
    assert breakers["payments"].snapshot().totals["successes"] == 1


@pytest.mark.parametrize("address", SYNC + ASYNC)
@pytest.mark.parametrize("failure", ["raise", "502"])
def test_failures_of_a_protected_view_open_its_breaker(address: str, failure: str) -> None:
    for _ in range(3):
        assert get(address, do=failure).status_code in {500, 502}
    assert breakers["payments"].state is State.OPEN


@pytest.mark.parametrize("address", SYNC + ASYNC)
def test_not_found_is_no_failure_of_the_view(address: str) -> None:
    for _ in range(5):
        assert get(address, do="missing").status_code == 404
    assert breakers["payments"].state is State.CLOSED


@pytest.mark.parametrize("address", SYNC + ASYNC)
def test_a_rejected_view_answers_503_with_retry_after(address: str) -> None:
    trip("payments")
    response = get(address)
    assert response.status_code == 503
    assert response["Retry-After"] == "10"
    assert response["Cache-Control"] == "no-store"
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert response.content == (
        b"This service is not available at the moment. Please try again later.\n"
    )


@pytest.mark.parametrize("address", SYNC + ASYNC)
def test_a_rejected_view_answers_503_under_asgi(address: str) -> None:
    trip("payments")
    response = asyncio.run(aget(address))
    assert response.status_code == 503
    assert response["Retry-After"] == "10"


@pytest.mark.parametrize("address", SYNC + ASYNC)
def test_failures_count_under_asgi(address: str) -> None:
    for _ in range(3):
        asyncio.run(aget(address, do="raise"))
    assert breakers["payments"].state is State.OPEN


def test_retry_after_is_left_out_when_nobody_knows() -> None:
    breakers["payments"].force_open()
    assert "Retry-After" not in get("/protected/")


def test_a_rejected_view_with_a_fallback_answers_that() -> None:
    trip("payments")
    response = get("/protected-with-fallback/")
    assert (response.status_code, response.content) == (200, b"kept")


def test_the_rejection_of_another_breaker_passes_through_protect_view() -> None:
    trip("geo")
    request: Any = type("Request", (), {"GET": {"do": "geo"}})()
    with pytest.raises(CircuitOpenError) as caught:
        views.protected(request)
    assert caught.value.name == "geo"
    assert breakers["payments"].snapshot().totals["ignored"] == 1


def test_the_rejection_of_another_breaker_becomes_the_503_of_the_middleware() -> None:
    trip("geo")
    response = get("/protected/", do="geo")
    assert response.status_code == 503
    assert response["Retry-After"] == "30"


def test_a_protected_view_keeps_its_name_and_marks() -> None:
    def view(request: Any) -> None:
        """A docstring."""

    view.csrf_exempt = True  # type: ignore[attr-defined]
    protected: Any = protect_view("payments")(view)
    assert protected.__name__ == "view"
    assert protected.__doc__ == "A docstring."
    assert protected.csrf_exempt


def test_breaker_guards_a_function() -> None:
    @breaker("payments")
    def call(number: int) -> int:
        return number + 1

    assert call(1) == 2
    trip("payments")
    with pytest.raises(CircuitOpenError):
        call(1)


def test_breaker_guards_a_method_and_a_coroutine() -> None:
    class Client:
        @breaker("payments")
        async def call(self, number: int) -> int:
            return number + 1

    assert asyncio.run(Client().call(1)) == 2
    trip("payments")
    with pytest.raises(CircuitOpenError):
        asyncio.run(Client().call(1))


def test_breaker_guards_a_block() -> None:
    for _ in range(3):
        with pytest.raises(ValueError, match="down"), breaker("payments"):
            raise ValueError("down")
    with pytest.raises(CircuitOpenError), breaker("payments"):
        pytest.fail("the block was entered")


def test_breaker_guards_an_async_block() -> None:
    async def block() -> str:
        async with breaker("payments"):
            return "done"

    assert asyncio.run(block()) == "done"
    trip("payments")
    with pytest.raises(CircuitOpenError):
        asyncio.run(block())


def test_options_hold_for_one_use_only() -> None:
    @breaker("payments", ignore=[KeyError], fallback=lambda error: "kept")
    def call() -> str:
        raise KeyError

    for _ in range(5):
        with pytest.raises(KeyError):
            call()
    trip("payments")
    assert call() == "kept"


def test_an_unknown_name_is_an_error_at_the_first_call_only() -> None:
    @breaker("paymnets")
    def call() -> None: ...

    with pytest.raises(UnknownBreakerError, match=r"did you mean 'payments'\?"):
        call()


def test_wrong_settings_are_an_error_at_the_first_call() -> None:
    @breaker("payments")
    def call() -> None: ...

    with override_settings(BREAKERS=3), pytest.raises(ImproperlyConfigured, match="BREAKERS: must"):
        call()
    call()


@pytest.mark.parametrize(
    ("decorator", "usage"), [(breaker, "breaker"), (protect_view, "protect_view")]
)
def test_a_decorator_without_a_name_says_how_to_write_it(decorator: Any, usage: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        decorator(3)
    assert str(caught.value) == (
        f"{usage} takes the name of a breaker in BREAKERS, such as {usage}('payments'); got 3"
    )


def test_a_generator_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="cannot decorate the generator function"):

        @breaker("payments")
        def rows() -> Any:
            yield 1


def test_named_uses_tell_where_a_decorator_stands() -> None:
    here = {(use.name, use.where) for use in named_uses()}
    assert ("payments", "tests.django_app.views.protected") in here
    assert ("payments", "tests.django_app.views.protected_async") in here
    assert ("geo", "tests.django_app.views.guarded_call") in here


def test_a_decorator_of_a_class_is_known_by_its_module() -> None:
    @method_decorator(protect_view("cards"), name="dispatch")
    class Page(View):
        pass

    assert [use.where for use in named_uses() if use.name == "cards"] == [__name__]
    del Page


def test_a_breaker_that_decorates_nothing_is_no_named_use() -> None:
    kept = breaker("cards-in-a-block")
    assert all(use.name != kept.name for use in named_uses())


def test_a_class_of_views_is_decorated_anew_without_growing(settings: SettingsWrapper) -> None:
    for _ in range(3):
        get("/protected-class/")
    places = [use.where for use in named_uses() if "ProtectedClass" in use.where]
    assert len(places) <= 1
