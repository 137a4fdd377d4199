"""Which registry counts: a test's own, or the one over the configured store; and the warning."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import cachelib
import pytest

from breaker_core import State
from flask_breaker import Breakers
from flask_breaker.testing import isolated_breakers, shared_breakers
from tests.flask_ext.factories import Dependency, make_app
from tests.flask_ext.helpers import fail, open_up

if TYPE_CHECKING:
    from pathlib import Path

    from flask import Flask

# -- tests of a site ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def long_lived() -> Breakers:
    """An application that outlives a test, as in many sites; two failures open its breaker."""
    return Breakers(make_app())


@pytest.mark.parametrize("time", ["first", "second"])
def test_each_test_begins_closed(long_lived: Breakers, time: str) -> None:
    assert long_lived["payments"].state is State.CLOSED
    open_up(long_lived["payments"])
    assert long_lived["payments"].state is State.OPEN


def test_a_test_never_touches_the_configured_store(tmp_path: Path) -> None:
    breakers = Breakers(make_app(BREAKER_CACHE=f"sqlite:///{tmp_path}/breakers.db"))
    open_up(breakers["payments"])
    assert breakers["payments"].snapshot().store == "memory"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.shared_breakers
def test_a_marked_test_uses_the_configured_store(tmp_path: Path) -> None:
    breakers = Breakers(make_app(BREAKER_CACHE=f"sqlite:///{tmp_path}/breakers.db"))
    breakers["payments"].call(str)
    assert breakers["payments"].snapshot().store == "ok"
    breakers.registry.close()


def test_a_block_may_ask_for_the_configured_store(tmp_path: Path) -> None:
    breakers = Breakers(make_app(BREAKER_CACHE=f"sqlite:///{tmp_path}/breakers.db"))
    guarded = breakers("payments")(Dependency())
    with shared_breakers():
        fail(guarded)
        assert breakers["payments"].state is State.OPEN
        breakers.registry.close()
    assert breakers["payments"].state is State.CLOSED


def test_isolated_blocks_are_isolated_from_each_other(app: Flask, breakers: Breakers) -> None:
    guarded = breakers("payments")(Dependency())
    for _ in range(2):
        with isolated_breakers():
            fail(guarded, 1)
            assert breakers["payments"].snapshot().consecutive_failures == 1


def test_two_applications_are_apart_in_a_test() -> None:
    breakers, apps = Breakers(), [make_app("shop"), make_app("admin")]
    for each in apps:
        breakers.init_app(each)
    with apps[0].app_context():
        open_up(breakers["payments"])
    with apps[1].app_context():
        assert breakers["payments"].state is State.CLOSED


# -- the warning that nothing is shared ---------------------------------------------------------


def _warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]


def _text(cache: str) -> str:
    return (
        f"BREAKER_CACHE of 'shop' is {cache}: each process keeps the state of its breakers for "
        "itself, so every worker opens on its own and a reset reaches one of them. Set it to what "
        "all workers share, such as 'redis://localhost:6379/0' or 'sqlite:////path/to/breakers.db'"
    )


@pytest.mark.shared_breakers
@pytest.mark.parametrize(
    ("cache", "shown"), [(None, "None"), (cachelib.SimpleCache(), "a SimpleCache")]
)
def test_a_cache_of_one_process_is_warned_of_once(
    caplog: pytest.LogCaptureFixture, cache: Any, shown: str
) -> None:
    breakers = Breakers(make_app(BREAKER_CACHE=cache))
    for _ in range(2):
        breakers["payments"].call(str)
    assert _warnings(caplog) == [_text(shown)]


@pytest.mark.shared_breakers
def test_flask_caching_of_one_process_is_warned_of_when_it_is_known(
    caplog: pytest.LogCaptureFixture,
) -> None:
    from flask_caching import Cache

    cache = Cache(config={"CACHE_TYPE": "SimpleCache"})
    app = make_app(BREAKER_CACHE=cache)
    breakers = Breakers(app)
    assert _warnings(caplog) == []
    cache.init_app(app)
    list(breakers)
    assert _warnings(caplog) == [_text("a SimpleCache")]


@pytest.mark.shared_breakers
@pytest.mark.parametrize("config", [{"TESTING": True}, {"BREAKERS": {}}])
def test_nothing_is_warned_of_where_nothing_needs_sharing(
    caplog: pytest.LogCaptureFixture, config: dict[str, Any]
) -> None:
    Breakers(make_app(**config))
    assert _warnings(caplog) == []


def test_nothing_is_warned_of_in_an_isolated_test(caplog: pytest.LogCaptureFixture) -> None:
    Breakers(make_app())
    assert _warnings(caplog) == []


@pytest.mark.shared_breakers
def test_a_shared_cache_is_not_warned_of(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    Breakers(make_app(BREAKER_CACHE=f"sqlite:///{tmp_path}/breakers.db"))
    assert _warnings(caplog) == []
