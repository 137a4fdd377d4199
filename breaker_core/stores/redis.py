"""Texts on Redis or Valkey: one script is the compare-and-set, one MGET is the refresh.

From a client that the site already has only the connection settings are taken; the client that
talks is our own, because a borrowed one may wait for minutes on a server that does not answer. The
settings of the ``redis`` and ``valkey`` packages are the same, so this module serves both.
"""

from __future__ import annotations

import re
import threading
from importlib import import_module
from typing import TYPE_CHECKING, Any

from breaker_core.errors import ConfigurationError
from breaker_core.stores.base import (
    BUDGET,
    ESCAPES,
    NOT_SHOWN,
    SeenText,
    SharedStore,
    Stored,
    StoreError,
)
from breaker_core.stores.deadline import begin, bounded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

REPLACE = """
local value = false
if redis.call('TYPE', KEYS[1]).ok == 'string' then value = redis.call('GET', KEYS[1]) end
if value ~= (ARGV[3] or false) then return 0 end
if ARGV[2] == '' then redis.call('SET', KEYS[1], ARGV[1])
else redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2]) end
return 1
"""
"""The new text, the seconds to keep it or '', and what was seen, left out for a missing key.

A key of another type counts as missing, as MGET reports it: ``SET NX`` could never replace it.
``redis.call`` and not ``server.call``: Valkey knows both, Redis only this one.
"""


class RedisTexts(SharedStore):
    """Texts under whole keys; *connect* makes a client with our time-outs, and does no I/O."""

    def __init__(self, connect: Callable[[], Any], described: str) -> None:
        self._connect = connect
        self._described = described
        self._lock = threading.RLock()  # a signal handler may call in
        self._client: Any = None
        self._digest = ""

    def load(self, keys: Iterable[str]) -> Mapping[str, SeenText]:
        wanted = list(keys)
        if not wanted:
            return {}
        try:
            values = self._ours().mget(wanted)
        except Exception as error:
            raise StoreError(f"{type(error).__name__}: {error}") from error
        return {key: _seen(value) for key, value in zip(wanted, values, strict=True)}

    def replace(self, key: str, seen: SeenText, text: str, *, seconds: int | None) -> Stored:
        keep = "" if seconds is None else str(seconds)
        proof = [] if seen.text is None else [seen.token]
        try:
            done = self._run_script(key, text, keep, *proof)
        except Exception:
            return Stored.UNCLEAR
        return Stored.STORED if done else Stored.LOST

    def publish(self, key: str, text: str, *, seconds: int) -> None:
        try:
            self._ours().set(key, text, ex=seconds)
        except Exception as error:
            raise StoreError(f"{type(error).__name__}: {error}") from error

    def after_storing(self, text: str) -> SeenText:
        return SeenText(text, text.encode())

    def describe(self) -> str:
        return self._described

    def close(self) -> None:
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _run_script(self, key: str, *values: object) -> Any:
        """Run the script by its digest; a server that forgot it costs one more round trip."""
        client = self._ours()
        if not self._digest:
            self._digest = client.register_script(REPLACE).sha
        try:
            return client.evalsha(self._digest, 1, key, *values)
        except Exception as error:
            if type(error).__name__ != "NoScriptError":
                raise
            return client.eval(REPLACE, 1, key, *values)

    def _ours(self) -> Any:
        """Return our client, with the time for an operation running from now."""
        begin()
        client = self._client
        if client is None:
            with self._lock:
                client = self._client = self._client or self._connect()
        return client

    def after_fork(self) -> None:
        """Open connections of our own: the parent's sockets, and its lock, are not ours."""
        self._lock = threading.RLock()
        self._client = None


def _seen(value: Any) -> SeenText:
    if value is None:
        return SeenText(None)
    raw = bytes(value)
    return SeenText(raw.decode("utf-8", "replace"), raw)


