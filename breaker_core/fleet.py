"""The machine over a shared store: one breaker in one process of many.

It runs ``decide`` on two records: the *fleet's*, which the store keeps, and its *own*, which
nobody else sees. A call passes when both let it, so a sick process stops itself and the fleet
stops together. A new epoch of the fleet throws the own record away.

A change of the fleet's record is load, decide, replace, until it is stored. One change of a
breaker is under way in a process at a time; outcomes that arrive meanwhile join the next one.
While the store is away both records run on in this process, on a copy of what was last seen;
nothing of that is ever stored.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from dataclasses import dataclass, replace

from breaker_core.config import BreakerConfig, seconds
from breaker_core.decide import (
    Act,
    Admit,
    Decision,
    Ended,
    Event,
    Failed,
    Ignored,
    Succeeded,
    decide,
)
from breaker_core.errors import BreakerError, CircuitOpenError
from breaker_core.machine import Look, Pass, Terms, Wall, here, rejection
from breaker_core.process import Away, Process
from breaker_core.record import (
    NewerSchemaError,
    OverrideKind,
    Record,
    State,
    from_text,
    new_id,
    restart,
    stamped,
    start,
    to_text,
)
from breaker_core.stores.base import DAY, SeenText, Stored, record_key
from breaker_core.tally import Tally, Tick
from breaker_core.told import tell_of, tell_of_own
from breaker_core.window import Counts, EpochWindow, window_of

logger = logging.getLogger("breaker")

TRIES = 5
"""Lost compare-and-sets after which an outcome joins the next change, an admission is rejected."""
WAIT_FOR_CHANGE = 0.25
"""Seconds that an admission or an act waits for the change under way."""
ACT_PATIENCE = 2.0
"""Seconds that an operator's act goes on losing races before it gives up."""
KEEP_CLOSED = 7 * DAY
"""Seconds after which the store may forget a closed breaker that nobody uses."""


MOST_UNSETTLED = 8
"""Changes of which nobody knows whether they were stored, kept until a look tells."""
MOST_OWED = 1000
"""Ends of trials kept until the store is back."""


class Unsettled(Away):
    """The store did not say whether it stored a change, and cannot be asked now."""


@dataclass(frozen=True, slots=True)
class Step:
    """An event for the fleet's record, with the terms it is decided on and the pass it ends."""

    event: Event
    terms: Terms
    held: Pass | None = None


@dataclass(frozen=True, slots=True)
class Attempted:
    """A change as it was sent: on what record, which steps, and what was decided on them."""

    before: Record
    steps: list[Step]
    decided: list[tuple[Record, Decision, float, Terms]]


