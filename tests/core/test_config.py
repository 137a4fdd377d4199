"""Options of a breaker: what is accepted, and the error that teaches for whatever is not."""

from __future__ import annotations

import math
import sys
from dataclasses import FrozenInstanceError, fields
from datetime import timedelta
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from breaker_core import BreakerConfig, BreakerError, ConfigurationError
from breaker_core.config import (
    LONGEST,
    check_name,
    import_dotted,
    nearest,
    option_names,
    refuse_unknown,
    seconds,
    shown,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

INF, NAN = math.inf, math.nan
A_DURATION = "0 or more seconds, as a number or a timedelta"
A_LENGTH = "more than 0 seconds, as a number or a timedelta"
EXCEPTIONS = "an exception class, its dotted path, or a list of these"
CALLABLE = "a callable, its dotted path, or None"


def error_of(**options: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        BreakerConfig(**options)
    return str(caught.value)


# -- defaults --------------------------------------------------------------------------------


SLOW = {"slow_call_rate": 0.5, "slow_call_duration": 1}


def test_the_defaults_are_those_of_the_documentation() -> None:
    """Each of them, so that none changes by accident."""
    config = BreakerConfig()
    assert {option.name: getattr(config, option.name) for option in fields(config)} == {
        "failure_threshold": 5,
        "open_timeout": 30.0,
        "open_timeout_max": None,
        "open_timeout_jitter": 0.0,
        "retry_after_from": None,
        "half_open_max_calls": 1,
        "success_threshold": 1,
        "trial_timeout": 60.0,
        "failure_rate": None,
        "window": 60.0,
        "window_calls": None,
        "minimum_calls": 20,
        "slow_call_duration": None,
        "slow_call_rate": None,
        "failure_on": (Exception,),
        "ignore": (),
        "failure_if": None,
        "fallback": None,
        "fallback_on_failure": False,
        "shadow": False,
        "refresh_interval": 1.0,
        "record_error_messages": False,
        "vital": False,
        "description": "",
        "owner": "",
        "runbook": "",
    }


def test_a_configuration_is_frozen_and_keyword_only() -> None:
    """A breaker's rules do not change while calls run."""
    config = BreakerConfig()
    with pytest.raises(FrozenInstanceError):
        config.shadow = True  # type: ignore[misc]
    with pytest.raises(TypeError):
        BreakerConfig(3)  # type: ignore[misc]


# -- wrong values, word for word ---------------------------------------------------------------

NOT_NUMBERS = [None, True, False, "3", b"3", [], {}, object]
WRONG: list[tuple[str, Any, str]] = [
    *(
        ("failure_threshold", value, "a whole number of at least 1, or None")
        for value in [0, -1, 1.5, 3.0, NAN, INF, *NOT_NUMBERS[1:]]
    ),
    *(
        ("half_open_max_calls", value, "a whole number from 1 to 1000")
        for value in [0, -1, 1001, 1.0, NAN, INF, *NOT_NUMBERS]
    ),
    *(
        ("success_threshold", value, "a whole number of at least 1")
        for value in [0, -1, 1.0, NAN, INF, *NOT_NUMBERS]
    ),
    *(
        ("open_timeout", value, A_DURATION)
        for value in [-1, -0.001, NAN, INF, -INF, LONGEST * 2, 10**400, *NOT_NUMBERS]
    ),
    *(("open_timeout", value, A_DURATION) for value in [timedelta(-1), timedelta.max]),
    *(
        ("open_timeout_max", value, f"{A_DURATION}, or None")
        for value in [-1, NAN, INF, timedelta(seconds=-1), *NOT_NUMBERS[1:]]
    ),
    *(
        ("open_timeout_jitter", value, "a number from 0 to 1")
        for value in [-0.1, 1.1, NAN, INF, timedelta(0), *NOT_NUMBERS]
    ),
    *(
        (option, value, A_LENGTH)
        for option in ("trial_timeout", "refresh_interval", "window")
        for value in [0, 0.0, -1, NAN, INF, timedelta(0), 10**400, *NOT_NUMBERS]
    ),
    *(
        (option, value, "a number above 0 and up to 1, or None")
        for option in ("failure_rate", "slow_call_rate")
        for value in [0, 0.0, -0.1, 1.1, 100, NAN, INF, timedelta(1), *NOT_NUMBERS[1:]]
    ),
    *(
        ("window_calls", value, "a whole number from 1 to 1000000, or None")
        for value in [0, -1, 1_000_001, 1.0, NAN, *NOT_NUMBERS[1:]]
    ),
    *(
        ("minimum_calls", value, "a whole number of at least 1, or None")
        for value in [0, -1, 1.0, NAN, *NOT_NUMBERS[1:]]
    ),
    *(
        ("slow_call_duration", value, f"{A_LENGTH}, or None")
        for value in [0, -1, NAN, INF, timedelta(0), *NOT_NUMBERS[1:]]
    ),
    *(
        (option, value, "True or False")
        for option in ("shadow", "record_error_messages", "fallback_on_failure", "vital")
        for value in [None, 0, 1, "True", "", [], 1.0]
    ),
    *(
        (option, value, "a text")
        for option in ("description", "owner", "runbook")
        for value in [None, 0, b"text", ["text"], True]
    ),
    *(
        (option, value, EXCEPTIONS)
        for option in ("failure_on", "ignore")
        for value in [None, 1, True, object, int, ValueError(), {"a": 1}]
    ),
    *(
        (option, value, CALLABLE)
        for option in ("failure_if", "fallback")
        for value in [1, True, b"x", [], {}, ()]
    ),
]


@pytest.mark.parametrize(("option", "value", "allowed"), WRONG)
def test_a_wrong_value_names_the_option_what_is_allowed_and_the_value(
    option: str, value: Any, allowed: str
) -> None:
    """One error, word for word."""
    assert error_of(**{option: value}) == f"{option} must be {allowed}; got {shown(value)}"


def test_a_wrong_exception_in_a_list_is_shown_itself() -> None:
    """Not the whole list."""
    assert error_of(ignore=[ValueError, 3]) == f"ignore must be {EXCEPTIONS}; got 3"


def test_configuration_errors_are_breaker_errors_and_value_errors() -> None:
    """So that either handler catches them."""
    assert issubclass(ConfigurationError, BreakerError)
    assert issubclass(ConfigurationError, ValueError)


# -- right values ------------------------------------------------------------------------------

RIGHT: list[tuple[str, Any, Any]] = [
    ("failure_threshold", 1, 1),
    ("open_timeout", 0, 0.0),
    ("open_timeout", 0.25, 0.25),
    ("open_timeout", timedelta(minutes=2), 120.0),
    ("open_timeout", timedelta(0), 0.0),
    ("open_timeout_max", timedelta(minutes=5), 300.0),
    ("open_timeout_jitter", 1, 1.0),
    ("open_timeout_jitter", 0, 0.0),
    ("half_open_max_calls", 1000, 1000),
    ("trial_timeout", timedelta(milliseconds=1), 0.001),
    ("failure_on", OSError, (OSError,)),
    ("failure_on", [OSError, KeyError], (OSError, KeyError)),
    ("failure_on", "http.client.HTTPException", (__import__("http.client").client.HTTPException,)),
    ("ignore", ["builtins.KeyError", ValueError], (KeyError, ValueError)),
    ("ignore", {KeyboardInterrupt}, (KeyboardInterrupt,)),
    ("ignore", [], ()),
    ("failure_if", bool, bool),
    ("failure_if", "builtins.bool", bool),
    ("fallback", "math.floor", math.floor),
    ("shadow", True, True),
]


@pytest.mark.parametrize(("option", "given", "kept"), RIGHT)
def test_a_right_value_is_kept(option: str, given: Any, kept: Any) -> None:
    """Durations as seconds, paths as what they name, one exception as a tuple; 0 is a value."""
    config = BreakerConfig(**{option: given})
    found = getattr(config, option)
    assert found == kept
    assert type(found) is type(kept)


# -- contradictions ----------------------------------------------------------------------------


def test_a_breaker_that_can_never_open_is_refused() -> None:
    """No policy is left."""
    assert error_of(failure_threshold=None) == (
        "failure_threshold=None switches off the only policy that opens this breaker; set it to a "
        "whole number of at least 1, or set failure_rate or slow_call_rate"
    )


@pytest.mark.parametrize("rate", [{"failure_rate": 0.5}, SLOW])
def test_a_rate_is_policy_enough(rate: dict[str, float]) -> None:
    """The streak may be off then."""
    assert BreakerConfig(failure_threshold=None, **rate).judges_rates  # type: ignore[arg-type]


def test_a_slow_call_rate_needs_to_know_what_is_slow() -> None:
    """Else nothing ever is."""
    assert error_of(slow_call_rate=0.5) == (
        "slow_call_rate=0.5 needs slow_call_duration: how long a call takes that is slow"
    )


def test_more_calls_than_the_window_holds_cannot_be_asked_for() -> None:
    """No rate would ever be judged."""
    assert error_of(failure_rate=0.5, window_calls=10, minimum_calls=11) == (
        "minimum_calls=11 is above window_calls=10; the window never holds so many calls, so no "
        "rate would ever be judged"
    )


@pytest.mark.parametrize(("calls", "least"), [(None, 20), (10, 10), (20, 20), (100, 20)])
def test_so_many_calls_must_have_ended_by_default(calls: int | None, least: int) -> None:
    """20, or the window's calls if that is less."""
    assert BreakerConfig(failure_rate=0.5, window_calls=calls).minimum_calls == least


def test_a_fallback_on_failure_needs_a_fallback() -> None:
    """Else nothing could answer."""
    assert error_of(fallback_on_failure=True) == "fallback_on_failure=True needs a fallback"


def test_a_longest_open_time_below_the_shortest_is_refused() -> None:
    """Also when the shortest is the default."""
    assert error_of(open_timeout_max=10) == (
        "open_timeout_max=10.0 is below open_timeout=30.0; "
        "it is the longest open time, so it must be at least as long"
    )
    assert BreakerConfig(open_timeout_max=30).open_timeout_max == 30


# -- mappings ----------------------------------------------------------------------------------


def test_an_error_from_a_mapping_begins_with_its_place() -> None:
    """And keeps the text of the option's own error."""
    with pytest.raises(ConfigurationError) as caught:
        BreakerConfig.from_mapping({"open_timeout": "x"}, place="BREAKERS['payments']")
    assert str(caught.value) == (
        f"BREAKERS['payments']: open_timeout must be {A_DURATION}; got 'x'"
    )


def test_an_unknown_option_names_the_nearest() -> None:
    """The example of the design, word for word."""
    with pytest.raises(ConfigurationError) as caught:
        BreakerConfig.from_mapping({"failure_treshold": 3}, place="BREAKERS['payments']")
    assert str(caught.value) == (
        "BREAKERS['payments']: unknown option 'failure_treshold' "
        "(did you mean 'failure_threshold'?)"
    )


@pytest.mark.parametrize("name", ["FAILURE_THRESHOLD", "Failure_Threshold"])
def test_an_option_in_capitals_is_unknown_and_its_right_name_is_given(name: str) -> None:
    """Options are written in lower case everywhere."""
    with pytest.raises(ConfigurationError, match=r"did you mean 'failure_threshold'"):
        BreakerConfig.from_mapping({name: 3}, place="X")


@pytest.mark.parametrize("name", [3, None, (), "zzzz"])
def test_an_option_like_no_other_lists_them_all(name: Any) -> None:
    """Also when it is no text at all."""
    with pytest.raises(ConfigurationError) as caught:
        BreakerConfig.from_mapping({name: 3}, place="X")
    known = ", ".join(sorted(option_names()))
    assert str(caught.value) == f"X: unknown option {name!r} (known: {known})"


@pytest.mark.parametrize("options", [None, 3, "failure_threshold", [("failure_threshold", 3)]])
def test_options_that_are_no_mapping_are_refused(options: Any) -> None:
    """With an example of one."""
    with pytest.raises(ConfigurationError) as caught:
        BreakerConfig.from_mapping(options, place="X")
    assert str(caught.value) == (
        f"X: must be a mapping of options, such as {{'failure_threshold': 3}}; got {options!r}"
    )


def test_an_unimportable_path_in_a_mapping_keeps_its_cause() -> None:
    """So that the import's own traceback can be read."""
    with pytest.raises(ConfigurationError) as caught:
        BreakerConfig.from_mapping({"fallback": "no_such_module.f"}, place="X")
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


# -- dotted paths ------------------------------------------------------------------------------


@pytest.fixture
def many_names() -> Iterator[ModuleType]:
    module = ModuleType("module_of_many_names")
    for each in range(80):
        setattr(module, f"name_{each}", each)
    module.HTTPError = OSError  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    yield module
    del sys.modules[module.__name__]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("ValueError", "ignore: 'ValueError' is not a dotted path, such as 'package.module.name'"),
        ("", "ignore: '' is not a dotted path, such as 'package.module.name'"),
        (".x", "ignore: '.x' is not a dotted path, such as 'package.module.name'"),
        (
            "no_such.module.Error",
            "ignore: cannot import 'no_such.module.Error': "
            "ModuleNotFoundError: No module named 'no_such'",
        ),
        (
            "json.JSONDecodeEror",
            "ignore: module 'json' has no 'JSONDecodeEror' (did you mean 'JSONDecodeError'?)",
        ),
        (
            "json.jsondecodeerror",
            "ignore: module 'json' has no 'jsondecodeerror' (did you mean 'JSONDecodeError'?)",
        ),
        ("json.zzzz", "ignore: module 'json' has no 'zzzz'"),
        ("json.loads", f"ignore must be {EXCEPTIONS}; got 'json.loads'"),
    ],
)
def test_a_wrong_dotted_path_says_what_is_wrong_with_it(path: str, text: str) -> None:
    """Word for word."""
    assert error_of(ignore=path) == text


