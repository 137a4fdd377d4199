"""The extension object: guards by name, several applications, names that nobody configured."""

from __future__ import annotations

import asyncio
import gc
import inspect
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask

from breaker_core import (
    CircuitBreaker,
    CircuitOpenError,
    ConfigurationError,
    State,
    UnknownBreakerError,
)
from flask_breaker import Breakers
from tests.flask_ext.factories import Dependency, DownError, make_app
from tests.flask_ext.helpers import fail, open_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OTHER = {"payments": {"failure_threshold": 1}}


# -- guards ------------------------------------------------------------------------------------


def test_a_decorated_function_is_rejected_after_so_many_failures(breakers: Breakers) -> None:
    dependency = Dependency()
    guarded = breakers("payments")(dependency)
    fail(guarded, 2)
    with pytest.raises(CircuitOpenError):
        guarded()
    assert dependency.calls == 2


def test_a_decorator_may_run_before_any_application_exists() -> None:
    breakers = Breakers()

    @breakers("payments")
    def pay() -> str:
        return "paid"

    breakers.init_app(make_app())
    assert pay() == "paid"


def test_a_decorated_function_keeps_its_name_and_text(breakers: Breakers) -> None:
    @breakers("payments")
    def pay(amount: int) -> int:
        """Pay."""
        return amount

    assert (pay.__name__, pay.__doc__) == ("pay", "Pay.")
    assert list(inspect.signature(pay).parameters) == ["amount"]


def test_an_async_function_is_guarded(breakers: Breakers) -> None:
    dependency = Dependency()

    @breakers("payments")
    async def pay() -> str:
        return dependency()

    assert inspect.iscoroutinefunction(pay)
    for _ in range(2):
        with pytest.raises(DownError):
            asyncio.run(pay())
    with pytest.raises(CircuitOpenError):
        asyncio.run(pay())


def test_a_block_is_guarded(breakers: Breakers) -> None:
    for _ in range(2):
        with pytest.raises(DownError), breakers("payments"):
            raise DownError
    with pytest.raises(CircuitOpenError), breakers("payments"):
        pytest.fail("the block must not run")


def test_an_async_block_is_guarded(breakers: Breakers) -> None:
    async def pay() -> None:
        async with breakers("payments"):
            raise DownError

    for _ in range(2):
        with pytest.raises(DownError):
            asyncio.run(pay())
    with pytest.raises(CircuitOpenError):
        asyncio.run(pay())


def test_options_count_for_one_use_alone(breakers: Breakers) -> None:
    with_fallback = breakers("payments", fallback=lambda error: "cash")(Dependency())
    plain = breakers("payments")(Dependency())
    fail(plain, 2)
    assert with_fallback() == "cash"
    with pytest.raises(CircuitOpenError):
        plain()


def test_an_ignored_exception_counts_neither_way(breakers: Breakers) -> None:
    guarded = breakers("payments", ignore=[DownError])(Dependency())
    fail(guarded, 3)
    assert breakers["payments"].state is State.CLOSED


def test_a_wrong_option_for_one_use_is_named(breakers: Breakers) -> None:
    with pytest.raises(ConfigurationError) as raised:
        breakers("payments", fallbak=str)(Dependency())()
    assert str(raised.value) == (
        "breaker('payments', …): unknown option for one use 'fallbak' (did you mean 'fallback'?)"
    )


def test_a_guard_works_inside_a_request_and_outside(app: Flask, breakers: Breakers) -> None:
    guarded = breakers("payments")(Dependency())
    app.add_url_rule("/", "pay", guarded)
    fail(guarded, 1)
    assert app.test_client().get("/").status_code == 500
    assert app.test_client().get("/").status_code == 503


# -- looking -----------------------------------------------------------------------------------


def test_a_breaker_is_found_by_name(breakers: Breakers) -> None:
    assert isinstance(breakers["payments"], CircuitBreaker)
    assert breakers["payments"] is breakers["payments"]


