"""The keys of ``app.config``, and what is said about wrong ones."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from breaker_core import ConfigurationError
from flask_breaker import Breakers
from flask_breaker.config import read
from tests.flask_ext.factories import make_app

WRONG: list[tuple[dict[str, Any], str]] = [
    (
        {"BREAKERS": {"payments": {"failure_treshold": 3}}},
        "BREAKERS['payments']: unknown option 'failure_treshold' "
        "(did you mean 'failure_threshold'?)",
    ),
    (
        {"BREAKERS": {"payments": {"failure_threshold": "3"}}},
        "BREAKERS['payments']: failure_threshold must be a whole number of at least 1, or None; "
        "got '3'",
    ),
    (
        {"BREAKERS": {"payments": {"ignore": ["shop.no_such.Error"]}}},
        "BREAKERS['payments']: ignore: cannot import 'shop.no_such.Error': "
        "ModuleNotFoundError: No module named 'shop'",
    ),
    (
        {"BREAKERS": {"payments": 3}},
        "BREAKERS['payments']: must be a mapping of options, such as {'failure_threshold': 3}; "
        "got 3",
    ),
    (
        {"BREAKERS": ["payments"]},
        "BREAKERS: must be a mapping of names to options, such as "
        "{'payments': {'failure_threshold': 3}}; got ['payments']",
    ),
    (
        {"BREAKERS": {"": {}}},
        "BREAKERS: a breaker's name must be a text of 1 to 100 printable characters; got ''",
    ),
    (
        {"BREAKER_DEFAULTS": {"open_timout": 3}},
        "BREAKER_DEFAULTS: unknown option 'open_timout' (did you mean 'open_timeout'?)",
    ),
    (
        {"BREAKER_DEFAULTS": {"open_timeout": -1}},
        "BREAKER_DEFAULTS: open_timeout must be 0 or more seconds, as a number or a timedelta; "
        "got -1",
    ),
    ({"BREAKER_ENABLED": "no"}, "BREAKER_ENABLED: must be True or False; got 'no'"),
    ({"BREAKER_ENABLED": None}, "BREAKER_ENABLED: must be True or False; got None"),
    (
        {"BREAKER_KEY_PREFIX": 3},
        "BREAKER_KEY_PREFIX: must be a text, or None for the prefix of the cache; got 3",
    ),
    (
        {"BREAKER_TABLE": ["t"]},
        "BREAKER_TABLE: must be the name of a table, or None; got ['t']",
    ),
    (
        {"BREAKER_ENVIRONMENT": 1},
        "BREAKER_ENVIRONMENT: must be a text, such as 'production'; got 1",
    ),
]


@pytest.mark.parametrize(("config", "text"), WRONG, ids=lambda value: str(value)[:40])
def test_a_wrong_setting_is_said_word_for_word(config: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Breakers(make_app(**config))
    assert str(raised.value) == text


@pytest.mark.parametrize(("config", "text"), WRONG, ids=lambda value: str(value)[:40])
def test_a_wrong_setting_leaves_the_application_as_it_was(
    config: dict[str, Any], text: str
) -> None:
    app, breakers = make_app(**config), Breakers()
    with pytest.raises(ConfigurationError):
        breakers.init_app(app)
    assert "breaker" not in app.extensions
    assert "breakers" not in app.cli.commands
    assert not app.error_handler_spec[None][None]
    with pytest.raises(RuntimeError, match="have no application yet"):
        list(breakers)


def test_a_corrected_application_can_be_given_again() -> None:
    app, breakers = make_app(BREAKER_ENABLED="no"), Breakers()
    with pytest.raises(ConfigurationError):
        breakers.init_app(app)
    app.config["BREAKER_ENABLED"] = True
    breakers.init_app(app)
    assert list(breakers) == ["payments"]


def test_defaults_count_for_all_and_own_options_beat_them() -> None:
    app = make_app(
        BREAKERS={"a": {}, "b": {"open_timeout": 5}},
        BREAKER_DEFAULTS={"open_timeout": timedelta(minutes=1)},
    )
    breakers = Breakers(app)
    assert breakers["a"].config.open_timeout == 60
    assert breakers["b"].config.open_timeout == 5


def test_without_any_setting_there_are_no_breakers() -> None:
    assert list(Breakers(Flask("bare"))) == []


def test_config_changed_after_init_app_is_not_seen() -> None:
    options = {"open_timeout": 5}
    app = make_app(BREAKERS={"payments": options})
    breakers = Breakers(app)
    options["open_timeout"] = 7
    app.config["BREAKERS"] = {}
    assert breakers["payments"].config.open_timeout == 5


def test_the_config_itself_is_not_written_to() -> None:
    app = make_app()
    before = dict(app.config)
    Breakers(app)
    assert dict(app.config) == before


def test_switched_off_every_call_passes() -> None:
    breakers = Breakers(make_app(BREAKER_ENABLED=False))
    for _ in range(5):
        with pytest.raises(ZeroDivisionError):
            breakers["payments"].call(lambda: 1 / 0)


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("BREAKER_CASH", " (did you mean 'BREAKER_CACHE'?)"),
        ("BREAKERS_DEFAULTS", " (did you mean 'BREAKER_DEFAULTS'?)"),
        ("BREAKER", " (did you mean 'BREAKERS'?)"),
    ],
)
def test_a_key_that_only_looks_like_a_setting_is_warned_of(
    caplog: pytest.LogCaptureFixture, key: str, hint: str
) -> None:
    read({key: 1})
    text = f"app.config[{key!r}] is not a setting of the breakers and changes nothing{hint}"
    assert [(each.levelno, each.getMessage()) for each in caplog.records] == [
        (logging.WARNING, text)
    ]


def test_keys_of_others_are_not_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    read({"BREAKERBOX_URL": 1, "CIRCUIT_BREAKER_X": 2, "CACHE_TYPE": "x"})
    assert not caplog.records


def test_settings_come_from_prefixed_environment_variables(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SHOP_BREAKERS__payments__failure_threshold", "3")
    monkeypatch.setenv("SHOP_BREAKERS__search", '{"open_timeout": 5, "ignore": ["ValueError"]}')
    monkeypatch.setenv("SHOP_BREAKERS__search__ignore", '["builtins.ValueError"]')
    monkeypatch.setenv("SHOP_BREAKER_ENABLED", "false")
    monkeypatch.setenv("SHOP_BREAKER_CACHE", "null")
    monkeypatch.setenv("SHOP_BREAKER_ENVIRONMENT", "production")
    app = Flask("shop")
    app.config.from_prefixed_env("SHOP")
    breakers = Breakers(app)
    assert breakers["payments"].config.failure_threshold == 3
    assert breakers["search"].config.ignore == (ValueError,)
    assert not breakers.registry.enabled
    assert app.extensions["breaker"].settings.environment == "production"


def test_python_s_false_in_the_environment_is_refused_and_not_taken_for_true(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SHOP_BREAKER_ENABLED", "False")
    app = Flask("shop")
    app.config.from_prefixed_env("SHOP")
    with pytest.raises(ConfigurationError, match="BREAKER_ENABLED: must be True or False"):
        Breakers(app)
