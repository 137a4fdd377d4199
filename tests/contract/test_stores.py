"""What every shared store promises, tried on real servers."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from breaker_core.stores import SeenText, SharedStore, Stored

OpenStore = Callable[[], SharedStore]
KEY = "r:1:payments"


def test_a_missing_key_is_seen_as_missing(store: SharedStore) -> None:
    seen = store.load([KEY, "r:1:other"])
    assert {key: value.text for key, value in seen.items()} == {KEY: None, "r:1:other": None}


def test_loading_nothing_is_no_error(store: SharedStore) -> None:
    assert store.load([]) == {}


def test_only_the_first_of_two_writers_starts_a_key(store: SharedStore) -> None:
    seen = store.load([KEY])[KEY]
    assert store.replace(KEY, seen, "first", seconds=60) is Stored.STORED
    assert store.replace(KEY, seen, "second", seconds=60) is Stored.LOST
    assert store.load([KEY])[KEY].text == "first"


def test_a_value_is_replaced_only_as_it_was_seen(store: SharedStore) -> None:
    store.replace(KEY, SeenText(None), "one", seconds=60)
    seen = store.load([KEY])[KEY]
    assert store.replace(KEY, seen, "two", seconds=None) is Stored.STORED
    assert store.replace(KEY, seen, "three", seconds=None) is Stored.LOST
    assert store.load([KEY])[KEY].text == "two"


def test_a_value_that_vanished_is_not_replaced(store: SharedStore) -> None:
    store.replace(KEY, SeenText(None), "one", seconds=60)
    seen = store.load([KEY])[KEY]
    assert store.replace("r:1:other", seen, "two", seconds=60) is Stored.LOST


def test_what_was_stored_can_be_replaced_without_loading_again(store: SharedStore) -> None:
    store.replace(KEY, SeenText(None), "eins", seconds=60)
    seen = store.after_storing("eins") or store.load([KEY])[KEY]
    assert store.replace(KEY, seen, "zwei", seconds=60) is Stored.STORED


def test_any_text_comes_back_as_it_went_in(store: SharedStore) -> None:
    for number, text in enumerate(["", "äöü €𝄞", "%s %(key)s :key ? {} \\ ' \"", "x" * 100_000]):
        key = f"r:1:{number}"
        store.replace(key, SeenText(None), text, seconds=60)
        seen = store.load([key])[key]
        assert seen.text == text
        assert store.replace(key, seen, "next", seconds=60) is Stored.STORED


def test_garbage_is_seen_replaced_once_and_spoils_no_other_key(
    store: SharedStore, garble: Callable[[str, bytes], None], raw: bytes
) -> None:
    for key in (KEY, "r:1:other"):
        store.replace(key, SeenText(None), "one", seconds=60)
    garble(KEY, raw)
    seen = store.load([KEY, "r:1:other"])
    assert seen["r:1:other"].text == "one"
    assert seen[KEY].text == raw.decode("utf-8", "replace")
    assert store.replace(KEY, seen[KEY], "two", seconds=60) is Stored.STORED
    assert store.replace(KEY, seen[KEY], "three", seconds=60) is Stored.LOST
    assert store.load([KEY])[KEY].text == "two"


def test_garbage_that_changed_is_not_what_was_seen(
    store: SharedStore, garble: Callable[[str, bytes], None], raw: bytes
) -> None:
    store.replace(KEY, SeenText(None), "one", seconds=60)
    garble(KEY, raw)
    seen = store.load([KEY])[KEY]
    garble(KEY, b"other garbage")
    assert store.replace(KEY, seen, "two", seconds=60) is Stored.LOST


def test_many_keys_are_loaded_at_once(store: SharedStore) -> None:
    for number in range(10):
        store.replace(f"r:1:{number}", SeenText(None), str(number), seconds=60)
    wanted = [f"r:1:{number}" for number in range(1000)]
    seen = store.load(wanted)
    assert list(seen) == wanted
    assert [value.text for value in seen.values()][:11] == [*map(str, range(10)), None]


def test_the_longest_key_works(store: SharedStore) -> None:
    key = "p:" + "h" * 60 + ":4194304:" + "f" * 24
    store.replace(key, SeenText(None), "text", seconds=60)
    assert store.load([key])[key].text == "text"


def test_publishing_sets_and_overwrites(store: SharedStore) -> None:
    store.publish("p:host:1", "one", seconds=20)
    store.publish("p:host:1", "two", seconds=20)
    assert store.load(["p:host:1"])["p:host:1"].text == "two"


def test_the_probe_finds_nothing_wrong(store: SharedStore) -> None:
    assert store.probe() is None


def test_two_users_of_one_server_see_the_same(open_store: OpenStore) -> None:
    one, other = open_store(), open_store()
    one.replace(KEY, SeenText(None), "one", seconds=60)
    seen = other.load([KEY])[KEY]
    assert other.replace(KEY, seen, "two", seconds=60) is Stored.STORED
    assert one.load([KEY])[KEY].text == "two"


def test_threads_that_race_lose_no_change(store: SharedStore) -> None:
    store.replace(KEY, SeenText(None), "0", seconds=60)
    stored: list[int] = []

    def add_ten() -> None:
        mine = 0
        while mine < 10:
            seen = store.load([KEY])[KEY]
            text = str(int(seen.text or "") + 1)
            mine += store.replace(KEY, seen, text, seconds=60) is Stored.STORED
        stored.append(mine)

    threads = [threading.Thread(target=add_ten) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert stored == [10] * 4
    assert store.load([KEY])[KEY].text == "40"


def test_a_closed_store_opens_again_when_it_is_used(store: SharedStore) -> None:
    store.replace(KEY, SeenText(None), "one", seconds=60)
    store.close()
    assert store.load([KEY])[KEY].text == "one"


def test_parent_and_child_of_a_fork_both_go_on(store: SharedStore) -> None:
    store.replace(KEY, SeenText(None), "parent", seconds=60)
    child = os.fork()
    if child == 0:  # nothing but this in the child: no test machinery, no exit handlers
        os._exit(_write_in_child(store))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    seen = store.load([KEY])[KEY]
    assert seen.text == "child"
    assert store.replace(KEY, seen, "parent again", seconds=60) is Stored.STORED


def _write_in_child(store: SharedStore) -> int:
    try:
        store.after_fork()
        seen = store.load([KEY])[KEY]
        return 0 if store.replace(KEY, seen, "child", seconds=60) is Stored.STORED else 1
    except BaseException:
        return 2


def test_a_description_holds_no_password(store: SharedStore) -> None:
    assert store.describe()
    assert "secret" not in store.describe()
