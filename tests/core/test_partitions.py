"""Partitions: one breaker for each key, made on demand, and not too many of them."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import pytest

from breaker_core import (
    BreakerRegistry,
    CircuitBreaker,
    CircuitOpenError,
    ConfigurationError,
    State,
    UnknownBreakerError,
    partitions,
)
from breaker_core.stores import CacheStore, MemoryStore
from breaker_core.stores.base import record_key
from breaker_core.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BREAKERS: dict[str, Any] = {"payments": {"failure_threshold": 1, "open_timeout": 10}, "search": {}}


@pytest.fixture(params=["memory", "shared"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    if request.param == "memory":
        yield MemoryStore()
        return
    shared = CacheStore(f"sqlite:///{tmp_path}/shared.db")
    yield shared
    shared.close()


@pytest.fixture
def registry(store: Any) -> BreakerRegistry:
    return BreakerRegistry(BREAKERS, store=store, clock=FakeClock())


@pytest.fixture
def payments(registry: BreakerRegistry) -> CircuitBreaker:
    return registry["payments"]


@pytest.fixture
def only_three(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "MOST_PARTITIONS", 3)


def trip(breaker: CircuitBreaker) -> None:
    breaker.admit().failed(TimeoutError())


def kept(breaker: CircuitBreaker) -> list[str]:
    return [each.name for each in breaker.partitions()]


def test_a_key_has_a_breaker_of_its_own(payments: CircuitBreaker) -> None:
    """The parent and the other keys go on."""
    trip(payments.for_key("acme"))
    with pytest.raises(CircuitOpenError) as caught:
        payments.for_key("acme").call(int)
    assert caught.value.name == "payments[acme]"
    assert payments.for_key("other").call(int) == 0
    assert payments.call(int) == 0


def test_a_partition_has_the_configuration_of_its_parent(payments: CircuitBreaker) -> None:
    """The same object."""
    assert payments.for_key("acme").config is payments.config


def test_a_key_is_one_breaker(payments: CircuitBreaker) -> None:
    """However often it is asked for."""
    assert payments.for_key("acme") is payments.for_key("acme")


def test_processes_share_a_partition(tmp_path: Path) -> None:
    """By its name, through the store."""
    clock = FakeClock()
    stores = [CacheStore(f"sqlite:///{tmp_path}/shared.db") for _ in range(2)]
    one, other = (BreakerRegistry(BREAKERS, store=each, clock=clock) for each in stores)
    trip(one["payments"].for_key("acme"))
    with pytest.raises(CircuitOpenError):
        other["payments"].for_key("acme").call(int)
    for each in stores:
        each.close()


def test_partitions_are_listed_after_their_parent(registry: BreakerRegistry) -> None:
    """By name, and they say whose they are."""
    for key in ("b", "a"):
        registry["payments"].for_key(key)
    found = [(each.name, each.parent, each.key) for each in registry.snapshots()]
    assert found == [
        ("payments", "", ""),
        ("payments[a]", "payments", "a"),
        ("payments[b]", "payments", "b"),
        ("search", "", ""),
    ]


def test_a_partition_is_found_by_its_name(
    registry: BreakerRegistry, payments: CircuitBreaker
) -> None:
    """For pages that link to it."""
    acme = payments.for_key("acme")
    assert registry["payments[acme]"] is acme
    assert "payments[acme]" in registry
    assert list(registry) == ["payments", "search"]


@pytest.mark.parametrize("name", ["payments[x]", "x[acme]", "payments[acme", "[acme]", "acme]"])
def test_looking_a_partition_up_by_name_makes_none(
    registry: BreakerRegistry, payments: CircuitBreaker, name: str
) -> None:
    """PITFALLS 41: a typing error must not succeed."""
    payments.for_key("acme")
    assert name not in registry
    with pytest.raises(UnknownBreakerError):
        registry[name]
    assert kept(payments) == ["payments[acme]"]


# -- keys and names --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("", "a partition's key must be a text of 1 to 100 printable characters; got ''"),
        ("a\n", "a partition's key must be a text of 1 to 100 printable characters; got 'a\\n'"),
        (7, "for_key takes a text, such as for_key(str(tenant.pk)); got 7"),
        (None, "for_key takes a text, such as for_key(str(tenant.pk)); got None"),
        ([], "for_key takes a text, such as for_key(str(tenant.pk)); got []"),
    ],
)
def test_what_can_be_no_key_is_refused(payments: CircuitBreaker, key: Any, text: str) -> None:
    """And leaves nothing behind."""
    with pytest.raises(ConfigurationError) as caught:
        payments.for_key(key)
    assert str(caught.value) == text
    assert not payments.partitions()


def test_a_key_has_at_most_a_hundred_characters(payments: CircuitBreaker) -> None:
    """The longest works."""
    trip(payments.for_key("k" * 100))
    assert payments.for_key("k" * 100).state is State.OPEN
    with pytest.raises(ConfigurationError):
        payments.for_key("k" * 101)


@pytest.mark.parametrize("key", ["https://api.example:443/x?y=1", "Zoë & co.", "{a}", "日本"])
def test_any_printable_key_works(payments: CircuitBreaker, key: str) -> None:
    """In a store too."""
    trip(payments.for_key(key))
    assert payments.for_key(key).state is State.OPEN


def test_the_longest_name_has_a_short_plain_key_in_the_store() -> None:
    """Whatever the cache allows."""
    key = record_key(partitions.partition_name("n" * 100, "é" * 100))
    assert len(key) < 100
    assert key.isascii()


def test_the_key_in_the_store_does_not_say_whose_partition_it_is() -> None:
    """Tenants may be people, and caches are listed."""
    assert "acme" not in record_key("payments[acme]")
    assert record_key("payments[acme]") != record_key("payments[other]")
    assert record_key("payments").endswith("payments")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a", "b][c"), ("a[b]", "c")),
        (("a", "[b"), ("a[", "b")),
        (("a", "b]"), ("a", "b%5D")),
        (("a", "%"), ("a", "%25")),
    ],
)
def test_no_two_pairs_have_one_name(one: tuple[str, str], other: tuple[str, str]) -> None:
    """Nor one record."""
    assert partitions.partition_name(*one) != partitions.partition_name(*other)
    assert partitions.parent_of(partitions.partition_name(*one)) == one[0]


def test_a_configured_name_that_a_partition_would_have_is_refused() -> None:
    """Two breakers would have one name; without that parent it is a name like any other."""
    with pytest.raises(ConfigurationError) as caught:
        BreakerRegistry({"payments": {}, "payments[acme]": {}})
    assert str(caught.value) == (
        "BREAKERS: 'payments[acme]' is what a partition of 'payments' is called, so that two "
        "breakers would have one name; give it another"
    )
    assert "payments[acme]" in BreakerRegistry({"payments[acme]": {}, "x[]": {}, "x": {}})


def test_a_partition_has_no_partitions(payments: CircuitBreaker) -> None:
    """It says whom to ask."""
    with pytest.raises(ConfigurationError) as caught:
        payments.for_key("acme").for_key("x")
    assert str(caught.value) == (
        "'payments[acme]' is a partition already, and has none of its own; ask 'payments' with a "
        "key that says all, such as for_key('tenant/host')"
    )


def test_a_partition_of_a_breaker_that_is_switched_off_lets_every_call_pass() -> None:
    """As its parent does."""
    partition = BreakerRegistry(BREAKERS, enabled=False)["payments"].for_key("acme")
    trip(partition)
    assert partition.call(int) == 0


# -- not too many ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("only_three")
def test_the_least_recently_used_goes_first(payments: CircuitBreaker) -> None:
    """Asking for it is using it."""
    for key in ("a", "b", "c", "a", "d"):
        payments.for_key(key)
    assert kept(payments) == ["payments[a]", "payments[c]", "payments[d]"]


@pytest.mark.usefixtures("only_three")
@pytest.mark.parametrize("act", ["trip", "force_open", "force_closed", "half_open"])
def test_what_is_not_closed_goes_last(payments: CircuitBreaker, act: str) -> None:
    """Open, half-open or overridden."""
    oldest = payments.for_key("a")
    if act in {"trip", "half_open"}:
        trip(oldest)
    else:
        getattr(oldest, act)()
    if act == "half_open":
        oldest._home.clock.advance(10)  # type: ignore[attr-defined]
        oldest.admit().abandoned()
        assert oldest.state is State.HALF_OPEN
    del oldest
    for key in ("b", "c", "d", "e"):
        payments.for_key(key)
    assert kept(payments) == ["payments[a]", "payments[d]", "payments[e]"]


@pytest.mark.usefixtures("only_three")
def test_where_all_are_open_the_least_recently_used_goes(payments: CircuitBreaker) -> None:
    """There are never more."""
    for key in ("a", "b", "c", "d"):
        trip(payments.for_key(key))
    assert kept(payments) == ["payments[b]", "payments[c]", "payments[d]"]


@pytest.mark.usefixtures("only_three")
def test_one_that_went_finds_its_state_in_a_shared_store_and_not_in_memory(
    registry: BreakerRegistry, payments: CircuitBreaker
) -> None:
    """In memory nothing is left of it: keys may be many."""
    for key in ("a", "b", "c", "d"):
        trip(payments.for_key(key))
    gc.collect()
    expected = State.OPEN if registry.shared else State.CLOSED
    again = payments.for_key("a")
    if registry.shared:
        with pytest.raises(CircuitOpenError):
            again.call(int)
    assert again.state is expected


@pytest.mark.usefixtures("only_three")
def test_what_somebody_still_holds_stays_one_breaker(payments: CircuitBreaker) -> None:
    """A decorator, say: it must not go on with a record that nobody else sees."""
    guarded = payments.for_key("a")(int)
    for key in ("b", "c", "d"):
        payments.for_key(key)
    gc.collect()
    payments.for_key("a").force_open()
    with pytest.raises(CircuitOpenError):
        guarded()


@pytest.mark.usefixtures("only_three")
def test_a_process_no_longer_looks_at_what_went(tmp_path: Path) -> None:
    """Its refresh would grow for ever."""
    store = CacheStore(f"sqlite:///{tmp_path}/shared.db")
    registry = BreakerRegistry(BREAKERS, store=store, clock=FakeClock())
    for key in "abcdefgh":
        registry["payments"].for_key(key).call(int)
    gc.collect()
    process = registry._home.process
    assert process is not None
    assert sorted(process.machines) == ["payments", *(f"payments[{key}]" for key in "fgh")]
    store.close()
