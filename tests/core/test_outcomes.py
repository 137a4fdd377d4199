"""Rule 1: success, failure, ignored."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from breaker_core import BreakerConfig, BreakerError, CircuitOpenError, State
from breaker_core.outcomes import Conventions, Outcome, Verdict

SUCCESS, FAILURE, IGNORED = Outcome.SUCCESS, Outcome.FAILURE, Outcome.IGNORED
REJECTED = CircuitOpenError("other", State.OPEN, 1.0, "", "")


class GreenletTimeout(BaseException):
    """As gevent's: outside the usual class."""


@pytest.mark.parametrize(
    ("options", "error", "outcome"),
    [
        ({}, ValueError(), FAILURE),
        ({}, KeyboardInterrupt(), IGNORED),
        ({}, SystemExit(), IGNORED),
        ({}, GeneratorExit(), IGNORED),
        ({}, asyncio.CancelledError(), IGNORED),
        ({}, GreenletTimeout(), IGNORED),
        ({}, TimeoutError(), FAILURE),
        ({"ignore": KeyError}, KeyError(), IGNORED),
        ({"ignore": LookupError}, KeyError(), IGNORED),
        ({"ignore": KeyError}, LookupError(), FAILURE),
        ({"ignore": KeyError, "failure_on": KeyError}, KeyError(), IGNORED),
        ({"failure_on": OSError}, OSError(), FAILURE),
        ({"failure_on": OSError}, ConnectionError(), FAILURE),
        ({"failure_on": OSError}, ValueError(), SUCCESS),
        ({"failure_on": OSError}, KeyboardInterrupt(), IGNORED),
        ({"failure_on": GreenletTimeout}, GreenletTimeout(), FAILURE),
        ({"failure_on": ()}, ValueError(), SUCCESS),
        ({}, REJECTED, IGNORED),
        ({"failure_on": [Exception, OSError]}, REJECTED, IGNORED),
        ({"failure_on": BaseException}, REJECTED, IGNORED),
        ({"failure_on": CircuitOpenError}, REJECTED, FAILURE),
        ({"failure_on": [Exception, BreakerError]}, REJECTED, FAILURE),
        ({"ignore": CircuitOpenError, "failure_on": CircuitOpenError}, REJECTED, IGNORED),
    ],
)
def test_an_error_is_judged_by_the_configuration(
    options: dict[str, Any], error: BaseException, outcome: Outcome
) -> None:
    """Rule 1, in its order: ignore, a rejection, failure_on, other exceptions, the rest."""
    assert Verdict(BreakerConfig(**options)).of_error(error) is outcome


def test_a_result_is_a_success_unless_failure_if_is_true() -> None:
    """Rule 1: any true value will do."""
    verdict = Verdict(BreakerConfig(failure_if=lambda result: result))
    assert [verdict.of_result(each) for each in (0, "", None, 1, "x")] == [
        SUCCESS,
        SUCCESS,
        SUCCESS,
        FAILURE,
        FAILURE,
    ]


def test_a_predicate_that_raises_is_logged_and_taken_for_false(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is our trouble and not the dependency's."""
    verdict = Verdict(BreakerConfig(failure_if=lambda result: result.status_code >= 500))
    assert verdict.of_result("no response") is SUCCESS
    [record] = caplog.records
    assert "is taken for false" in record.message
    assert record.exc_info is not None


def test_results_are_looked_at_only_where_there_is_something_to_judge() -> None:
    """It costs the fast path nothing."""
    assert Verdict(BreakerConfig()).judge() is None
    assert Verdict(BreakerConfig(failure_if=bool)).judge() is not None
    assert Verdict(BreakerConfig(), Conventions(is_failure=bool)).judge() is not None


# -- conventions of a framework ----------------------------------------------------------------


class NotFoundAnswer(Exception):  # noqa: N818
    """A framework's own answer."""


CONVENTIONS = Conventions(
    is_answer=lambda error: isinstance(error, NotFoundAnswer),
    is_failure=lambda result: result == 500,
)


@pytest.mark.parametrize(
    ("options", "outcome"),
    [
        ({}, SUCCESS),
        ({"failure_on": NotFoundAnswer}, FAILURE),
        ({"failure_on": [Exception, NotFoundAnswer]}, FAILURE),
        ({"ignore": NotFoundAnswer}, IGNORED),
    ],
)
def test_a_frameworks_answer_is_a_success_unless_the_configuration_says_otherwise(
    options: dict[str, Any], outcome: Outcome
) -> None:
    """The configuration has the last word."""
    assert Verdict(BreakerConfig(**options), CONVENTIONS).of_error(NotFoundAnswer()) is outcome


def test_a_frameworks_failure_and_failure_if_both_count() -> None:
    """Either makes a result a failure."""
    verdict = Verdict(BreakerConfig(failure_if=lambda result: result == 1), CONVENTIONS)
    assert [verdict.of_result(each) for each in (500, 1, 200)] == [FAILURE, FAILURE, SUCCESS]


def test_a_convention_that_raises_is_taken_for_false() -> None:
    """As a predicate that raises."""
    verdict = Verdict(BreakerConfig(), Conventions(is_answer=lambda error: 1 / 0 > 0))
    assert verdict.of_error(ValueError()) is FAILURE


# -- what the record keeps -----------------------------------------------------------------------


class Quarrelsome(Exception):  # noqa: N818
    def __str__(self) -> str:
        raise RuntimeError("not even that")


class Response:
    def __init__(self, status: Any) -> None:
        self.status = status

    @property
    def status_code(self) -> Any:
        if isinstance(self.status, Exception):
            raise self.status
        return self.status


@pytest.mark.parametrize(
    ("keep", "error", "text"),
    [
        (False, ValueError("secret"), "ValueError"),
        (True, ValueError("why"), "ValueError: why"),
        (True, ValueError("x" * 1_000_000), "ValueError: " + "x" * 287 + "…"),
        (True, ValueError("a\ud800"), "ValueError: a?"),
        (True, Quarrelsome(), "Quarrelsome"),
        (False, KeyError("k"), "KeyError"),
    ],
)
def test_an_error_is_kept_as_its_class_and_its_text_only_if_wanted(
    keep: bool, error: BaseException, text: str
) -> None:
    """Texts can hold secrets, be huge, be no UTF-8, or fail."""
    assert Verdict(BreakerConfig(record_error_messages=keep)).text_of_error(error) == text


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (Response(503), "Response 503"),
        (Response("503"), "Response"),
        (Response(None), "Response"),
        (Response(RuntimeError("closed")), "Response"),
        ({"secret": 1}, "dict"),
    ],
)
def test_a_result_is_kept_as_its_class_and_status_never_its_contents(
    result: object, text: str
) -> None:
    """Also when asking for the status fails."""
    verdict = Verdict(BreakerConfig(record_error_messages=True))
    assert verdict.text_of_result(result) == text
