"""The system checks: id, text, hint and place of each, and that none of them asks anything."""

from __future__ import annotations

import gc
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from django.core import checks as django_checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connections

from django_breaker import breaker, checks, protect_view
from tests.django_app.test_conf import WRONG

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django.fixtures import SettingsWrapper

REDIS = {
    "BACKEND": "django.core.cache.backends.redis.RedisCache",
    "LOCATION": "redis://127.0.0.1:1/0",
}
DATABASE = {
    "BACKEND": "django.core.cache.backends.db.DatabaseCache",
    "LOCATION": "cache_table",
    "OPTIONS": {"MAX_ENTRIES": 10_000},
}
DUMMY = {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}


@pytest.fixture(autouse=True)
def _only_decorators_that_live() -> None:
    """Decorators of other tests are forgotten with their functions."""
    gc.collect()


def ours(*, deploy: bool = False) -> list[django_checks.CheckMessage]:
    """Return what our checks say."""
    found = django_checks.run_checks(include_deployment_checks=deploy)
    return [each for each in found if each.id and each.id.startswith("django_breaker.")]


def ids(*, deploy: bool = False) -> list[str]:
    """Return the ids of what our checks say, without the name of the app."""
    return [str(each.id).removeprefix("django_breaker.") for each in ours(deploy=deploy)]


@pytest.mark.parametrize(("wrong", "text"), WRONG)
def test_a_wrong_setting_is_an_error_with_the_text_of_the_exception(
    wrong: dict[str, Any], text: str, settings: SettingsWrapper
) -> None:
    for name, value in wrong.items():
        setattr(settings, name, value)
    (found,) = ours()
    assert isinstance(found, django_checks.Error)
    assert found.msg == text
    assert found.hint
    assert found.obj == f"settings.{next(iter(wrong))}"
    assert found.id in {f"django_breaker.E00{number}" for number in (1, 2, 3)}


@pytest.mark.parametrize(
    ("name", "value", "id_"),
    [
        ("BREAKER_ENABLED", 1, "E001"),
        ("BREAKERS", {"a": {"x": 1}}, "E002"),
        ("BREAKER_CACHE", "x", "E003"),
    ],
)
def test_the_ids_of_wrong_settings_are_stable(
    name: str, value: Any, id_: str, settings: SettingsWrapper
) -> None:
    setattr(settings, name, value)
    assert ids() == [id_]


def test_a_misspelt_setting_is_a_warning(settings: SettingsWrapper) -> None:
    settings.CACHES = {"default": REDIS}
    settings.BREAKER_CACHES = "default"
    (found,) = ours()
    assert isinstance(found, django_checks.Warning)
    assert found.id == "django_breaker.W001"
    assert found.msg == ("BREAKER_CACHES: there is no such setting (did you mean 'BREAKER_CACHE'?)")
    assert found.obj == "settings.BREAKER_CACHES"


@pytest.mark.parametrize("cache", [REDIS, DATABASE])
def test_a_shared_cache_is_fine(cache: dict[str, Any], settings: SettingsWrapper) -> None:
    settings.CACHES = {"default": cache}
    assert ids(deploy=True) == []


@pytest.mark.parametrize("alias", ["default", "dummy", None])
def test_a_state_that_is_not_shared_is_a_warning_and_an_error_under_deploy(
    alias: str | None, settings: SettingsWrapper
) -> None:
    settings.CACHES = {**settings.CACHES, "dummy": DUMMY}
    settings.BREAKER_CACHE = alias
    assert ids() == ["W002"]
    assert ids(deploy=True) == ["W002", "E007"]


def test_the_warning_says_what_follows(settings: SettingsWrapper) -> None:
    (found,) = ours()
    assert found.msg == (
        "BREAKER_CACHE='default' (LocMemCache): each process keeps the state of its breakers for "
        "itself, so every worker opens on its own and a reset reaches one of them"
    )
    assert found.hint == (
        "Set BREAKER_CACHE to a cache that all workers share: RedisCache, or DatabaseCache, which "
        "needs no server."
    )
    assert found.obj == "settings.BREAKER_CACHE"


def test_a_site_without_breakers_is_left_alone(settings: SettingsWrapper) -> None:
    settings.BREAKERS = {}
    assert checks.check_cache() == []
    assert checks.check_deployment() == []


def test_a_cache_without_compare_and_set_is_an_error(
    settings: SettingsWrapper, tmp_path: Path
) -> None:
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
            "LOCATION": str(tmp_path),
        }
    }
    (found,) = ours()
    assert found.id == "django_breaker.E004"
    assert found.msg.startswith("BREAKER_CACHE='default': FileBasedCache cannot share breakers: ")
    assert found.obj == "settings.BREAKER_CACHE"


