"""What a dependency's answer asks for in its ``Retry-After`` header, for ``retry_after_from``.

It knows the shapes of the answers and errors of requests, httpx and urllib without importing any
of them. How long a breaker then stays open is for ``decide`` to say.
"""

from __future__ import annotations

import math
import time
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def from_response(value: Any, *, now: Callable[[], float] = time.time) -> float | None:
    """Return the seconds that *value*, a response or an error that carries one, asks to wait.

    The header holds seconds or an HTTP date; a date that has passed asks for 0. None where there
    is no such header or it cannot be read. *now* returns seconds since 1970. Never raises.
    """
    try:
        text = _header(value)
        return None if text is None else _seconds(text.strip(), now)
    except Exception:
        return None


def _header(value: Any) -> str | None:
    """Return the header of *value*'s response, or of *value* itself."""
    for answer in (_attribute(value, "response"), value):  # a response may be false: a 503 is
        headers = _attribute(answer, "headers")
        found = None if headers is None else _of_headers(headers)
        if found is not None:
            return found
    return None


def _attribute(value: Any, name: str) -> Any:
    """Return an attribute; None where there is none, or where asking for it raises anything."""
    try:
        return getattr(value, name, None)
    except Exception:  # httpx raises RuntimeError
        return None


def _of_headers(headers: Any) -> str | None:
    """Return the header whatever its case: not every mapping of headers ignores that."""
    for name, text in headers.items():
        if isinstance(name, str) and name.lower() == "retry-after":
            return str(text)
    return None


def _seconds(text: str, now: Callable[[], float]) -> float | None:
    if text.isascii() and text.isdigit():
        seconds = float(text)
        return seconds if math.isfinite(seconds) else None
    at = parsedate_to_datetime(text)
    if at.tzinfo is None:  # "-0000" says UTC of unknown origin
        at = at.replace(tzinfo=UTC)
    return max(0.0, at.timestamp() - now())
