"""Several processes on one store: here several registries, each with a store object of its own.

The clock is a fake one, the store is real: SQLite for most, Redis where the server has to go away.
"""

from __future__ import annotations

import json
import logging
import signal
from contextvars import Context
from typing import TYPE_CHECKING, Any

import pytest

from breaker_core import (
    BreakerError,
    BreakerRegistry,
    CircuitBreaker,
    CircuitOpenError,
    OperatorActed,
    ProcessStateChanged,
    StaleActError,
    State,
    StateChanged,
    StoreChanged,
)
from breaker_core.stores import CacheStore, SeenText, SharedStore, Stored
from breaker_core.testing import FakeClock
from tests import needs
from tests.servers import RedisServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from breaker_core.events import BreakerEvent

KEY = "r:1:payments"
OPTIONS: dict[str, Any] = {"failure_threshold": 3, "open_timeout": 10, "trial_timeout": 60}


class Fleet:
    """Processes on one store, as many as a test asks for."""

    def __init__(self, open_store: Callable[[], SharedStore], folder: Path) -> None:
        self.folder = folder
        self.clock = FakeClock()
        self.open_store = open_store
        self.stores: list[SharedStore] = []

    def registry(self, **options: Any) -> BreakerRegistry:
        store = self.open_store()
        self.stores.append(store)
        return BreakerRegistry(
            {"payments": {**OPTIONS, **options}, "search": {}}, store=store, clock=self.clock
        )

    def process(self, **options: Any) -> CircuitBreaker:
        return self.registry(**options)["payments"]

    def processes(self, count: int, **options: Any) -> list[CircuitBreaker]:
        return [self.process(**options) for _ in range(count)]

    def record(self) -> dict[str, Any]:
        """The stored record as it is now."""
        text = self.stores[0].load([KEY])[KEY].text
        assert text is not None
        record: dict[str, Any] = json.loads(text)
        return record

    def overwrite(self, text: str) -> None:
        """Put any text where the record is."""
        store = self.stores[0]
        store.replace(KEY, store.load([KEY])[KEY], text, seconds=None)

    def close(self) -> None:
        for store in self.stores:
            store.close()


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(lambda: CacheStore(f"sqlite:///{tmp_path}/fleet.db"), tmp_path)
    yield made
    made.close()


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A Redis of this test's own, to be hurt."""
    made = RedisServer(needs.redis_server())
    made.start()
    yield made
    made.remove()


