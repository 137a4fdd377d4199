"""What a rejected call means in HTTP, for every framework alike."""

from __future__ import annotations

import math

STATUS = 503
"""Service Unavailable: the answer to a request that a breaker rejected."""


def retry_after_header(retry_after: float | None) -> str | None:
    """Return the value of ``Retry-After``: whole seconds, rounded up, at least 1.

    None means that nobody knows when, and that the header should be left out.
    """
    return None if retry_after is None else str(max(1, math.ceil(retry_after)))
