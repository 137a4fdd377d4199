"""Django's settings for breakers: the only module that reads them.

``load()`` returns them checked, or raises ConfigurationError for the first thing that is wrong;
``problems()`` lists everything that is wrong, for the system checks, by the same validators. What
the options of a breaker mean is the core's business; which cache can share state is ``checks`` and
the store's. The result is kept until a setting changes, so that ``override_settings`` works.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed

from breaker_core import ConfigurationError, nearest, read_configs


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerSettings:
    """What the project's settings say, checked."""

    breakers: Mapping[str, Mapping[str, Any]]
    defaults: Mapping[str, Any]
    cache: str | None
    """Alias of the cache that shares the state. None: each process keeps its own."""
    table: str | None
    """Accepted so that Django and Flask can have the same settings; Django uses the LOCATION."""
    key_prefix: str | None
    """What all keys begin with. None: the cache's own prefix."""
    enabled: bool
    environment: str


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with the settings."""

    setting: str
    kind: str
    """type, option or alias."""
    text: str


def _flag(value: object) -> bool:
    return isinstance(value, bool)


def _text(value: object) -> bool:
    return isinstance(value, str)


def _text_or_none(value: object) -> bool:
    return value is None or isinstance(value, str)


DEFAULTS: Mapping[str, Any] = {
    "BREAKERS": {},
    "BREAKER_DEFAULTS": {},
    "BREAKER_CACHE": "default",
    "BREAKER_TABLE": None,
    "BREAKER_KEY_PREFIX": None,
    "BREAKER_ENABLED": True,
    "BREAKER_ENVIRONMENT": "",
}
"""Every setting there is, with what counts when it is not written."""

_PLAIN: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "BREAKER_CACHE": (_text_or_none, "an alias of CACHES, such as 'default', or None"),
    "BREAKER_TABLE": (_text_or_none, "the name of a table, or None"),
    "BREAKER_KEY_PREFIX": (_text_or_none, "a text, or None for the prefix of the cache"),
    "BREAKER_ENABLED": (_flag, "True or False"),
    "BREAKER_ENVIRONMENT": (_text, "a text, such as 'production'"),
}

_loaded: BreakerSettings | None = None
_when_changed: list[Callable[[], None]] = []


def load() -> BreakerSettings:
    """Return the settings; raise ConfigurationError when any of them is wrong."""
    global _loaded  # noqa: PLW0603 - it is the cache
    if _loaded is None:
        for problem in problems():
            raise ConfigurationError(problem.text)
        _loaded = BreakerSettings(
            breakers=_get("BREAKERS"),
            defaults=_get("BREAKER_DEFAULTS"),
            cache=_get("BREAKER_CACHE"),
            table=_get("BREAKER_TABLE"),
            key_prefix=_get("BREAKER_KEY_PREFIX"),
            enabled=_get("BREAKER_ENABLED"),
            environment=_get("BREAKER_ENVIRONMENT"),
        )
    return _loaded


def environment() -> str:
    """Return the name of the environment for pages that must render whatever is wrong."""
    value = _get("BREAKER_ENVIRONMENT")
    return value if isinstance(value, str) else ""


def problems() -> Iterator[Problem]:
    """Find everything that is wrong with the settings, without asking a cache or a database."""
    for name, (accepts, allowed) in _PLAIN.items():
        if not accepts(_get(name)):
            yield Problem(name, "type", f"{name}: must be {allowed}; got {_get(name)!r}")
    yield from _alias_problems(_get("BREAKER_CACHE"))
    yield from _option_problems(_get("BREAKERS"), _get("BREAKER_DEFAULTS"))


def _alias_problems(alias: object) -> Iterator[Problem]:
    if isinstance(alias, str) and alias not in settings.CACHES:
        hint = nearest(alias, settings.CACHES)
        yield Problem(
            "BREAKER_CACHE", "alias", f"BREAKER_CACHE: no cache {alias!r} in CACHES{hint}"
        )


def _option_problems(breakers: Any, defaults: Any) -> Iterator[Problem]:
    wrong = _complaint({}, defaults)
    if wrong:
        yield Problem("BREAKER_DEFAULTS", "option", wrong)
        defaults = {}
    if not isinstance(breakers, Mapping):
        yield Problem("BREAKERS", "type", _complaint(breakers, None))
        return
    for name, options in breakers.items():
        wrong = _complaint({name: options}, defaults)
        if wrong:
            yield Problem("BREAKERS", "option", wrong)


def _complaint(breakers: Any, defaults: Any) -> str:
    try:
        read_configs(breakers, defaults)
    except ConfigurationError as error:
        return str(error)
    return ""


def unknown() -> Iterator[tuple[str, str]]:
    """Return the settings that look like ours and are not, each with a hint at the right name."""
    for name in sorted(dir(settings)):
        if name.startswith("BREAKER") and name.isupper() and name not in DEFAULTS:
            yield name, nearest(name, DEFAULTS)


def when_changed(callback: Callable[[], None]) -> None:
    """Call *callback* whenever a setting changes that breakers depend on."""
    _when_changed.append(callback)


def _get(name: str) -> Any:
    return getattr(settings, name, DEFAULTS[name])


def _on_setting_changed(*, setting: str, **kwargs: Any) -> None:
    global _loaded  # noqa: PLW0603 - it is the cache
    if setting.startswith("BREAKER") or setting in {"CACHES", "DATABASES"}:
        _loaded = None
        for callback in _when_changed:
            callback()


setting_changed.connect(_on_setting_changed, dispatch_uid="django_breaker.conf")