def test_the_nearest_name_is_found_among_many(many_names: ModuleType) -> None:
    """However long the module and whatever the case of its names."""
    assert error_of(ignore="module_of_many_names.HTTPEror") == (
        "ignore: module 'module_of_many_names' has no 'HTTPEror' (did you mean 'HTTPError'?)"
    )


@pytest.mark.parametrize("path", ["..x", "a..b.c", "json .loads"])
def test_a_malformed_path_is_a_configuration_error(path: str) -> None:
    """Never the import system's own exception."""
    with pytest.raises(ConfigurationError, match=r"^failure_if: cannot import "):
        import_dotted(path, option="failure_if")


def test_a_module_that_fails_while_it_is_imported_is_named(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its error."""
    (tmp_path / "breaks_at_import.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert error_of(failure_if="breaks_at_import.f") == (
        "failure_if: cannot import 'breaks_at_import.f': ZeroDivisionError: division by zero"
    )


def test_a_path_to_what_is_not_callable_is_refused() -> None:
    """With the path as it was written."""
    assert error_of(fallback="math.pi") == f"fallback must be {CALLABLE}; got 'math.pi'"


# -- names -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x", "payments", "a b", "zahlung-ü", "😀", "n" * 100])
def test_any_printable_name_is_a_name(name: str) -> None:
    """Of 1 to 100 characters."""
    assert check_name(name, place="X") == name


@pytest.mark.parametrize("name", ["", "n" * 101, "a\nb", "\x00", "a\x1b[31m", "\ud800", None, 3])
def test_a_name_that_cannot_be_shown_is_refused(name: Any) -> None:
    """Word for word."""
    with pytest.raises(ConfigurationError) as caught:
        check_name(name, place="X")
    assert str(caught.value) == (
        f"X: a breaker's name must be a text of 1 to 100 printable characters; got {name!r}"
    )


def test_nearest_says_when_there_is_nothing_to_be_near_to() -> None:
    """An empty BREAKERS."""
    assert nearest("x", []) == " (none are configured)"


def test_nearest_ignores_case_on_both_sides() -> None:
    """The name is given as it is written."""
    assert nearest("PAYMENTZ", ["Payments"]) == " (did you mean 'Payments'?)"


def test_the_first_unknown_name_is_reported() -> None:
    """One error at a time."""
    with pytest.raises(ConfigurationError, match="unknown thing 'b'"):
        refuse_unknown(["a", "b", "c"], ["a"], place="X", kind="thing")


def test_durations_are_seconds() -> None:
    """Of numbers and timedeltas alike."""
    assert (seconds(2), seconds(timedelta(minutes=1))) == (2.0, 60.0)


async def judge_later(result: object) -> bool:
    return False


def test_a_predicate_that_is_async_is_refused() -> None:
    """Its coroutine would be true, and every result a failure."""
    assert error_of(failure_if=judge_later) == (
        f"failure_if must not be async: a result is judged at once; got {judge_later!r}"
    )


class Unshowable:
    def __repr__(self) -> str:
        raise RuntimeError


def test_a_value_that_cannot_be_shown_is_named_by_its_class() -> None:
    assert shown(Unshowable()) == "a Unshowable that cannot be shown"
    assert error_of(open_timeout=Unshowable()).endswith("got a Unshowable that cannot be shown")


def test_a_long_value_is_clipped() -> None:
    assert shown("x" * 1000) == "'" + "x" * 199 + "…"
