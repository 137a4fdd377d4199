"""Named breakers made from one mapping."""

from __future__ import annotations

import threading
from types import MappingProxyType
from typing import Any, NoReturn

import pytest

from breaker_core import (
    BreakerConfig,
    BreakerError,
    BreakerEvent,
    BreakerRegistry,
    CircuitBreaker,
    CircuitOpenError,
    ConfigurationError,
    Conventions,
    State,
    UnknownBreakerError,
    read_configs,
)
from breaker_core.stores import MemoryStore
from breaker_core.testing import FakeClock

BREAKERS = {"payments": {"failure_threshold": 1, "open_timeout": 10}, "search": {}}


class Down(Exception):  # noqa: N818
    """The dependency's own error."""


def fail() -> NoReturn:
    raise Down


@pytest.fixture
def registry() -> BreakerRegistry:
    return BreakerRegistry(BREAKERS, clock=FakeClock())


def error_of(*args: Any, **kwargs: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        BreakerRegistry(*args, **kwargs)
    return str(caught.value)


# -- a mapping -----------------------------------------------------------------------------------


def test_a_registry_is_a_mapping_of_its_names(registry: BreakerRegistry) -> None:
    """In the order of the settings, made or not."""
    assert list(registry) == ["payments", "search"]
    assert (len(registry), "search" in registry, "x" in registry) == (2, True, False)
    assert registry.get("x") is None


def test_a_name_is_one_breaker(registry: BreakerRegistry) -> None:
    """However often it is looked up."""
    assert registry["payments"] is registry["payments"]
    assert registry["payments"].config.failure_threshold == 1


def test_a_name_is_one_breaker_for_all_threads() -> None:
    """Also when they look it up for the first time together."""
    registry = BreakerRegistry(BREAKERS)
    start, found = threading.Barrier(8), []

    def look_up() -> None:
        start.wait()
        found.append(registry["payments"])

    threads = [threading.Thread(target=look_up) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(set(map(id, found))) == 1


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("payment", " (did you mean 'payments'?)"),
        ("Payments", " (did you mean 'payments'?)"),
        ("zzz", " (known: payments, search)"),
        (None, " (known: payments, search)"),
    ],
)
def test_an_unknown_name_makes_no_breaker(registry: BreakerRegistry, name: Any, hint: str) -> None:
    """It names the nearest: PITFALLS 41."""
    with pytest.raises(UnknownBreakerError) as caught:
        registry[name]
    assert str(caught.value) == f"no breaker {name!r} is configured in BREAKERS{hint}"
    assert isinstance(caught.value, KeyError)
    assert isinstance(caught.value, BreakerError)
    assert len(registry) == 2


def test_an_unknown_name_in_an_empty_registry_says_that_there_are_none() -> None:
    """With the place."""
    with pytest.raises(UnknownBreakerError) as caught:
        BreakerRegistry({}, place="MY_BREAKERS")["x"]
    assert str(caught.value) == (
        "no breaker 'x' is configured in MY_BREAKERS (none are configured)"
    )


# -- configurations ------------------------------------------------------------------------------


def test_defaults_are_options_for_all() -> None:
    """A breaker's own option wins, 0 too."""
    configs = read_configs(
        {"a": {}, "b": {"open_timeout": 0}}, {"open_timeout": 5, "failure_threshold": 9}
    )
    assert [each.open_timeout for each in configs.values()] == [5, 0]
    assert {each.failure_threshold for each in configs.values()} == {9}


def test_any_mapping_will_do() -> None:
    """Settings may be frozen."""
    mapping = MappingProxyType({"a": MappingProxyType({"shadow": True})})
    assert read_configs(mapping)["a"] == BreakerConfig(shadow=True)


@pytest.mark.parametrize("mapping", [None, [], "payments", 3, {"a"}])
def test_breakers_that_are_no_mapping_are_refused(mapping: Any) -> None:
    """With an example."""
    assert error_of(mapping) == (
        "BREAKERS: must be a mapping of names to options, such as "
        f"{{'payments': {{'failure_threshold': 3}}}}; got {mapping!r}"
    )


@pytest.mark.parametrize(
    ("mapping", "defaults", "text"),
    [
        (
            {"payments": {"failure_treshold": 3}},
            None,
            "BREAKERS['payments']: unknown option 'failure_treshold' "
            "(did you mean 'failure_threshold'?)",
        ),
        (
            {"payments": {"failure_threshold": "3"}},
            None,
            "BREAKERS['payments']: failure_threshold must be a whole number of at least 1, "
            "or None; got '3'",
        ),
        (
            {"payments": 3},
            None,
            "BREAKERS['payments']: must be a mapping of options, such as "
            "{'failure_threshold': 3}; got 3",
        ),
        (
            {"payments": None},
            None,
            "BREAKERS['payments']: must be a mapping of options, such as "
            "{'failure_threshold': 3}; got None",
        ),
        (
            {"": {}},
            None,
            "BREAKERS: a breaker's name must be a text of 1 to 100 printable characters; got ''",
        ),
        (
            {3: {}},
            None,
            "BREAKERS: a breaker's name must be a text of 1 to 100 printable characters; got 3",
        ),
        (
            {},
            {"open_timeuot": 3},
            "BREAKER_DEFAULTS: unknown option 'open_timeuot' (did you mean 'open_timeout'?)",
        ),
        (
            {},
            {"open_timeout": "x"},
            "BREAKER_DEFAULTS: open_timeout must be 0 or more seconds, as a number or a "
            "timedelta; got 'x'",
        ),
        (
            {},
            [],
            "BREAKER_DEFAULTS: must be a mapping of options, such as "
            "{'failure_threshold': 3}; got []",
        ),
        (
            {"a": {"open_timeout": 60}},
            {"open_timeout_max": 45},
            "BREAKERS['a']: open_timeout_max=45.0 is below open_timeout=60.0; "
            "it is the longest open time, so it must be at least as long",
        ),
    ],
)
def test_a_wrong_setting_gives_one_error_with_its_place(
    mapping: Any, defaults: Any, text: str
) -> None:
    """Word for word."""
    assert error_of(mapping, defaults) == text