def test_a_cache_that_cannot_be_imported_is_an_error(settings: SettingsWrapper) -> None:
    """Only our own check is asked: one of Django's raises in this case."""
    settings.CACHES = {"default": {"BACKEND": "nowhere.Cache"}}
    (found,) = checks.check_cache()
    assert found.id == "django_breaker.E004"
    assert found.msg.startswith("BREAKER_CACHE='default': Could not find backend 'nowhere.Cache'")


@pytest.fixture
def _atomic_database(settings: SettingsWrapper, monkeypatch: pytest.MonkeyPatch) -> None:
    """A SQLite database for caches, with a transaction around each request."""
    monkeypatch.setitem(connections["default"].settings_dict, "ATOMIC_REQUESTS", True)
    settings.CACHES = {"default": DATABASE}


@pytest.mark.usefixtures("_atomic_database")
def test_a_table_on_sqlite_beside_atomic_requests_is_an_error() -> None:
    (found,) = ours()
    assert isinstance(found, django_checks.Error)
    assert found.id == "django_breaker.E005"
    assert found.msg == (
        "BREAKER_CACHE='default': the table 'cache_table' is on SQLite in a database with "
        "ATOMIC_REQUESTS, so each request locks the changes of breakers out"
    )
    assert found.obj == "settings.CACHES"


@pytest.mark.usefixtures("_atomic_database")
def test_a_table_on_a_server_beside_atomic_requests_is_fine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections["default"], "vendor", "postgresql")
    assert ids() == []


@pytest.mark.parametrize(("entries", "found"), [(300, ["W003"]), (1000, ["W003"]), (1001, [])])
def test_a_small_cache_table_is_a_warning(
    entries: int, found: list[str], settings: SettingsWrapper
) -> None:
    settings.CACHES = {"default": {**DATABASE, "OPTIONS": {"MAX_ENTRIES": entries}}}
    assert ids() == found


@pytest.mark.parametrize(("table", "found"), [("other", ["W004"]), ("cache_table", []), (None, [])])
def test_another_table_than_that_of_the_cache_is_a_warning(
    table: str | None, found: list[str], settings: SettingsWrapper
) -> None:
    settings.CACHES = {"default": DATABASE}
    settings.BREAKER_TABLE = table
    assert ids() == found


def test_a_decorator_with_an_unknown_name_is_an_error(settings: SettingsWrapper) -> None:
    settings.CACHES = {"default": REDIS}

    @breaker("paymnets")
    def charge() -> None: ...

    (found,) = ours()
    assert isinstance(found, django_checks.Error)
    assert found.id == "django_breaker.E006"
    assert found.msg == (
        f"{__name__}.{charge.__qualname__}: no breaker 'paymnets' is configured in BREAKERS "
        "(did you mean 'payments'?)"
    )
    assert found.obj == "settings.BREAKERS"
    assert found.hint


def test_a_protected_view_with_an_unknown_name_is_an_error(settings: SettingsWrapper) -> None:
    settings.CACHES = {"default": REDIS}

    @protect_view("sarch")
    def page(request: Any) -> None: ...

    (found,) = ours()
    assert found.msg == (
        f"{__name__}.{page.__qualname__}: no breaker 'sarch' is configured in BREAKERS "
        "(did you mean 'search'?)"
    )


def test_a_decorator_with_a_wrong_option_is_an_error(settings: SettingsWrapper) -> None:
    settings.CACHES = {"default": REDIS}

    @breaker("payments", falback=print)
    def charge() -> None: ...

    (found,) = ours()
    assert found.id == "django_breaker.E006"
    assert found.msg == (
        f"{__name__}.{charge.__qualname__}: breaker('payments', …): unknown option for one use "
        "'falback' (did you mean 'fallback'?)"
    )


def test_the_check_command_fails_for_an_error(settings: SettingsWrapper) -> None:
    settings.BREAKER_ENABLED = "yes"
    with pytest.raises(SystemCheckError, match=r"django_breaker\.E001"):
        call_command("check", stderr=StringIO())


def test_registering_twice_says_nothing_twice() -> None:
    checks.register()
    assert ids() == ["W002"]


def test_every_id_stands_in_the_table_of_the_docstring() -> None:
    assert checks.__doc__ is not None
    numbers = [f"E00{n}" for n in range(1, 8)] + [f"W00{n}" for n in range(1, 5)]
    assert all(f"django_breaker.{number}" in checks.__doc__ for number in numbers)