def test_iteration_gives_the_configured_names() -> None:
    breakers = Breakers(make_app(BREAKERS={"a": {}, "b": {}}))
    assert list(breakers) == ["a", "b"]
    assert "a" in breakers
    assert "c" not in breakers


def _enter(breakers: Breakers) -> None:
    with breakers("paymets"):
        pytest.fail("the block must not run")


@pytest.mark.parametrize(
    "use",
    [
        lambda breakers: breakers["paymets"],
        lambda breakers: breakers("paymets")(Dependency())(),
        _enter,
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(
    breakers: Breakers, use: Callable[[Breakers], object]
) -> None:
    with pytest.raises(UnknownBreakerError) as raised:
        use(breakers)
    assert str(raised.value) == (
        "no breaker 'paymets' is configured in BREAKERS (did you mean 'payments'?)"
    )


# -- one application, several, none ------------------------------------------------------------


def test_an_application_takes_breakers_once(app: Flask, breakers: Breakers) -> None:
    with pytest.raises(RuntimeError) as raised:
        breakers.init_app(app)
    assert str(raised.value) == (
        "the application 'shop' has breakers already: call init_app once for each application"
    )


def test_a_second_extension_object_is_refused_too(app: Flask, breakers: Breakers) -> None:
    with pytest.raises(RuntimeError, match="has breakers already"):
        Breakers(app)
    assert app.extensions["breaker"].extension is breakers


def test_two_applications_of_one_extension_keep_state_and_settings_apart() -> None:
    breakers, dependency = Breakers(), Dependency()
    shop, admin = make_app("shop"), make_app("admin", BREAKERS=OTHER)
    guarded = breakers("payments")(dependency)
    breakers.init_app(shop)
    breakers.init_app(admin)
    with admin.app_context():
        fail(guarded, 1)
        assert breakers["payments"].state is State.OPEN
    with shop.app_context():
        assert breakers["payments"].state is State.CLOSED
        fail(guarded, 1)
        assert breakers["payments"].snapshot().consecutive_failures == 1


def test_two_extensions_keep_apart() -> None:
    shop, admin = make_app("shop"), make_app("admin")
    of_shop, of_admin = Breakers(shop), Breakers(admin)
    open_up(of_shop["payments"])
    assert of_admin["payments"].state is State.CLOSED


def test_the_current_application_of_another_extension_is_not_meant() -> None:
    shop, admin = make_app("shop"), make_app("admin", BREAKERS=OTHER)
    of_shop, _ = Breakers(shop), Breakers(admin)
    with admin.app_context():
        assert of_shop["payments"].config.failure_threshold == 2


def test_an_application_without_breakers_may_be_current() -> None:
    breakers = Breakers(make_app())
    with Flask("other").app_context():
        assert list(breakers) == ["payments"]


def test_without_an_application_the_remedy_is_named() -> None:
    guarded = Breakers()("payments")(Dependency())
    with pytest.raises(RuntimeError) as raised:
        guarded()
    assert str(raised.value) == (
        "these breakers have no application yet: call init_app(app) on the Breakers object"
    )


def test_with_several_applications_and_none_current_the_remedy_is_named() -> None:
    breakers = Breakers()
    apps = [make_app("shop"), make_app("admin")]
    for each in apps:
        breakers.init_app(each)
    with pytest.raises(RuntimeError) as raised:
        breakers["payments"]
    assert str(raised.value) == (
        "these breakers serve 2 applications ('admin', 'shop') and none of them is the current "
        "one: use them in a request, or inside 'with app.app_context():'"
    )


def test_a_forgotten_application_is_not_counted() -> None:
    breakers = Breakers()
    breakers.init_app(make_app("shop"))
    breakers.init_app(make_app("admin", BREAKERS=OTHER))
    assert breakers["payments"].config.failure_threshold == 1


def test_the_only_application_is_kept_although_its_maker_dropped_it() -> None:
    breakers = Breakers(make_app())
    gc.collect()
    assert list(breakers) == ["payments"]


def test_an_earlier_application_is_not_kept() -> None:
    breakers, app = Breakers(), make_app()
    breakers.init_app(app)
    breakers.init_app(make_app())
    dropped = weakref.ref(app)
    del app
    gc.collect()
    assert dropped() is None


# -- decorators that could not work -------------------------------------------------------------


def pay() -> str:
    """Something to decorate."""
    return "paid"


WHERE = "tests.flask_ext.test_extension.pay"
UNKNOWN = f"{WHERE}: no breaker 'paymets' is configured in BREAKERS (did you mean 'payments'?)"


def _init(breakers: Breakers) -> None:
    breakers.init_app(make_app())


@pytest.mark.parametrize(
    "decorate", [lambda it: it("paymets"), lambda it: it.protect_view("paymets")]
)
@pytest.mark.parametrize("init_first", [True, False])
def test_an_unknown_name_in_a_decorator_is_warned_of_at_start(
    caplog: pytest.LogCaptureFixture,
    decorate: Callable[[Breakers], Callable[[Any], Any]],
    *,
    init_first: bool,
) -> None:
    breakers = Breakers()
    if init_first:
        _init(breakers)
    guarded = decorate(breakers)(pay)
    if not init_first:
        _init(breakers)
    assert [each.getMessage() for each in caplog.records] == [UNKNOWN]
    with pytest.raises(UnknownBreakerError):
        guarded()


def test_a_wrong_option_in_a_decorator_is_warned_of_at_start(
    caplog: pytest.LogCaptureFixture,
) -> None:
    breakers = Breakers()
    guarded = breakers("payments", ignore=["shop.no_such.Error"])(pay)
    _init(breakers)
    (record,) = caplog.records
    assert record.getMessage() == (
        f"{WHERE}: breaker('payments', …): ignore: cannot import 'shop.no_such.Error': "
        "ModuleNotFoundError: No module named 'shop'"
    )
    with pytest.raises(ConfigurationError, match="cannot import"):
        guarded()


def test_a_dotted_path_may_name_what_is_defined_after_the_decorator(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    breakers = Breakers(make_app())
    guarded = breakers("payments", fallback=f"{__name__}.in_cash")(Dependency())
    monkeypatch.setattr(f"{__name__}.in_cash", lambda error: "cash", raising=False)
    open_up(breakers["payments"])
    assert guarded() == "cash"
    assert [each for each in caplog.records if "in_cash" in each.getMessage()] == []


def test_a_configured_name_is_not_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    breakers = Breakers()
    guarded = breakers("payments")(pay)
    _init(breakers)
    assert guarded() == "paid"
    assert not caplog.records


def test_a_name_that_another_application_configures_is_not_warned_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    breakers = Breakers()
    apps = [make_app(), make_app(BREAKERS={"search": {}})]
    breakers.init_app(apps[0])
    guarded = breakers("payments")(pay)
    breakers.init_app(apps[1])
    assert not caplog.records
    with apps[0].app_context():
        assert guarded() == "paid"


def test_a_decorator_that_is_gone_is_not_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    breakers = Breakers()
    breakers("paymets")(pay)
    gc.collect()
    _init(breakers)
    assert not caplog.records


@pytest.mark.parametrize("decorate", [lambda it, fn: it(fn), lambda it, fn: it.protect_view(fn)])
def test_a_decorator_without_a_name_is_refused_at_once(
    breakers: Breakers, decorate: Callable[[Breakers, Any], Any]
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        decorate(breakers, len)
    assert str(raised.value) == (
        "a decorator takes the name of a breaker in BREAKERS, such as @breakers('payments'); "
        "got <built-in function len>"
    )


def test_a_generator_is_refused_at_once(breakers: Breakers) -> None:
    with pytest.raises(ConfigurationError, match="cannot decorate the generator function"):

        @breakers("payments")
        def rows() -> Iterator[int]:
            yield 1


def test_an_application_that_has_served_already_is_refused_and_left_as_it_was(app: Flask) -> None:
    app.test_client().get("/")
    breakers = Breakers()
    with pytest.raises(AssertionError, match="register_error_handler"):
        breakers.init_app(app)
    assert "breaker" not in app.extensions
    assert "breakers" not in app.cli.commands