def test_nothing_is_half_configured() -> None:
    """One wrong breaker, and there is no registry at all; the store was not even looked at."""
    with pytest.raises(ConfigurationError):
        BreakerRegistry({"good": {}, "bad": {"x": 1}}, store=object())  # type: ignore[arg-type]


def test_places_may_have_other_names() -> None:
    """As the adapters call them."""
    text = error_of({"a": {"x": 1}}, place="app.config['BREAKERS']")
    assert text.startswith("app.config['BREAKERS']['a']: unknown option 'x'")


# -- what they share -----------------------------------------------------------------------------


def test_two_registries_have_nothing_in_common() -> None:
    """A memory of their own, unless a store is given."""
    one, other = BreakerRegistry(BREAKERS), BreakerRegistry(BREAKERS)
    one["payments"].force_open()
    assert other["payments"].snapshot().override is None


def test_registries_on_one_store_share_their_breakers() -> None:
    """By name."""
    store = MemoryStore()
    one, other = (BreakerRegistry(BREAKERS, store=store) for _ in range(2))
    assert (one.store, one.shared) == (store, False)
    one["payments"].force_open()
    assert other["payments"].snapshot().override is not None


def test_a_listener_hears_all_breakers(registry: BreakerRegistry) -> None:
    """Until it is removed."""
    events: list[BreakerEvent] = []
    stop = registry.listen(events.append)
    for name in registry:
        registry[name].reset()
    stop()
    registry["search"].reset()
    assert [each.name for each in events] == ["payments", "search"]  # type: ignore[union-attr]


def test_conventions_hold_for_all_breakers() -> None:
    """A framework's 404 is an answer, its 500 a failure."""
    conventions = Conventions(
        is_answer=lambda error: isinstance(error, Down), is_failure=lambda result: result == 500
    )
    breaker = BreakerRegistry(BREAKERS, conventions=conventions)["payments"]
    with pytest.raises(Down):
        breaker.call(fail)
    assert breaker.state is State.CLOSED
    breaker.call(lambda: 500)
    assert breaker.state is State.OPEN


def test_snapshots_are_of_all_breakers(registry: BreakerRegistry) -> None:
    """Those that nobody used too."""
    assert [each.name for each in registry.snapshots()] == ["payments", "search"]


def test_in_memory_there_are_no_processes_to_read(registry: BreakerRegistry) -> None:
    """None, not an empty list."""
    assert registry.processes() is None
    registry.close()


# -- switched off --------------------------------------------------------------------------------


@pytest.fixture
def off() -> CircuitBreaker:
    return BreakerRegistry(BREAKERS, enabled=False)["payments"]


def test_a_breaker_that_is_switched_off_lets_every_call_pass(off: CircuitBreaker) -> None:
    """By every way of calling."""
    guarded = off(fail)
    for _ in range(3):
        with pytest.raises(Down):
            off.call(fail)
        with pytest.raises(Down):
            guarded()
        with pytest.raises(Down), off:
            raise Down
    snapshot = off.snapshot()
    assert (snapshot.state, snapshot.store, snapshot.rejecting) == (State.CLOSED, "off", False)
    assert snapshot.consecutive_failures == 0


@pytest.mark.parametrize("act", ["reset", "try_now", "force_open", "force_closed"])
def test_an_act_on_a_breaker_that_is_switched_off_is_refused(off: CircuitBreaker, act: str) -> None:
    """It must not look as if it had an effect."""
    with pytest.raises(BreakerError) as caught:
        getattr(off, act)()
    assert str(caught.value) == (
        "payments: breakers are switched off in this process (BREAKER_ENABLED is False)"
    )


def test_a_registry_says_whether_it_is_switched_on(registry: BreakerRegistry) -> None:
    """For pages and checks."""
    assert registry.enabled
    assert not BreakerRegistry(BREAKERS, enabled=False).enabled


def test_a_rejection_of_a_registrys_breaker_has_its_name(registry: BreakerRegistry) -> None:
    """The configured one."""
    registry["search"].force_open()
    with pytest.raises(CircuitOpenError) as caught:
        registry["search"].call(int)
    assert caught.value.name == "search"


def test_defaults_may_contradict_what_each_breaker_sets_itself() -> None:
    """Contradictions are looked for where a breaker's own options have joined the defaults."""
    options = {"payments": {"open_timeout": 1}}
    made = BreakerRegistry(options, {"open_timeout_max": 5})
    assert made["payments"].config.open_timeout_max == 5
    with pytest.raises(ConfigurationError, match=r"BREAKERS\['search'\]: open_timeout_max"):
        BreakerRegistry({"search": {}}, {"open_timeout_max": 5})


def test_who_acts_may_be_anything_that_names_itself() -> None:
    class User:
        def __str__(self) -> str:
            return "alice"

    breaker = BreakerRegistry({"payments": {}})["payments"]
    breaker.reset(by=User(), reason=None)  # type: ignore[arg-type]
    last = breaker.snapshot().transitions[-1]
    assert (last.by, last.reason) == ("alice", "")