@pytest.fixture
def redis_fleet(server: RedisServer, tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(lambda: CacheStore(server.url), tmp_path)
    yield made
    made.close()


def fail(breaker: CircuitBreaker) -> None:
    def broken() -> None:
        raise TimeoutError("upstream")

    with pytest.raises(TimeoutError):
        breaker.call(broken)


def succeed(breaker: CircuitBreaker) -> None:
    assert breaker.call(lambda: "done") == "done"


def rejected(breaker: CircuitBreaker) -> CircuitOpenError:
    """Call as another request would: not as part of a trial that this test has under way."""
    return Context().run(_rejected, breaker)


def _rejected(breaker: CircuitBreaker) -> CircuitOpenError:
    with pytest.raises(CircuitOpenError) as caught:
        breaker.call(lambda: pytest.fail("a rejected call must not run"))
    return caught.value


def open_it(fleet: Fleet, breaker: CircuitBreaker) -> None:
    for _ in range(3):
        fail(breaker)
    assert breaker.state is State.OPEN


def events_of(breaker: CircuitBreaker) -> list[BreakerEvent]:
    heard: list[BreakerEvent] = []
    breaker.listen(heard.append)
    return heard


# -- the fleet's streak ----------------------------------------------------------------------


def test_the_third_failure_opens_whichever_processes_saw_them(fleet: Fleet) -> None:
    one, two, three, four = fleet.processes(4)
    for each in (one, two, three):
        fail(each)
    assert rejected(four).retry_after == pytest.approx(10)
    fleet.clock.advance(1)
    assert {each.state for each in (one, two, three)} == {State.OPEN}


def test_two_failures_do_not_open(fleet: Fleet) -> None:
    one, two = fleet.processes(2)
    fail(one)
    fail(two)
    fleet.clock.advance(1)
    assert one.state is two.state is State.CLOSED
    assert one.snapshot().consecutive_failures == 2


def test_a_success_anywhere_clears_the_streak_of_all(fleet: Fleet) -> None:
    one, two, three = fleet.processes(3)
    fail(one)
    fail(two)
    succeed(three)
    fail(one)
    assert fleet.record()["streak"] == 1
    assert three.state is State.CLOSED


def test_a_success_with_nothing_to_clear_writes_nothing(fleet: Fleet) -> None:
    one, two = fleet.processes(2)
    succeed(one)
    before = fleet.record()
    for _ in range(5):
        succeed(two)
    assert fleet.record() == before


def test_one_transition_is_told_once_in_the_process_that_made_it(fleet: Fleet) -> None:
    processes = fleet.processes(3)
    heard = [events_of(each) for each in processes]
    for each in processes:
        fail(each)
    fleet.clock.advance(2)
    for each in processes:
        rejected(each)
    opened = [[e for e in events if isinstance(e, StateChanged)] for events in heard]
    assert [len(events) for events in opened] == [0, 0, 1]
    assert opened[2][0].after is State.OPEN
    assert opened[2][0].transition.count == 3
    assert opened[2][0].transition.limit == 3
    assert opened[2][0].transition.error == "TimeoutError"


def test_a_late_failure_of_an_older_epoch_changes_nothing(fleet: Fleet) -> None:
    one, two = fleet.processes(2)
    guard = one.guard()
    guard.__enter__()
    open_it(fleet, two)
    before = fleet.record()
    guard.__exit__(TimeoutError, TimeoutError(), None)
    assert fleet.record() == before


# -- trials ----------------------------------------------------------------------------------


def test_one_trial_at_a_time_for_all_processes(fleet: Fleet) -> None:
    one, two = fleet.processes(2)
    open_it(fleet, one)
    fleet.clock.advance(10)
    with one.guard():
        assert rejected(two).retry_after == pytest.approx(60)
        assert two.state is State.HALF_OPEN
    fleet.clock.advance(1)
    succeed(two)
    assert fleet.record()["state"] == "closed"


def test_as_many_trials_as_configured_run_at_a_time(fleet: Fleet) -> None:
    one, two, three = fleet.processes(3, half_open_max_calls=2, success_threshold=2)
    open_it(fleet, one)
    fleet.clock.advance(10)
    with one.guard(), two.guard():
        rejected(three)
        rejected(one)
    assert fleet.record()["state"] == "closed"


def test_a_trial_that_is_lost_gives_its_permit_back_after_its_deadline(fleet: Fleet) -> None:
    one, two = fleet.processes(2)
    open_it(fleet, one)
    fleet.clock.advance(10)
    one.guard().__enter__()  # and its process dies
    fleet.clock.advance(59)
    assert rejected(two).retry_after == pytest.approx(1)
    fleet.clock.advance(1)
    succeed(two)
    assert two.state is State.CLOSED


def test_a_failed_trial_opens_again_for_all(fleet: Fleet) -> None:
    one, two = fleet.processes(2)
    open_it(fleet, one)
    fleet.clock.advance(10)
    fail(one)
    assert rejected(two).retry_after == pytest.approx(10)


def test_an_ignored_trial_gives_its_permit_back(fleet: Fleet) -> None:
    one, two = fleet.processes(2)
    open_it(fleet, one)
    fleet.clock.advance(10)
    with pytest.raises(KeyboardInterrupt), one.guard():
        raise KeyboardInterrupt
    assert fleet.record()["trials"] == []
    succeed(two)


# -- a process stops itself ------------------------------------------------------------------


def test_a_sick_process_beside_a_healthy_one_stops_itself_alone(fleet: Fleet) -> None:
    sick, healthy = fleet.processes(2)
    heard = events_of(sick)
    for _ in range(3):
        fail(sick)
        succeed(healthy)
    assert sick.snapshot().scope == "process"
    assert sick.state is State.OPEN
    rejected(sick)
    assert healthy.state is State.CLOSED
    succeed(healthy)
    assert [type(each) for each in heard] == [ProcessStateChanged]


def test_a_process_that_stopped_itself_makes_its_own_trial(fleet: Fleet) -> None:
    sick, healthy = fleet.processes(2)
    for _ in range(3):
        fail(sick)
        succeed(healthy)
    assert rejected(sick).retry_after == pytest.approx(10)
    fleet.clock.advance(10)
    with sick.guard():
        rejected(sick)
    assert sick.state is State.CLOSED
    succeed(sick)


def test_a_reset_frees_a_process_that_stopped_itself(fleet: Fleet) -> None:
    sick, healthy = fleet.processes(2)
    for _ in range(3):
        fail(sick)
        succeed(healthy)
    healthy.reset(by="alice")
    fleet.clock.advance(1)
    succeed(sick)


# -- operators -------------------------------------------------------------------------------


def test_a_reset_is_obeyed_by_all_within_the_refresh_interval(fleet: Fleet) -> None:
    one, two, three = fleet.processes(3)
    open_it(fleet, one)
    rejected(two)
    rejected(three)
    two.reset(by="alice", reason="deployed")
    succeed(two)
    fleet.clock.advance(1)
    succeed(one)
    succeed(three)
    last = fleet.record()["transitions"][-1]
    assert (last["rule"], last["by"], last["reason"]) == ("reset", "alice", "deployed")


def test_an_act_is_told_as_an_audit_event(fleet: Fleet) -> None:
    one = fleet.process()
    heard = events_of(one)
    one.force_open(by="alice", reason="migration")
    assert [type(each) for each in heard] == [OperatorActed]
    acted = heard[0]
    assert isinstance(acted, OperatorActed)
    assert (acted.act, acted.by, acted.reason) == ("force_open", "alice", "migration")


def test_a_forced_open_breaker_rejects_in_all_processes_until_its_end(fleet: Fleet) -> None:
    one, two = fleet.processes(2)
    succeed(two)
    one.force_open(by="alice", for_=30)
    fleet.clock.advance(1)
    error = rejected(two)
    assert error.retry_after == pytest.approx(29)
    assert error.reason == "forced open by alice"
    fleet.clock.advance(29)
    succeed(two)


def test_try_now_makes_the_next_call_a_trial(fleet: Fleet) -> None:
    one, two = fleet.processes(2)
    open_it(fleet, one)
    two.try_now(by="alice")
    succeed(two)
    assert fleet.record()["state"] == "closed"


def test_an_act_is_decided_on_what_is_true_now(fleet: Fleet) -> None:
    one, two = fleet.processes(2)
    succeed(one)
    open_it(fleet, two)
    one.force_open(by="alice")
    assert fleet.record()["state"] == "open"
    assert [each["rule"] for each in fleet.record()["transitions"]] == ["streak", "force_open"]


# -- what the key may do ---------------------------------------------------------------------


def test_garbage_in_the_key_is_replaced(fleet: Fleet, caplog: pytest.LogCaptureFixture) -> None:
    one = fleet.process()
    succeed(one)
    fleet.overwrite("]garbage{")
    fleet.clock.advance(10)
    succeed(one)
    assert fleet.record()["state"] == "closed"
    assert "unreadable record is replaced" in caplog.text


def test_a_young_view_puts_a_lost_record_back(fleet: Fleet) -> None:
    one, two = fleet.processes(2)
    open_it(fleet, one)
    fleet.overwrite("flushed")
    fleet.clock.advance(1)
    rejected(one)
    assert fleet.record()["state"] == "open"
    rejected(two)


def test_an_old_view_does_not_put_a_lost_record_back(fleet: Fleet) -> None:
    one = fleet.process()
    open_it(fleet, one)
    fleet.overwrite("flushed")
    fleet.clock.advance(5)
    succeed(one)


def test_a_record_that_came_back_from_a_backup_is_obeyed(fleet: Fleet) -> None:
    one, two = fleet.processes(2)
    succeed(one)
    backup = json.dumps(fleet.record())
    open_it(fleet, one)
    rejected(two)
    fleet.overwrite(backup)
    fleet.clock.advance(1)
    succeed(two)
    assert two.state is State.CLOSED


def test_a_record_of_a_newer_release_is_left_alone(fleet: Fleet) -> None:
    one = fleet.process()
    succeed(one)
    newer = json.dumps({**fleet.record(), "schema": 2})
    fleet.overwrite(newer)
    fleet.clock.advance(1)
    for _ in range(3):
        fail(one)
    rejected(one)
    assert json.dumps(fleet.record()) == newer
    with pytest.raises(BreakerError, match="newer release"):
        one.reset()


def test_fields_of_a_newer_minor_release_are_carried_over(fleet: Fleet) -> None:
    one = fleet.process()
    succeed(one)
    fleet.overwrite(json.dumps({**fleet.record(), "tomorrow": [1, 2]}))
    fleet.clock.advance(1)
    fail(one)
    assert fleet.record()["streak"] == 1
    assert fleet.record()["tomorrow"] == [1, 2]


# -- clocks ----------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong_by", [-300, 300])
def test_a_wrong_clock_never_makes_anybody_wait_longer(
    tmp_path: Path, fleet: Fleet, wrong_by: float
) -> None:
    wrong = FakeClock()
    wrong.set_wrong(wrong_by)
    store = CacheStore(f"sqlite:///{tmp_path}/fleet.db")
    fleet.stores.append(store)
    opener = BreakerRegistry({"payments": OPTIONS}, store=store, clock=wrong)["payments"]
    other = fleet.process()
    succeed(other)
    for _ in range(3):
        fail(opener)
    fleet.clock.advance(1)
    wrong.advance(1)
    if wrong_by > 0:
        rejected(other)
    fleet.clock.advance(10)
    succeed(other)
    assert other.state is State.CLOSED


# -- the store away --------------------------------------------------------------------------


def test_calls_keep_their_results_while_the_store_is_away(
    redis_fleet: Fleet, server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    one = redis_fleet.process()
    heard = events_of(one)
    succeed(one)
    server.kill()
    with caplog.at_level(logging.INFO, "breaker"):
        succeed(one)
        fail(one)
        redis_fleet.clock.advance(60)
        succeed(one)
    assert one.snapshot().store == "unreachable"
    assert [each for each in heard if isinstance(each, StoreChanged)] == heard
    assert len(heard) == 1
    assert caplog.text.count("is unreachable, this process goes on alone") == 1


def test_a_process_alone_still_protects_itself(redis_fleet: Fleet, server: RedisServer) -> None:
    one = redis_fleet.process()
    succeed(one)
    server.kill()
    for _ in range(3):
        fail(one)
    assert rejected(one).retry_after == pytest.approx(10)
    redis_fleet.clock.advance(10)
    succeed(one)


def test_a_process_starts_alone_when_the_store_was_never_there(
    redis_fleet: Fleet, server: RedisServer
) -> None:
    server.kill()
    one = redis_fleet.process()
    succeed(one)
    for _ in range(3):
        fail(one)
    rejected(one)


def test_when_the_store_is_back_its_record_counts(
    redis_fleet: Fleet, server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = redis_fleet.processes(2)
    succeed(one)
    server.kill()
    fail(one)
    server.start()
    with caplog.at_level(logging.INFO, "breaker"):
        redis_fleet.clock.advance(60)
        succeed(one)
    assert one.snapshot().store == "ok"
    assert "is back" in caplog.text
    two.force_open(by="alice")
    redis_fleet.clock.advance(1)
    rejected(one)


def test_what_opened_alone_stays_this_process_own_when_the_fleet_knows_no_better(
    redis_fleet: Fleet, server: RedisServer
) -> None:
    one, two = redis_fleet.processes(2)
    succeed(one)
    succeed(two)
    server.signal(signal.SIGSTOP)  # accepts connections, never answers
    for _ in range(3):
        fail(one)
    rejected(one)
    server.signal(signal.SIGCONT)
    redis_fleet.clock.advance(3)
    assert rejected(one).retry_after == pytest.approx(7)
    assert one.snapshot().scope == "process"
    succeed(two)
    redis_fleet.clock.advance(7)
    succeed(one)


def test_an_act_that_cannot_be_stored_is_refused(redis_fleet: Fleet, server: RedisServer) -> None:
    one = redis_fleet.process()
    open_it(redis_fleet, one)
    server.kill()
    with pytest.raises(BreakerError, match="nothing was changed"):
        one.reset(by="alice")
    assert one.state is State.OPEN


def test_a_store_that_lies_about_its_compare_and_set_is_found_out(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    class Liar(CacheStore):
        def replace(self, key: str, seen: SeenText, text: str, *, seconds: int | None) -> Stored:
            return super().replace(key, self.load([key])[key], text, seconds=seconds)

    fleet.open_store = lambda: Liar(f"sqlite:///{fleet.folder}/fleet.db")
    one = fleet.process()
    for _ in range(3):
        fail(one)
    rejected(one)
    assert fleet.stores[0].load([KEY])[KEY].text is None
    assert "cannot share breakers" in caplog.text
    assert "refused to add a value twice" in caplog.text


# -- looking ---------------------------------------------------------------------------------


def test_looking_at_a_breaker_nobody_used_starts_no_key(fleet: Fleet) -> None:
    one = fleet.process()
    assert one.state is State.CLOSED
    assert one.snapshot().used is False
    assert fleet.stores[0].load([KEY])[KEY].text is None


def test_looking_changes_nothing(fleet: Fleet) -> None:
    one, two = fleet.processes(2)
    open_it(fleet, one)
    before = fleet.record()
    fleet.clock.advance(20)
    assert two.snapshot().retry_after == 0.0
    assert two.state is State.OPEN
    assert fleet.record() == before


def test_the_list_of_all_breakers_costs_one_look(fleet: Fleet) -> None:
    counted: list[int] = []

    class Counting(CacheStore):
        def load(self, keys: Any) -> Any:
            wanted = list(keys)
            counted.append(len(wanted))
            return super().load(wanted)

    source = fleet.open_store()
    store = Counting.__new__(Counting)
    store.__dict__.update(vars(source))
    names = {f"b{number}": {} for number in range(50)}
    registry = BreakerRegistry(names, store=store, clock=fleet.clock)
    fleet.stores.append(store)
    registry["b0"].call(lambda: None)
    fleet.clock.advance(5)
    counted.clear()
    assert len(registry.snapshots()) == 50
    assert counted == [50]


def test_summaries_say_in_how_many_processes_a_breaker_rejects(fleet: Fleet) -> None:
    registries = [fleet.registry() for _ in range(3)]
    for each in registries:
        succeed(each["payments"])
    sick, healthy = registries[0]["payments"], registries[1]["payments"]
    for _ in range(3):
        fail(sick)
        succeed(healthy)
    fleet.clock.advance(6)
    rejected(sick)
    found = registries[1].processes()
    assert found is not None
    assert sorted(each.breakers["payments"].rejects for each in found) == [False, False, True]
    registries[2]["payments"].force_open(by="alice")
    registries[2].snapshots()
    found = registries[2].processes()
    assert found is not None
    assert [each.breakers["payments"].rejects for each in found] == [True, True, True]


def test_a_fresh_look_sees_what_another_process_did_a_moment_ago(fleet: Fleet) -> None:
    registry, other = fleet.registry(), fleet.process()
    open_it(fleet, registry["payments"])
    other.reset(by="alice")
    assert registry["payments"].snapshot().state is State.OPEN
    assert registry["payments"].snapshot(fresh=True).state is State.CLOSED
    other.force_open(by="alice")
    assert registry.snapshots()[0].override is None
    assert registry.snapshots(fresh=True)[0].override is not None


def test_what_was_never_seen_is_not_called_seen(redis_fleet: Fleet, server: RedisServer) -> None:
    server.kill()
    one = redis_fleet.process()
    snapshot = one.snapshot()
    assert (snapshot.store, snapshot.seen) == ("unreachable", False)
    assert snapshot.as_of == redis_fleet.clock.now()


def test_a_missing_record_is_a_look_all_the_same(fleet: Fleet) -> None:
    one = fleet.process()
    one.snapshot()
    fleet.clock.advance(0.5)
    snapshot = one.snapshot()
    assert (snapshot.seen, snapshot.as_of) == (True, fleet.clock.now() - 0.5)


def test_a_failure_is_in_the_summary_at_once(fleet: Fleet) -> None:
    registry = fleet.registry()
    fail(registry["payments"])
    found = registry.processes()
    assert found is not None
    assert [each.breakers["payments"].totals["failures"] for each in found] == [1]


def test_a_storm_of_failures_writes_few_summaries(tmp_path: Path) -> None:
    class Counting(CacheStore):
        published = 0

        def publish(self, key: str, text: str, *, seconds: int) -> None:
            self.published += 1
            super().publish(key, text, seconds=seconds)

    store = Counting(f"sqlite:///{tmp_path}/fleet.db")
    options = {"payments": {"failure_threshold": 1000}}
    breaker = BreakerRegistry(options, store=store, clock=FakeClock())["payments"]
    for _ in range(50):
        fail(breaker)
    assert 2 <= store.published <= 6
    store.close()


# -- trouble in the middle of a change -------------------------------------------------------


class FreezesAtReplace(CacheStore):
    """Its server freezes when a change is about to be sent, and stores it when it thaws."""

    armed: RedisServer | None = None

    def replace(self, key: str, seen: SeenText, text: str, *, seconds: int | None) -> Stored:
        if self.armed is not None:
            self.armed.signal(signal.SIGSTOP)
            self.armed = None
        return super().replace(key, seen, text, seconds=seconds)


def freezing(server: RedisServer, clock: FakeClock) -> tuple[FreezesAtReplace, CircuitBreaker]:
    store = FreezesAtReplace(server.url)
    return store, BreakerRegistry({"payments": OPTIONS}, store=store, clock=clock)["payments"]


def test_an_act_of_which_nobody_knows_is_not_said_to_have_changed_nothing(
    redis_fleet: Fleet, server: RedisServer
) -> None:
    store, one = freezing(server, redis_fleet.clock)
    other = redis_fleet.process()
    succeed(one)
    heard = events_of(one)
    store.armed = server
    with pytest.raises(BreakerError, match="did not say whether it was stored"):
        one.force_open(by="alice")
    server.signal(signal.SIGCONT)
    redis_fleet.clock.advance(2)
    assert rejected(other).reason == "forced open by alice"
    rejected(one)
    assert [type(each) for each in heard] == [StoreChanged, StoreChanged, OperatorActed]
    store.close()


def test_a_trial_that_the_store_gave_in_silence_is_given_back(
    redis_fleet: Fleet, server: RedisServer
) -> None:
    store, one = freezing(server, redis_fleet.clock)
    other = redis_fleet.process()
    succeed(other)
    open_it(redis_fleet, one)
    redis_fleet.clock.advance(10)
    store.armed = server
    fail(one)  # alone: nobody knows of the permit
    server.signal(signal.SIGCONT)
    redis_fleet.clock.advance(2)
    assert redis_fleet.record()["trials"] != []
    succeed(one)  # its look finds the permit and gives it back, so that this call can have it
    assert redis_fleet.record()["state"] == "closed"
    store.close()


def test_a_trial_that_ended_while_the_store_was_away_is_told_afterwards(
    redis_fleet: Fleet, server: RedisServer
) -> None:
    one, other = redis_fleet.processes(2)
    open_it(redis_fleet, one)
    redis_fleet.clock.advance(10)
    with one.guard():
        server.signal(signal.SIGSTOP)
    server.signal(signal.SIGCONT)
    redis_fleet.clock.advance(2)
    Context().run(succeed, one)
    redis_fleet.clock.advance(1)
    succeed(other)
    assert redis_fleet.record()["state"] == "closed"


def test_a_store_that_takes_no_changes_is_complained_of_once(
    redis_fleet: Fleet, server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    import redis

    client = redis.Redis.from_url(server.url)
    one = redis_fleet.process()
    succeed(one)
    client.config_set("maxmemory", 1)
    with caplog.at_level(logging.INFO, "breaker"):
        for _ in range(8):
            fail(one) if one.snapshot().state is State.CLOSED else rejected(one)
            redis_fleet.clock.advance(1)
        assert caplog.text.count("is unreachable") == 1
        assert caplog.text.count("is back") == 0
        client.config_set("maxmemory", 0)
        redis_fleet.clock.advance(60)
        succeed(one)
        fail(one)
    assert caplog.text.count("is back") == 1
    assert one.snapshot().store == "ok"
    client.close()


@pytest.mark.parametrize(
    "listed",
    [f'{{"a": 1{"0" * 400}}}', '{"a": true}', '{"a": null}', '{"\\n": 1}', "[]", '{"a": 1e308}'],
)
def test_garbage_in_the_directory_of_processes_hurts_nobody(fleet: Fleet, listed: str) -> None:
    registry = fleet.registry()
    store = fleet.stores[0]
    key = "d:1:processes"
    text = f'{{"schema": 1, "processes": {listed}}}'
    store.replace(key, store.load([key])[key], text, seconds=None)
    breaker = registry["payments"]
    breaker.force_open()
    rejected(breaker)
    fleet.clock.advance(6)
    rejected(breaker)
    found = registry.processes()
    assert found is not None
    assert len(found) == 1


def test_a_reset_that_expected_another_epoch_changes_nothing(fleet: Fleet) -> None:
    one, other = fleet.processes(2)
    epoch = one.snapshot().epoch
    other.force_open(by="alice", reason="DO NOT TOUCH")
    before = fleet.record()
    with pytest.raises(StaleActError, match="it has changed since it was looked at"):
        one.reset(by="bob", expected_epoch=epoch)
    assert fleet.record() == before
    one.reset(by="bob", expected_epoch=one.snapshot(fresh=True).epoch)
    assert fleet.record()["override"] is None


def test_a_look_that_finds_nothing_new_is_not_parsed(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    from breaker_core import fleet as module

    one = fleet.process()
    succeed(one)
    monkeypatch.setattr(module, "from_text", lambda text: pytest.fail("parsed again"))
    fleet.clock.advance(5)
    snapshot = one.snapshot()
    assert snapshot.as_of == fleet.clock.now()
