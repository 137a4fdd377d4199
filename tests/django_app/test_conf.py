"""Settings: what is accepted, what wrong values say, when they are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from breaker_core import ConfigurationError
from django_breaker import breakers, conf
from django_breaker.registry import registry

if TYPE_CHECKING:
    from pytest_django.fixtures import SettingsWrapper

WRONG: list[tuple[dict[str, Any], str]] = [
    (
        {"BREAKERS": ["payments"]},
        "BREAKERS: must be a mapping of names to options, such as "
        "{'payments': {'failure_threshold': 3}}; got ['payments']",
    ),
    (
        {"BREAKERS": {"payments": {"failure_treshold": 3}}},
        "BREAKERS['payments']: unknown option 'failure_treshold' "
        "(did you mean 'failure_threshold'?)",
    ),
    (
        {"BREAKERS": {"payments": {"open_timeout": "10"}}},
        "BREAKERS['payments']: open_timeout must be 0 or more seconds, as a number or a "
        "timedelta; got '10'",
    ),
    (
        {"BREAKERS": {"payments": {"ignore": ["tests.django_app.views.UpstreamErrors"]}}},
        "BREAKERS['payments']: ignore: module 'tests.django_app.views' has no 'UpstreamErrors' "
        "(did you mean 'UpstreamError'?)",
    ),
    (
        {"BREAKERS": {"payments": {"failure_if": "nowhere.at_all"}}},
        "BREAKERS['payments']: failure_if: cannot import 'nowhere.at_all': "
        "ModuleNotFoundError: No module named 'nowhere'",
    ),
    (
        {"BREAKERS": {"": {}}},
        "BREAKERS: a breaker's name must be a text of 1 to 100 printable characters; got ''",
    ),
    (
        {"BREAKER_DEFAULTS": {"open_time": 3}},
        "BREAKER_DEFAULTS: unknown option 'open_time' (did you mean 'open_timeout'?)",
    ),
    (
        {"BREAKER_CACHE": 3},
        "BREAKER_CACHE: must be an alias of CACHES, such as 'default', or None; got 3",
    ),
    (
        {"BREAKER_CACHE": "defualt"},
        "BREAKER_CACHE: no cache 'defualt' in CACHES (did you mean 'default'?)",
    ),
    (
        {"BREAKER_CACHE": "x"},
        "BREAKER_CACHE: no cache 'x' in CACHES (known: default)",
    ),
    ({"BREAKER_TABLE": 3}, "BREAKER_TABLE: must be the name of a table, or None; got 3"),
    (
        {"BREAKER_KEY_PREFIX": b"x"},
        "BREAKER_KEY_PREFIX: must be a text, or None for the prefix of the cache; got b'x'",
    ),
    ({"BREAKER_ENABLED": "no"}, "BREAKER_ENABLED: must be True or False; got 'no'"),
    (
        {"BREAKER_ENVIRONMENT": None},
        "BREAKER_ENVIRONMENT: must be a text, such as 'production'; got None",
    ),
]


@pytest.mark.parametrize(("wrong", "text"), WRONG)
def test_a_wrong_setting_is_named_with_its_value_and_what_is_allowed(
    wrong: dict[str, Any], text: str
) -> None:
    with override_settings(**wrong), pytest.raises(ImproperlyConfigured) as caught:
        registry()
    assert str(caught.value) == text


def test_improperly_configured_is_chained_from_the_configuration_error() -> None:
    with override_settings(BREAKER_ENABLED=1), pytest.raises(ImproperlyConfigured) as caught:
        registry()
    assert isinstance(caught.value.__cause__, ConfigurationError)
    assert str(caught.value.__cause__) == str(caught.value)


def test_nothing_is_configured_while_one_breaker_is_wrong() -> None:
    with override_settings(BREAKERS={"payments": {}, "search": {"shadow": 1}}):
        with pytest.raises(ImproperlyConfigured):
            breakers["payments"]
        with pytest.raises(ImproperlyConfigured):
            len(breakers)
    assert len(breakers) == 3


def test_every_problem_is_found_not_only_the_first() -> None:
    wrong = {"a": {"shadow": 1}, "b": {}, "c": {"owner": 2}}
    with override_settings(BREAKERS=wrong, BREAKER_ENABLED=1, BREAKER_DEFAULTS=3):
        found = [(each.setting, each.kind) for each in conf.problems()]
    assert found == [
        ("BREAKER_ENABLED", "type"),
        ("BREAKER_DEFAULTS", "option"),
        ("BREAKERS", "option"),
        ("BREAKERS", "option"),
    ]


def test_settings_that_are_not_written_have_defaults(settings: SettingsWrapper) -> None:
    del settings.BREAKERS
    del settings.BREAKER_CACHE
    assert conf.load() == conf.BreakerSettings(
        breakers={},
        defaults={},
        cache="default",
        table=None,
        key_prefix=None,
        enabled=True,
        environment="",
    )


def test_the_settings_are_read_once_until_one_changes(settings: SettingsWrapper) -> None:
    first = conf.load()
    settings.LANGUAGE_CODE = "de"
    assert conf.load() is first
    settings.BREAKER_ENVIRONMENT = "staging"
    assert conf.load().environment == "staging"


def test_the_environment_is_empty_when_it_is_no_text(settings: SettingsWrapper) -> None:
    settings.BREAKER_ENVIRONMENT = 3
    assert conf.environment() == ""


def test_settings_that_only_look_like_ours_are_found_with_the_nearest_name(
    settings: SettingsWrapper,
) -> None:
    settings.BREAKER_CACHES = "default"
    settings.BREAKER_DEFAULT = {}
    assert list(conf.unknown()) == [
        ("BREAKER_CACHES", " (did you mean 'BREAKER_CACHE'?)"),
        ("BREAKER_DEFAULT", " (did you mean 'BREAKER_DEFAULTS'?)"),
    ]
