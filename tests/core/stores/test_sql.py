"""What is particular to texts in a table: how long a row is said to live, and which are swept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from breaker_core.stores import CacheStore, SeenText, sql

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers import PostgresServer

GONE = -int(sql.ROWS_KEPT.total_seconds()) - 10
"""Seconds to keep a row that makes it one of a process long gone."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CacheStore]:
    made = CacheStore(f"sqlite:///{tmp_path}/x.db", key_prefix="shop")
    yield made
    made.close()


@pytest.fixture
def sweeping(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every summary sweeps."""
    monkeypatch.setattr(sql, "SWEEP_ONE_IN", 1)


def _lives(store: Any, key: str) -> timedelta:
    rows, _ = store._texts._worker.run(
        lambda connection: connection.execute(
            "SELECT expires FROM breaker_cache WHERE cache_key = %(key)s",
            {"key": store._prefix + key},
        )
    )
    return datetime.fromisoformat(rows[0][0]).replace(tzinfo=UTC) - datetime.now(UTC)


@pytest.mark.parametrize("seconds", [None, 86_400, 7 * 86_400])
def test_the_row_of_a_record_never_expires(store: CacheStore, seconds: int | None) -> None:
    store.replace("r:1:a", SeenText(None), "one", seconds=seconds)
    assert _lives(store, "r:1:a") > timedelta(days=365)
    store.replace("r:1:a", SeenText("one", "one"), "two", seconds=seconds)
    assert _lives(store, "r:1:a") > timedelta(days=365)


def test_the_row_of_a_probe_expires(store: CacheStore) -> None:
    store.replace("q:1", SeenText(None), "one", seconds=60)
    assert timedelta(seconds=30) < _lives(store, "q:1") <= timedelta(seconds=60)
    store.replace("q:1", SeenText("one", "one"), "two", seconds=30)
    assert _lives(store, "q:1") <= timedelta(seconds=30)


def _after_a_sweep(store: CacheStore) -> list[str | None]:
    """Return what is left of: a record, the summary of a process gone, one of now, a probe."""
    store.replace("r:1:a", SeenText(None), "record", seconds=None)
    store.replace("q:gone", SeenText(None), "probe", seconds=GONE)
    store.publish("p:app:1", "gone", seconds=GONE)
    store.publish("p:app:2", "here", seconds=20)
    seen = store.load(["r:1:a", "p:app:1", "p:app:2", "q:gone"])
    return [each.text for each in seen.values()]


@pytest.mark.usefixtures("sweeping")
def test_rows_of_processes_long_gone_are_swept(store: CacheStore) -> None:
    assert _after_a_sweep(store) == ["record", None, "here", None]


def test_a_process_that_only_probes_sweeps_too(
    store: CacheStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "SWEEP_ONE_IN", 10**9)
    store.publish("p:app:1", "gone", seconds=GONE)
    assert store.load(["p:app:1"])["p:app:1"].text == "gone"
    monkeypatch.setattr(sql, "SWEEP_ONE_IN", 1)
    store.probe()
    assert store.load(["p:app:1"])["p:app:1"].text is None


@pytest.mark.usefixtures("sweeping")
def test_rows_are_swept_where_the_alphabet_is_not_that_of_ascii(
    postgres_server: PostgresServer,
) -> None:
    url = postgres_server.url
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(
            "CREATE DATABASE in_english TEMPLATE template0 LOCALE_PROVIDER icu "
            "ICU_LOCALE 'en-US-u-ka-shifted' LOCALE 'C.UTF-8' ENCODING 'UTF8'"
        )
    store = CacheStore(url.removesuffix("postgres") + "in_english")
    try:
        assert _after_a_sweep(store) == ["record", None, "here", None]
    finally:
        store.close()


@pytest.mark.usefixtures("sweeping")
def test_rows_of_others_in_the_table_are_left_alone(store: CacheStore) -> None:
    texts = store._texts
    texts.publish("site:1:p:page", "theirs", seconds=GONE)
    texts.publish("zz:other", "theirs", seconds=GONE)
    store.publish("p:app:1", "here", seconds=20)
    seen = texts.load(["site:1:p:page", "zz:other"])
    assert [each.text for each in seen.values()] == ["theirs", "theirs"]