class FleetMachine:
    """One breaker as one process sees and changes it."""

    def __init__(self, name: str, process: Process, config: BreakerConfig) -> None:
        self.name = name
        self.key = record_key(name)
        self.process = process
        self.config = config
        self.interval = seconds(config.refresh_interval)
        self.gate: Pass | None = None
        self.wall: Wall | None = None
        self.tally = Tally()
        self.outbox = process.outbox
        self.used = False
        self._stored: Record | None = None
        self._seen: SeenText | None = None
        self._confirmed = float("-inf")
        self._looked = float("-inf")
        self.adoptions = 0
        self._record: Record | None = None
        self._alone = False
        self._became()
        process.attach(self)

    def _became(self) -> None:
        self._first_look = threading.RLock()  # a signal handler may call in
        self._lock = threading.RLock()
        self._idle = threading.Condition(self._lock)
        self._changing = False
        self._pending: list[Step] = []
        self._owed: list[Step] = []
        self._unsettled: dict[str, Attempted] = {}
        self._own = start(self.name, self.process.steady_now())
        self._window: EpochWindow | None = None
        self._window_epoch = ""
        self._epoch_first_seen = self.process.clock.monotonic()
        self._plain: Pass | None = None
        if self._record is not None:
            self._open_plain()

    def after_fork(self) -> None:
        """Begin anew in the child: its own record, its own locks, nothing under way."""
        self._became()
        self.tally = Tally()
        self._seen = None

    # -- admission ---------------------------------------------------------------------------

    def try_admit(self, terms: Terms) -> Pass | None:
        """Return a pass, or None when the store must be asked. Raises CircuitOpenError."""
        if self._record is None or self.process.refresh_due():
            return None
        return self._admit_by_view(terms)

    def admit(self, terms: Terms) -> Pass:
        """Return a pass, asking the store where that is needed. Raises CircuitOpenError."""
        self.used = True
        if self._record is None:
            self._look_first()
        if self.process.refresh_due():
            self.process.refresh()
            self.flush()  # what had to wait for a later change
        held = self._admit_by_view(terms)
        return held if held is not None else self._admit_by_change(terms)

    def _look_first(self) -> None:
        """Learn the stored record before anything is decided; one caller asks, others wait."""
        with self._first_look:
            if self._record is None:
                try:
                    self._load()
                except Exception as error:
                    self.process.away_for(error)
                    self.go_alone()

    def _admit_by_view(self, terms: Terms) -> Pass | None:
        plain = self._plain
        if plain is not None:
            return plain
        with self._lock:
            record, now = self._view(), self._now()
            admit = Admit(permit=new_id(), **here())  # type: ignore[arg-type]
            after, decision = decide(record, admit, now, terms.config)
            if after is not record:
                return None if not self._alone else self._pass_for(self._alone_step(admit, terms))
            self._open_plain()  # an override may have ended
            return self._pass_by(record, decision, now, terms)

    def _pass_by(self, record: Record, decision: Decision, now: float, terms: Terms) -> Pass:
        """Return the pass that *decision* on the fleet's record means, after the own record's."""
        if not decision.admitted:
            raise rejection(record, decision, now)
        if not decision.counted or decision.permit is not None:
            return Pass(
                record.epoch,
                self.tally.successes,
                permit=decision.permit,
                own_epoch=self._own.epoch,
                counted=decision.counted,
            )
        return self._plain or self._pass_by_own(record, now, terms)

    def _pass_by_own(self, record: Record, now: float, terms: Terms) -> Pass:
        own_now = self.process.steady_now()
        before = self._own
        admit = Admit(permit=new_id(), **here())  # type: ignore[arg-type]
        self._own, decision = decide(before, admit, own_now, terms.own)
        if decision.transition is not None:
            self.outbox.append(tell_of_own(self.name, decision.transition))
        if not decision.admitted:
            if record.in_force(now) is None:
                raise rejection(before, decision, own_now)
            decision = Decision(counted=False)  # forced closed: no record rejects
        return Pass(
            record.epoch,
            self.tally.successes,
            own_epoch=self._own.epoch,
            own_permit=decision.permit,
            counted=decision.counted,
        )

    def _admit_by_change(self, terms: Terms) -> Pass:
        admit = Admit(permit=new_id(), **here())  # type: ignore[arg-type]
        if not self._begin_change():
            raise self._rejected_by_contention()
        try:
            decided = self._change([Step(admit, terms)], tries=TRIES)
        except Exception as error:
            with self._lock:
                self.process.away_for(error)
                self.go_alone()
                return self._pass_for(self._alone_step(admit, terms))
        finally:
            self._end_change()
            self.flush()
        if decided is None:
            raise self._rejected_by_contention()
        return self._pass_for(decided[0])

    def _pass_for(self, decided: tuple[Record, Decision, float, Terms]) -> Pass:
        with self._lock:
            return self._pass_by(*decided)

    def _rejected_by_contention(self) -> CircuitOpenError:
        record = self._view()
        return CircuitOpenError(
            self.name, record.state, WAIT_FOR_CHANGE, "others are changing it", record.last_error
        )

    # -- outcomes ----------------------------------------------------------------------------

    def note(self, held: Pass, event: Ended, terms: Terms) -> bool:
        """Take down the end of a call; true when ``flush`` has something to send."""
        step = Step(event, terms, held)
        if not self._matters_to_fleet(step):
            self._end_own(step)
            return False
        with self._lock:
            if self._alone and not self.process.refresh_due():
                self._alone_steps([step])
                return False
            self._pending.append(step)
            return not self._changing

    def _matters_to_fleet(self, step: Step) -> bool:
        event = step.event
        assert isinstance(event, Ended)
        return event.permit is not None or not isinstance(event, Ignored)

    def fail(self, held: Pass, error: str, terms: Terms) -> bool:
        """Leave every failure to ``note``: the fleet must hear of it."""
        return False

    def roll(self, held: Pass, now: float) -> None:
        """Do nothing: every success is noted."""

    def flush(self) -> None:
        """Send what was noted; may block, never raises."""
        while self._begin_sending():
            try:
                if not self._send():
                    return
            finally:
                self._end_change()

    def _begin_sending(self) -> bool:
        with self._lock:
            if self._changing or not self._pending:
                return False
            self._changing = True
            return True

    def _send(self) -> bool:
        """Send one batch; false when it has to join a later change."""
        with self._lock:
            steps, self._pending = self._pending, []
        try:
            decided = self._change(steps, tries=TRIES)
        except Exception as error:
            with self._lock:
                self.process.away_for(error)
                self.go_alone()
                self._alone_steps(steps)
            return True
        if decided is None:
            with self._lock:
                self._pending = steps + self._pending
            return False
        for step in steps:
            self._end_own(step)
        self.process.speak(news=any(isinstance(step.event, Failed) for step in steps))
        return True

    def _end_own(self, step: Step) -> None:
        """Tell the own record of the end of a call that both records admitted."""
        held, event = step.held, step.event
        if held is None or not isinstance(event, Ended):
            return
        with self._lock:
            plain_end = replace(
                event,
                epoch=held.own_epoch,
                permit=held.own_permit,
                window=self._own_counts(held.own_epoch, event),
            )
            now = self.process.steady_now()
            before = self._own
            self._own, decision = decide(before, plain_end, now, step.terms.own)
            if decision.transition is not None:
                self.outbox.append(tell_of_own(self.name, decision.transition))
                self._open_plain()

    def _own_counts(self, epoch: str, event: Ended) -> Counts | None:
        """Count a call in the window of this process; return what that holds with it."""
        if epoch != self._own.epoch or (isinstance(event, Ignored) and not event.slow):
            return None
        now = self.process.clock.monotonic()
        window = self._own_window(now)
        failed = isinstance(event, Failed)
        return None if window is None else window.end(now, failed=failed, slow=event.slow)

    def _own_window(self, now: float) -> EpochWindow | None:
        """Return the window of the own record's epoch, made anew with each; None without rates."""
        if self._window_epoch != self._own.epoch:
            self._window_epoch = self._own.epoch
            window = window_of(self.config)
            self._window = None if window is None else EpochWindow(window, Tick(), now)
        return self._window

    # -- operators ---------------------------------------------------------------------------

    def act(self, event: Act, terms: Terms) -> Decision:
        """Do an operator's act; may block. Raises BreakerError when it was not stored."""
        if not self._begin_change(patience=ACT_PATIENCE):
            raise BreakerError(f"{self.name}: not stored, others are changing this breaker")
        try:
            decided = self._change([Step(event, terms)], tries=None)
        except Unsettled as error:
            raise BreakerError(
                f"{self.name}: {self.process.store.describe()} did not say whether it was stored "
                f"({error}); look at the breaker again"
            ) from None
        except Away as error:
            raise BreakerError(
                f"{self.name}: not stored, {self.process.store.describe()} is unreachable "
                f"({error}); nothing was changed"
            ) from None
        finally:
            self._end_change()
            self.flush()
        if decided is None:
            raise BreakerError(f"{self.name}: not stored within {ACT_PATIENCE:g} s")
        return decided[0][1]

    # -- changing the fleet's record ---------------------------------------------------------

    def _begin_change(self, patience: float = WAIT_FOR_CHANGE) -> bool:
        with self._idle:
            if not self._idle.wait_for(lambda: not self._changing, timeout=patience):
                return False
            self._changing = True
            return True

    def _end_change(self) -> None:
        with self._idle:
            self._changing = False
            self._idle.notify()

    def _change(
        self, steps: list[Step], *, tries: int | None
    ) -> list[tuple[Record, Decision, float, Terms]] | None:
        """Make *steps* true for the fleet. None: lost too often. Raises Away, or Unsettled."""
        change, lost, unclear = new_id(), 0, 0
        deadline = time.monotonic() + ACT_PATIENCE
        seen, record = self._base_for(steps)
        while True:
            before = record
            record, decided = self._decide_all(before, steps)
            if record is before:
                return decided
            result = self._replace(seen, stamped(record, change))
            if result is not Stored.STORED:
                unclear += result is Stored.UNCLEAR
                lost += result is Stored.LOST
                attempt = Attempted(before, steps, decided)
                seen, record = self._look_after(change, attempt, unclear=unclear)
                if change not in record.changes:
                    if lost and self._lost_for_good(lost, tries, deadline):
                        return None
                    time.sleep(random.uniform(0, 0.002 * (lost + unclear)))
                    continue
            self._tell(before, steps, decided)
            return decided

    def _look_after(
        self, change: str, attempt: Attempted, *, unclear: int
    ) -> tuple[SeenText, Record]:
        """Return what is true after a change that was not clearly stored. Raises as ``_change``."""
        try:
            if unclear > 1:
                raise self.process.trouble("the answer to a change was unclear twice", write=True)
            return self._load()
        except Away as away:
            if not unclear:
                raise
            with self._lock:
                self._unsettled[change] = attempt
                while len(self._unsettled) > MOST_UNSETTLED:
                    del self._unsettled[next(iter(self._unsettled))]
            raise Unsettled(str(away)) from None

    def _settle(self, record: Record) -> None:
        """Make good the changes of which nobody knew whether *record* has them, and it has."""
        for change in [each for each in self._unsettled if each in record.changes]:
            attempt = self._unsettled.pop(change)
            self._tell(attempt.before, attempt.steps, attempt.decided)
            for step, (after, decision, _, _) in zip(attempt.steps, attempt.decided, strict=True):
                if isinstance(step.event, Admit) and decision.permit is not None:
                    self._give_back(after.epoch, decision.permit, step.terms)

    def _give_back(self, epoch: str, permit: str, terms: Terms) -> None:
        """Let the fleet have a permit again whose call went on alone."""
        self._pending.append(Step(Ignored(epoch=epoch, permit=permit), terms))

    def _lost_for_good(self, lost: int, tries: int | None, deadline: float) -> bool:
        return time.monotonic() > deadline if tries is None else lost >= tries

    def _base_for(self, steps: list[Step]) -> tuple[SeenText, Record]:
        """Return what to decide on: what was last seen, or a fresh look where that is not enough.

        A success has to look (is there a streak to clear?), and an operator must not act on
        anything but what is true now. A failure and a trial find out by the compare-and-set.
        """
        fresh = any(isinstance(step.event, Succeeded | Act) for step in steps)
        with self._lock:
            if (
                not fresh
                and self._seen is not None
                and self._stored is not None
                and not self._alone
            ):
                return self._seen, self._stored
        return self._load()

    def _decide_all(
        self, record: Record, steps: list[Step]
    ) -> tuple[Record, list[tuple[Record, Decision, float, Terms]]]:
        decided = []
        for step in steps:
            now = self._now(record)
            record, decision = decide(record, step.event, now, step.terms.config)
            decided.append((record, decision, now, step.terms))
        return record, decided

    def _tell(
        self,
        before: Record,
        steps: list[Step],
        decided: list[tuple[Record, Decision, float, Terms]],
    ) -> None:
        for step, (after, decision, _, _) in zip(steps, decided, strict=True):
            if decision.transition is not None:
                self.outbox.extend(tell_of(before, step.event, decision.transition))
            before = after

    def _replace(self, seen: SeenText, record: Record) -> Stored:
        text = to_text(record)
        closed = record.state is State.CLOSED and record.override is None
        keep = KEEP_CLOSED if closed else None
        result = self.process.replace(self.key, seen, text, seconds=keep)
        if result is Stored.STORED:
            self._adopt(self.process.store.after_storing(text), record)
        return result

    def _load(self) -> tuple[SeenText, Record]:
        """Look at this breaker's key alone, starting it when it is missing. Raises Away."""
        for _ in range(TRIES):
            asked = self.adoptions
            seen = self.process.load([self.key])[self.key]
            record = self._parse(seen)
            if record is not None:
                self._adopt(seen, record, asked)
                return seen, record
            self._start_over(seen)
        raise self.process.trouble("a missing key could not be started")

    def _parse(self, seen: SeenText) -> Record | None:
        """Return the record of *seen*; None when it is missing or garbage."""
        if seen.text is None:
            return None
        try:
            return replace(from_text(seen.text), name=self.name)
        except NewerSchemaError as error:
            raise Away(f"the record was written by a newer release: {error}") from None
        except ValueError as error:
            logger.warning("breaker %r: unreadable record is replaced: %s", self.name, error)
            return None

    def _start_over(self, seen: SeenText) -> None:
        """Put a first record where none is: what was known a moment ago, or else closed."""
        stored, good_until = self._stored, self._confirmed + 2 * self.interval
        if stored is None or self.process.clock.monotonic() >= good_until:
            self._replace(seen, start(self.name, self.process.clock.now()))
            return
        record = restart(stored)
        put_back = self._replace(seen, record) is Stored.STORED
        if put_back and self.process.clock.monotonic() >= good_until:
            latest = self.process.load([self.key])[self.key]
            if latest.text == to_text(record):
                self._replace(latest, start(self.name, self.process.clock.now()))

    # -- the view ----------------------------------------------------------------------------

    def take(self, seen: SeenText, asked: int, *, may_start: bool) -> None:
        """Take in what a refresh, begun at adoption *asked*, saw of this breaker. Raises Away."""
        self._looked = self.process.clock.monotonic()
        if self._is_known(seen):
            return
        try:
            record = self._parse(seen)
        except Away:
            self.go_alone()
            return
        if record is not None:
            self._adopt(seen, record, asked)
        elif may_start and self.used:
            self._start_over(seen)

    def _is_known(self, seen: SeenText) -> bool:
        """Whether *seen* is what this process acts on: most looks find that, and cost no more."""
        with self._lock:
            if self._alone or self._seen is None or seen.text is None:
                return False
            if seen.text != self._seen.text:
                return False
            self._seen = seen
            self._confirmed = self._looked
            return True

    def _adopt(self, seen: SeenText | None, record: Record, asked: int | None = None) -> None:
        """Go on from *record*, which the store has.

        A look that was overtaken is left out: something newer was adopted since adoption *asked*,
        when it began. One that was not is true, even with a lower number: a backup came back.
        """
        with self._lock:
            known = self._stored
            overtaken = asked is not None and asked != self.adoptions
            if overtaken and known is not None and _older(record, known):
                return
            self.adoptions += 1
            copy = self._record if self._alone else None
            self._seen, self._stored = seen, record
            self._confirmed = self.process.clock.monotonic()
            self._alone = False
            self._act_on(record)
            if copy is not None:
                self._keep_own_trip(known, copy, record)
            self._settle(record)
            self._pending += self._owed
            self._owed = []
            self._open_plain()

    def _act_on(self, record: Record) -> None:
        if self._record is None or self._record.epoch != record.epoch:
            self._own = start(self.name, self.process.steady_now())
            self._epoch_first_seen = self.process.clock.monotonic()
        self._record = record

    def _keep_own_trip(self, known: Record | None, copy: Record, record: Record) -> None:
        """What opened while alone stays open, for this process, if the fleet knows no better."""
        if known is None or known.epoch != record.epoch or copy.epoch == record.epoch:
            return
        if copy.state is State.OPEN and copy.open_until is not None:
            left = copy.open_until - self._now(copy)
            now = self.process.steady_now()
            self._own = replace(
                copy, epoch=f"{new_id()}.0", opened_at=now, open_until=now + left, override=None
            )

    def _open_plain(self) -> None:
        """Make the pass that all calls share while nothing is in their way."""
        record = self._view()
        plain = (
            record.state is State.CLOSED
            and record.in_force(self._now(record)) is None
            and self._own.state is State.CLOSED
        )
        current = self._plain
        if not plain:
            self._plain = None
        elif (
            current is None or current.epoch != record.epoch or current.own_epoch != self._own.epoch
        ):
            self._plain = Pass(record.epoch, self.tally.successes, own_epoch=self._own.epoch)

    def _view(self) -> Record:
        if self._record is None:
            return start(self.name, self.process.clock.now(), chain="none")
        return self._record

    def _now(self, record: Record | None = None) -> float:
        """Return the time for deciding on *record*: never earlier than its epoch's age here.

        So a clock that is wrong makes its own host early at most, and nobody waits longer than
        the open time that the opener wrote.
        """
        wall = self.process.clock.now()
        record = record or self._view()
        if record.state is State.CLOSED and record.override is None:
            return wall
        known = self._record is not None and self._record.epoch == record.epoch
        passed = self.process.clock.monotonic() - self._epoch_first_seen if known else 0.0
        return max(wall, record.epoch_at + passed)

    def look(self, terms: Terms) -> Look:
        """Return how things stand; a stale view is refreshed first, and nothing changes."""
        never = max(self._looked, self._confirmed) == float("-inf")
        if never or self._age() >= self.interval:
            self.process.refresh(for_call=False)
        with self._lock:
            return Look(
                record=self._view(),
                own=self._own,
                now=self._now(),
                own_now=self.process.steady_now(),
                store="ok" if self.process.reachable and not self._alone else "unreachable",
                age=self._age(),
                seen=self._stored is not None or self._looked > float("-inf"),
                tally=self.tally.totals(),
                counts=self._look_at_window(),
            )

    def _look_at_window(self) -> Counts | None:
        now = self.process.clock.monotonic()
        window = self._own_window(now)
        return None if window is None else window.counts(now)

    def acts_on(self) -> tuple[str, State]:
        """Return the fleet's epoch that this process acts on, and the state of its own record."""
        with self._lock:
            return self._view().epoch, self._own.state

    def would_reject(self, epoch: str, own_state: State) -> bool:
        """Whether a process rejects that acted on *epoch* and whose own record was *own_state*.

        An older epoch says nothing: before its next call it looks, and obeys the one of now.
        """
        with self._lock:
            record = self._view()
            override = record.in_force(self._now())
        if override is not None:
            return override.kind is OverrideKind.FORCED_OPEN
        own = own_state if epoch == record.epoch else State.CLOSED
        return not self.config.shadow and stricter(record.state, own) is not State.CLOSED

    def _age(self) -> float:
        """Return how many seconds ago the store was last seen; 0 when it never was."""
        seen = max(self._looked, self._confirmed)
        return 0.0 if seen == float("-inf") else self.process.clock.monotonic() - seen

    # -- alone -------------------------------------------------------------------------------

    def go_alone(self) -> None:
        """Run on in this process: on a copy of what was last seen, in a chain of its own."""
        with self._lock:
            if self._alone:
                return
            self._alone = True
            if self._stored is None:
                self._act_on(start(self.name, self.process.clock.now()))
            else:
                self._act_on(restart(self._stored))
            self._open_plain()

    def _alone_steps(self, steps: list[Step]) -> None:
        for step in steps:
            self._alone_step(step.event, step.terms)
            self._end_own(step)
            if isinstance(step.event, Ended) and step.event.permit is not None:
                # The fleet gave this trial its permit, or will wait for it: it must hear the end.
                self._owed = [*self._owed, step][-MOST_OWED:]

    def _alone_step(self, event: Event, terms: Terms) -> tuple[Record, Decision, float, Terms]:
        before, now = self._view(), self._now()
        after, decision = decide(before, event, now, terms.config)
        if after is not before:
            self._act_on(after)
            self._open_plain()
        if decision.transition is not None:
            self.outbox.append(tell_of_own(self.name, decision.transition))
        return after, decision, now, terms


def _older(record: Record, known: Record) -> bool:
    return record.chain == known.chain and record.number < known.number


_STRICTNESS = {State.CLOSED: 0, State.HALF_OPEN: 1, State.OPEN: 2}


def stricter(one: State, other: State) -> State:
    """Return the state that lets fewer calls pass."""
    return max(one, other, key=_STRICTNESS.__getitem__)
