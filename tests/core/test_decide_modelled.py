"""``decide`` against a small model of the rules, written from the design and not from the code."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from breaker_core.config import BreakerConfig
from breaker_core.decide import (
    Admit,
    ClearOverride,
    Failed,
    Force,
    Ignored,
    Reset,
    Succeeded,
    TryNow,
    decide,
)
from breaker_core.record import OverrideKind, State, start


@dataclass
class ModelCall:
    """A call as the model let it in."""

    era: int
    trial: bool = False
    deadline: float = 0.0
    counts: bool = True


@dataclass
class Model:
    """The rules, one attribute per word of the design; eras are its epochs."""

    threshold: int
    open_time: float
    most_open: float | None
    most_trials: int
    needed: int
    trial_time: float
    shadow: bool
    now: float = 0.0
    era: int = 0
    mode: str = "closed"
    failures: int = 0
    good_trials: int = 0
    failed_rounds: int = 0
    open_end: float = 0.0
    running: list[ModelCall] = field(default_factory=list)
    forced: str | None = None
    forced_end: float | None = None

    def valid_permits(self) -> list[ModelCall]:
        return [each for each in self.running if each.trial and self.now < each.deadline]

    def override(self) -> str | None:
        over = self.forced_end is not None and self.now >= self.forced_end
        return None if over else self.forced

    def ask(self) -> tuple[bool, ModelCall | None, float | None]:
        """Return whether a call passes, the call, and what a rejected one is told."""
        override = self.override()
        if override == "open":
            return False, None, None if self.forced_end is None else self.forced_end - self.now
        call, wait = self._ask_machine()
        if call is None and (override == "closed" or self.shadow):
            return True, ModelCall(self.era, counts=False), None
        return call is not None, call, wait

    def _ask_machine(self) -> tuple[ModelCall | None, float | None]:
        if self.mode == "closed":
            return ModelCall(self.era), None
        if self.mode == "open" and self.now < self.open_end:
            return None, self.open_end - self.now
        taken = self.valid_permits()
        if len(taken) >= self.most_trials:
            return None, min(each.deadline for each in taken) - self.now
        if self.mode == "open":
            self._go("half_open")
        call = ModelCall(self.era, trial=True, deadline=self.now + self.trial_time)
        return call, None

    def _go(self, mode: str) -> None:
        self.mode = mode
        self.era += 1
        self.good_trials = 0
        if mode == "closed":
            self.failures = self.failed_rounds = 0

    def end(self, call: ModelCall, outcome: str) -> None:
        if not call.counts or outcome == "ignored" or call.era != self.era:
            return
        if self.mode == "closed":
            self.failures = self.failures + 1 if outcome == "failure" else 0
            if self.failures >= self.threshold:
                self._open()
        elif self.mode == "half_open" and call.trial:
            if outcome == "failure":
                self.failed_rounds += 1
                self._open()
            else:
                self.good_trials += 1
                if self.good_trials >= self.needed:
                    self._go("closed")

    def _open(self) -> None:
        self._go("open")
        length = self.open_time
        if self.most_open is not None:
            for _ in range(self.failed_rounds):
                length = min(2 * length, self.most_open)
        self.open_end = self.now + length

    def act(self, act: str, seconds: float | None = None) -> None:
        self.era += 1
        if act == "reset":
            self.mode, self.forced = "closed", None
            self.failures = self.good_trials = self.failed_rounds = 0
        elif act == "try_now" and self.mode == "open":
            self.open_end = self.now
        elif act in ("open", "closed"):
            self.forced = act
            self.forced_end = None if seconds is None else self.now + seconds
        elif act == "clear":
            self.forced = None


Pair = tuple[ModelCall, str, str | None]


class DecideAgainstTheModel(RuleBasedStateMachine):
    """Whatever happens, both say the same."""

    @initialize(
        threshold=st.integers(1, 3),
        open_time=st.sampled_from([0.0, 8.0]),
        most_open=st.sampled_from([None, 24.0]),
        most_trials=st.integers(1, 2),
        needed=st.integers(1, 2),
        shadow=st.sampled_from([False, False, False, True]),
    )
    def configure(  # noqa: PLR0917 - hypothesis calls it by name
        self,
        threshold: int,
        open_time: float,
        most_open: float | None,
        most_trials: int,
        needed: int,
        shadow: bool,
    ) -> None:
        self.model = Model(threshold, open_time, most_open, most_trials, needed, 16.0, shadow)
        self.config = BreakerConfig(
            failure_threshold=threshold,
            open_timeout=open_time,
            open_timeout_max=most_open,
            half_open_max_calls=most_trials,
            success_threshold=needed,
            trial_timeout=16,
            shadow=shadow,
        )
        self.record = start("x", 0.0, chain="c")
        self.calls: list[Pair] = []
        self.asked = 0

    @rule(times=st.integers(1, 3))
    def a_call_asks(self, times: int) -> None:
        for _ in range(times):
            self.asked += 1
            permit = f"p{self.asked}"
            passes, call, wait = self.model.ask()
            self.record, decision = decide(
                self.record, Admit(permit=permit), self.model.now, self.config
            )
            assert decision.admitted == passes
            assert decision.retry_after == wait
            if call is not None:
                assert decision.counted == call.counts
                assert (decision.permit == permit) == call.trial
                self.model.running.append(call)
                self.calls.append((call, self.record.epoch, decision.permit))

    @precondition(lambda self: self.calls)
    @rule(outcome=st.sampled_from(["success", "failure", "failure", "ignored"]), data=st.data())
    def a_call_ends(self, outcome: str, data: st.DataObject) -> None:
        call, epoch, permit = self.calls.pop(data.draw(st.integers(0, len(self.calls) - 1)))
        self.model.running.remove(call)
        self.model.end(call, outcome)
        if call.counts:
            kind = {"success": Succeeded, "failure": Failed, "ignored": Ignored}[outcome]
            event = kind(epoch=epoch, permit=permit)
            self.record, _ = decide(self.record, event, self.model.now, self.config)

    @precondition(lambda self: self.calls)
    @rule()
    def a_process_dies(self) -> None:
        self.calls.pop(0)  # its permit stays with the model until the deadline

    @rule(seconds=st.sampled_from([1.0, 4.0, 8.0, 16.0]))
    def time_passes(self, seconds: float) -> None:
        self.model.now += seconds

    @rule(
        act=st.sampled_from(["reset", "try_now", "open", "closed", "clear"]),
        seconds=st.sampled_from([None, 4.0, 12.0]),
    )
    def an_operator_acts(self, act: str, seconds: float | None) -> None:
        event = {
            "reset": Reset(),
            "try_now": TryNow(),
            "open": Force(kind=OverrideKind.FORCED_OPEN, seconds=seconds),
            "closed": Force(kind=OverrideKind.FORCED_CLOSED, seconds=seconds),
            "clear": ClearOverride(),
        }[act]
        self.model.act(act, seconds)
        self.record, _ = decide(self.record, event, self.model.now, self.config)

    @invariant()
    def both_stand_alike(self) -> None:
        if not hasattr(self, "model"):
            return
        model, record = self.model, self.record
        assert record.state is State(model.mode)
        if model.mode == "closed":
            assert record.streak == model.failures
        assert record.successes == model.good_trials
        assert record.rounds == model.failed_rounds
        override = record.in_force(model.now)
        assert (None if override is None else override.kind.value) == (
            None if model.override() is None else f"forced_{model.override()}"
        )
        valid = sum(1 for trial in record.trials if model.now < trial.deadline)
        assert valid == len(model.valid_permits())
        if model.mode == "open":
            assert record.open_until == model.open_end


TestDecideAgainstTheModel = DecideAgainstTheModel.TestCase
TestDecideAgainstTheModel.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, derandomize=True, database=None
)
