"""A whole breaker in memory, with its gate and its marks, against the model of the rules.

Each call enters in a context of its own, as it would in another thread or task.
"""

from __future__ import annotations

from contextvars import Context
from typing import TYPE_CHECKING, Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from breaker_core import BreakerConfig, CircuitBreaker, CircuitOpenError, State
from breaker_core.testing import FakeClock
from tests.core.test_decide_modelled import Model, ModelCall

if TYPE_CHECKING:
    from breaker_core.blocks import Guard


class Down(Exception):  # noqa: N818
    """The dependency's own error."""


ENDS: dict[str, BaseException | None] = {
    "success": None,
    "failure": Down(),
    "ignored": KeyboardInterrupt(),
}


class BreakerAgainstTheModel(RuleBasedStateMachine):
    """Calls that take time, calls at once, operators and time, in any order."""

    @initialize(
        threshold=st.integers(1, 3),
        open_time=st.sampled_from([0.0, 8.0]),
        most_trials=st.integers(1, 2),
        needed=st.integers(1, 2),
        shadow=st.sampled_from([False, False, True]),
    )
    def configure(
        self, threshold: int, open_time: float, most_trials: int, needed: int, shadow: bool
    ) -> None:
        self.clock = FakeClock(0.0)
        self.model = Model(threshold, open_time, None, most_trials, needed, 16.0, shadow)
        config = BreakerConfig(
            failure_threshold=threshold,
            open_timeout=open_time,
            half_open_max_calls=most_trials,
            success_threshold=needed,
            trial_timeout=16,
            shadow=shadow,
        )
        self.breaker = CircuitBreaker("x", config, clock=self.clock)
        self.decorated = self.breaker(self._dependency)
        self.running: list[tuple[ModelCall, Guard, Context]] = []

    @staticmethod
    def _dependency(outcome: str) -> str:
        error = ENDS[outcome]
        if error is not None:
            raise error
        return outcome

    @rule()
    def a_call_begins(self) -> None:
        passes, call, wait = self.model.ask()
        context, guard = Context(), self.breaker.guard()
        try:
            context.run(guard.__enter__)
        except CircuitOpenError as error:
            assert not passes
            assert error.retry_after == wait  # noqa: PT017
            return
        assert passes
        assert call is not None
        self.model.running.append(call)
        self.running.append((call, guard, context))

    @precondition(lambda self: self.running)
    @rule(outcome=st.sampled_from(sorted(ENDS)), data=st.data())
    def a_call_ends(self, outcome: str, data: st.DataObject) -> None:
        index = data.draw(st.integers(0, len(self.running) - 1))
        call, guard, context = self.running.pop(index)
        self.model.running.remove(call)
        self.model.end(call, outcome)
        error = ENDS[outcome]
        context.run(guard.__exit__, None if error is None else type(error), error, None)

    @rule(outcome=st.sampled_from(["success", "failure", "failure", "ignored"]))
    def a_decorated_call(self, outcome: str) -> None:
        passes, call, _ = self.model.ask()
        if call is not None:
            self.model.end(call, outcome)
        try:
            Context().run(self.decorated, outcome)
        except CircuitOpenError:
            assert not passes
        except (Down, KeyboardInterrupt):
            assert passes
            assert outcome != "success"
        else:
            assert passes
            assert outcome == "success"

    @rule(seconds=st.sampled_from([1.0, 4.0, 8.0, 16.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.model.now += seconds

    @rule(
        act=st.sampled_from(["reset", "try_now", "open", "closed", "clear"]),
        seconds=st.sampled_from([None, 4.0, 12.0]),
    )
    def an_operator_acts(self, act: str, seconds: float | None) -> None:
        self.model.act(act, seconds)
        breaker: Any = self.breaker
        if act in ("open", "closed"):
            getattr(breaker, f"force_{act}")(for_=seconds)
        else:
            {"reset": breaker.reset, "try_now": breaker.try_now, "clear": breaker.clear_override}[
                act
            ]()

    @rule()
    def somebody_looks(self) -> None:
        """Only now and then: a look takes the marks that successes left."""
        model, snapshot = self.model, self.breaker.snapshot()
        assert snapshot.state is State(model.mode)
        if model.mode == "closed":
            assert snapshot.consecutive_failures == model.failures
        assert snapshot.trials == len(model.valid_permits())
        assert (snapshot.override is None) == (model.override() is None)

    @invariant()
    def the_gate_is_open_only_if_nothing_is_in_the_way(self) -> None:
        if hasattr(self, "model") and self.breaker._machine.gate is not None:
            assert (self.model.mode, self.model.override()) == ("closed", None)

    def teardown(self) -> None:
        if hasattr(self, "model"):
            self.somebody_looks()


TestBreakerAgainstTheModel = BreakerAgainstTheModel.TestCase
TestBreakerAgainstTheModel.settings = settings(
    max_examples=120, stateful_step_count=40, deadline=None, derandomize=True, database=None
)