def from_url(url: str) -> RedisTexts:
    """Return the texts on the server that *url* names; raise ConfigurationError."""
    scheme, _, rest = url.partition("://")
    scheme = scheme.lower()
    package = "valkey" if scheme.startswith("valkey") else "redis"
    module = _package(package, scheme)
    make = module.Valkey if package == "valkey" else module.Redis
    try:
        if _is_cut_wrongly(scheme, rest):
            raise ValueError
        model = make.from_url(f"{scheme}://{rest}")
    except ValueError:
        example = EXAMPLE_OF_SOCKET if scheme == "unix" else EXAMPLE
        raise ConfigurationError(
            f"the {scheme}:// URL cannot be used ({NOT_SHOWN}). It is written like "
            f"{example!r}; in a password {ESCAPES}"
        ) from None
    return like(model)


EXAMPLE = "redis://user:password@host:6379/0"
EXAMPLE_OF_SOCKET = "unix://user:password@/path/to.sock?db=0"


def _is_cut_wrongly(scheme: str, rest: str) -> bool:
    """Whether a '@' stands where no host can follow: then a part of a password passes for one."""
    host = re.split("[/?#]", rest, maxsplit=1)[0]
    return "@" in rest[len(host) :] and (scheme != "unix" or host != "")


def like(model: Any) -> RedisTexts:
    """Return the texts on the server that client *model* is set up for."""
    pool = model.connection_pool
    package = type(model).__module__.partition(".")[0]
    plain_pool = _plain_pool_class(pool)
    if plain_pool is None:
        raise ConfigurationError(
            f"{type(model).__name__} with a {type(pool).__name__} is not supported yet: give "
            "breakers a client or URL that names the primary server"
        )
    settings = {**_taken(pool.connection_kwargs), **_our_settings(package)}

    def connect() -> Any:
        own = plain_pool(connection_class=bounded(pool.connection_class), **settings)
        return type(model)(connection_pool=own)

    return RedisTexts(connect, _described(package, settings))


TAKEN = frozenset(
    {
        *("host", "port", "path", "db", "username", "password", "credential_provider"),
        *("client_name", "protocol", "redis_connect_func", "socket_type"),
        *("socket_keepalive", "socket_keepalive_options"),
    }
)
"""Settings that say which server and who we are. Others belong to the pool they come from."""


def _taken(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value for name, value in settings.items() if name in TAKEN or name.startswith("ssl_")
    }


def _our_settings(package: str) -> dict[str, Any]:
    """Return how long to wait, at most: once for the connection, once for the answer."""
    retry = import_module(f"{package}.retry").Retry
    never = import_module(f"{package}.backoff").NoBackoff
    return {
        "socket_connect_timeout": BUDGET,
        "socket_timeout": BUDGET,
        "retry": retry(never(), 0),
        "retry_on_error": [],
        "retry_on_timeout": False,
        "decode_responses": False,
        "health_check_interval": 0,
    }


def _plain_pool_class(pool: Any) -> Any:
    """Return the class of an ordinary pool; None for pools that choose among several servers."""
    for kind in type(pool).__mro__:
        if kind.__name__ in {"ConnectionPool", "BlockingConnectionPool"}:
            named = import_module(kind.__module__)
            return named.ConnectionPool
        if "Sentinel" in kind.__name__:
            return None
    return None


def _package(name: str, scheme: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        install = "'django-flask-breaker[redis]'" if name == "redis" else name
        raise ConfigurationError(
            f"a {scheme}:// URL needs the {name!r} package: pip install {install}"
        ) from None


def _described(package: str, settings: Mapping[str, Any]) -> str:
    server = "Valkey" if package == "valkey" else "Redis"
    database = f", database {settings['db']}" if settings.get("db") else ""
    if settings.get("path"):
        return f"{server} at {settings['path']}{database}"
    host, port = settings.get("host", "localhost"), settings.get("port", 6379)
    return f"{server} at {host}:{port}{database}"
