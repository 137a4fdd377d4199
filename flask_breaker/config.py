"""What ``app.config`` says about breakers: the only module that reads it.

It checks every value and leaves the options of the breakers to the core, whose errors name the
same place as in Django. It opens nothing: what ``BREAKER_CACHE`` means is ``caches``' business.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from breaker_core import ConfigurationError, nearest, read_configs

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = logging.getLogger("breaker")

KEYS = (
    "BREAKERS",
    "BREAKER_CACHE",
    "BREAKER_DEFAULTS",
    "BREAKER_ENABLED",
    "BREAKER_ENVIRONMENT",
    "BREAKER_KEY_PREFIX",
    "BREAKER_TABLE",
)
DEFAULT_TABLE = "breaker_cache"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one application, as ``init_app`` found them; later changes are not seen."""

    breakers: Mapping[str, Mapping[str, Any]]
    """Names and their options, checked."""
    defaults: Mapping[str, Any]
    """Options for all breakers."""
    cache: Any
    """A Flask-Caching or cachelib object, a redis client, an SQLAlchemy engine or object, or a
    URL. None: every process has breakers of its own."""
    table: str
    """The table's name where the cache is a database."""
    key_prefix: str | None
    """None: the cache's own prefix."""
    enabled: bool
    """False: every call passes."""
    environment: str
    """Shown to operators, nothing else."""


def read(config: Mapping[str, Any]) -> Settings:
    """Return the breaker settings in *config*; raise ConfigurationError for the first wrong one.

    A key that looks like a breaker setting and is none is logged as a warning.
    """
    breakers = config.get("BREAKERS", {})
    defaults = config.get("BREAKER_DEFAULTS")
    read_configs(breakers, defaults)
    settings = Settings(
        breakers={name: dict(options) for name, options in breakers.items()},
        defaults=dict(defaults or {}),
        cache=config.get("BREAKER_CACHE"),
        table=_text(config, "BREAKER_TABLE", "the name of a table, or None") or DEFAULT_TABLE,
        key_prefix=_text(
            config, "BREAKER_KEY_PREFIX", "a text, or None for the prefix of the cache"
        ),
        enabled=_flag(config, "BREAKER_ENABLED", default=True),
        environment=_text(config, "BREAKER_ENVIRONMENT", "a text, such as 'production'") or "",
    )
    _warn_of_unknown(config)
    return settings


def _text(config: Mapping[str, Any], key: str, allowed: str) -> str | None:
    value = config.get(key)
    if value is not None and not isinstance(value, str):
        raise _wrong(key, allowed, value)
    return value


def _flag(config: Mapping[str, Any], key: str, *, default: bool) -> bool:
    value = config.get(key, default)
    if not isinstance(value, bool):
        raise _wrong(key, "True or False", value)
    return value


def _wrong(key: str, allowed: str, value: Any) -> ConfigurationError:
    return ConfigurationError(f"{key}: must be {allowed}; got {value!r}")


def _warn_of_unknown(config: Mapping[str, Any]) -> None:
    for key in config:
        if key not in KEYS and (key == "BREAKER" or key.startswith(("BREAKER_", "BREAKERS_"))):
            logger.warning(
                "app.config[%r] is not a setting of the breakers and changes nothing%s",
                key,
                nearest(key, KEYS),
            )
