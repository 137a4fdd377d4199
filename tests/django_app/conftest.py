"""Fixtures of the Django adapter's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from breaker_core.isolation import current
from breaker_core.stores import SeenText, SharedStore, Stored, StoreError
from django_breaker.conf import load
from django_breaker.registry import build, owner

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class DictStore(SharedStore):
    """A shared store in memory, whose server can go away."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.away = False

    def load(self, keys: Iterable[str]) -> Mapping[str, SeenText]:
        if self.away:
            raise StoreError("connection refused")
        return {key: SeenText(self.texts.get(key)) for key in keys}

    def replace(self, key: str, seen: SeenText, text: str, *, seconds: int | None) -> Stored:
        if self.away:
            return Stored.UNCLEAR
        if self.texts.get(key) != seen.text:
            return Stored.LOST
        self.texts[key] = text
        return Stored.STORED

    def publish(self, key: str, text: str, *, seconds: int) -> None:
        if self.away:
            raise StoreError("connection refused")
        self.texts[key] = text

    def describe(self) -> str:
        return "a store in memory"


@pytest.fixture
def shared_store() -> DictStore:
    """Let the breakers of this test keep their state as if it were shared."""
    store = DictStore()
    use_store(store)
    return store


def use_store(store: DictStore) -> None:
    """Give this process a registry on *store* that has seen nothing yet."""
    isolation = current()
    assert isolation is not None
    isolation.forget(owner())
    isolation.registry(owner(), lambda: build(load(), store))


@pytest.fixture
def store_away(shared_store: DictStore) -> DictStore:
    """Let nobody answer where the breakers of this test keep their state."""
    shared_store.away = True
    return shared_store
