"""A connection to Redis or Valkey that keeps to one deadline for a whole operation.

The clients' own time-out begins anew with each piece that arrives, and they look a host's name up
for as long as the system likes. Here one deadline bounds all the sending and reading of an
operation, and a name is asked for in a thread first, once per connection, never per operation.

An operation takes ``BUDGET`` seconds at most on an open connection. One that opens its connection
may take four times that: the name, the connection, the handshake of TLS, and the answer with the
log-in before it. Not bounded are a host with several addresses none of which answers (each is
tried for ``BUDGET`` seconds), and a name server that falls silent between the two look-ups of one
connection: ours and the client's.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from contextlib import suppress
from typing import Any

from breaker_core.stores.base import BUDGET


class _Operation(threading.local):
    until = 0.0


_operation = _Operation()
_looking: dict[str, threading.Thread] = {}
"""Look-ups of names under way: one that hangs is waited for again, not doubled."""


def begin() -> None:
    """Give the operation of this thread its time, counted from now."""
    _operation.until = time.monotonic() + BUDGET


def bounded(connection_class: type) -> type:
    """Return *connection_class* of the client, kept to the deadline."""
    return type(f"Bounded{connection_class.__name__}", (_Bounded, connection_class), {})


class _Bounded:
    def _connect(self) -> Any:
        host = getattr(self, "host", "")
        if host and not getattr(self, "path", ""):
            _look_up(host)
        sock = super()._connect()  # type: ignore[misc]
        begin()
        return _Socket(sock)


class _Socket:
    """The client's socket; a time-out that the client sets counts if it is the shorter one."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self._timeout = sock.gettimeout()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def settimeout(self, timeout: float | None) -> None:
        self._timeout = timeout
        self._sock.settimeout(timeout)

    def recv(self, *args: Any) -> Any:
        return self._in_time().recv(*args)

    def recv_into(self, *args: Any) -> Any:
        return self._in_time().recv_into(*args)

    def sendall(self, *args: Any) -> Any:
        return self._in_time().sendall(*args)

    def _in_time(self) -> Any:
        if self._timeout != 0:  # 0 asks what is there already, and does not wait
            left = _left()
            self._sock.settimeout(left if self._timeout is None else min(left, self._timeout))
        return self._sock


def _left() -> float:
    left = _operation.until - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


def _look_up(host: str) -> None:
    """Raise TimeoutError when the address of *host* is not known in time; know none of others."""
    with suppress(ValueError):
        ipaddress.ip_address(host)
        return
    thread = _looking.get(host)
    if thread is None or not thread.is_alive():
        thread = threading.Thread(target=_ask, args=[host], name="breaker-name", daemon=True)
        _looking[host] = thread
        thread.start()
    thread.join(_left())
    if thread.is_alive():
        raise TimeoutError(f"the address of {host} is not known in time")


def _ask(host: str) -> None:
    with suppress(OSError, UnicodeError):  # the client will say it better
        socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
