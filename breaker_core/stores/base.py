"""What a store is: a place with one value per key and a compare-and-set.

A *shared* store keeps texts. It knows nothing of breakers: keys are short ASCII texts that begin
with ``r:`` (a breaker's record), ``p:`` (a process's summary), ``d:`` (the directory of the
processes) or ``q:`` (a probe, kept for a minute); the store puts its prefix before them. To write
a store of your own, subclass ``SharedStore``, implement the four operations, and run the contract
suite on it.

Every operation may raise ``StoreError``, and only that: it means that the store is in trouble.
An operation must come back within ``budget`` seconds or so.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from breaker_core.record import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

BUDGET = 0.25
"""Seconds that one operation may take."""

DAY = 86_400
ROOT = "zz:breaker:"
"""How whole keys begin. A database cache that is full deletes the first keys of the alphabet."""


class StoreError(Exception):
    """The store could not be asked, or its answer made no sense. Never raised to callers."""


class Stored(Enum):
    """What became of a compare-and-set."""

    STORED = "stored"
    LOST = "lost"
    """Somebody else was faster: the value is not the one that was seen."""
    UNCLEAR = "unclear"
    """Nobody knows: an exception, a timeout, or an answer that says nothing."""


@dataclass(frozen=True, slots=True)
class SeenText:
    """A value as it was read, and the token that proves it to the compare-and-set.

    ``text`` is None when the key is missing; ``token`` means something to its store only.
    """

    text: str | None
    token: object = None


class SharedStore(ABC):
    """A place that several processes share."""

    budget: float = BUDGET

    @abstractmethod
    def load(self, keys: Iterable[str]) -> Mapping[str, SeenText]:
        """Return every key of *keys* as it is now, in one round trip.

        A value that is not valid UTF-8 is returned with its errors replaced, and a token that
        still proves it, so that garbage can be replaced too. What is no text at all, as a list on
        Redis, may be returned as missing, if ``replace`` can then start the key. Raises StoreError.
        """

    @abstractmethod
    def replace(self, key: str, seen: SeenText, text: str, *, seconds: int | None) -> Stored:
        """Store *text* if the value is still the one that was *seen*.

        With ``seen.text`` None: only if there is no such key (one winner). *seconds* is how long
        to keep it at least; None means without an end. Never raises: trouble is UNCLEAR.
        """

    @abstractmethod
    def publish(self, key: str, text: str, *, seconds: int) -> None:
        """Set a value that only one process writes, to be forgotten after *seconds*.

        Raises StoreError.
        """

    def after_storing(self, text: str) -> SeenText | None:
        """Return what a ``load`` would see right after ``replace`` stored *text*.

        None (the default) when only a load can tell, as on Memcached. Where the token is the
        value itself, this saves the next change one round trip.
        """
        return None

    @abstractmethod
    def describe(self) -> str:
        """Return what operators call this store, without any secret."""

    def close(self) -> None:  # noqa: B027 - most stores have nothing to close
        """Give back connections and threads; the next operation opens them again."""

    def after_fork(self) -> None:  # noqa: B027 - most stores have nothing to do
        """Forget what belongs to the parent process; called in the child, with no other thread."""

    def probe(self) -> str | None:
        """Return None when the compare-and-set holds what it promises, else what is wrong.

        A wrong token must be refused and a right one accepted; an existing key must not be added
        again. Raises StoreError when the store cannot be asked.
        """
        return probe(self)


def probe(store: SharedStore) -> str | None:
    """Try *store*'s compare-and-set on a key of its own; see ``SharedStore.probe``."""
    from breaker_core.record import new_id

    key = f"q:{new_id()}"
    first, second, third = (f'{{"probe":"{new_id()}"}}' for _ in range(3))
    missing = store.load([key])[key]
    steps = [
        ("added a value that was not there", missing, first, Stored.STORED),
        ("refused to add a value twice", missing, second, Stored.LOST),
    ]
    for promise, seen, text, wanted in steps:
        if _broken(store, key, seen, text, wanted):
            return f"it should have {promise}, and did not"
    seen = store.load([key])[key]
    if seen.text != first:
        return "it did not give back what was stored"
    if _broken(store, key, seen, second, Stored.STORED):
        return "it should have replaced a value that was seen, and did not"
    if _broken(store, key, seen, third, Stored.LOST):
        return "it should have refused to replace a value that had changed, and did not"
    return None


def _broken(store: SharedStore, key: str, seen: SeenText, text: str, wanted: Stored) -> bool:
    result = store.replace(key, seen, text, seconds=60)
    if result is Stored.UNCLEAR:
        raise StoreError("the answer to a compare-and-set was unclear")
    return result is not wanted


NOT_SHOWN = "it is not shown, for it may hold a password"
ESCAPES = "'/' becomes '%2F', '@' '%40', '#' '%23', '?' '%3F'"
"""What is said of a URL that nobody can read: which part is the password is not known then."""


def record_key(name: str) -> str:
    """Return the key of breaker *name*.

    Names that are long or not ASCII are hashed, and those of partitions, which may be of people.
    """
    return f"r:{SCHEMA}:{safe(name)}"


def safe(name: str) -> str:
    """Return *name* as it may stand in a key of any cache: at most 90 printable ASCII letters."""
    plain = len(name) <= 90 and name.isascii() and name.isprintable() and " " not in name
    if plain and not name.endswith("]"):
        return name if not name.startswith("#") else "#" + name
    return "#" + hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:40]
