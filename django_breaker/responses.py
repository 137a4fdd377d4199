"""The answer to a request that a breaker rejected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import HttpResponse
from django.utils.translation import gettext as _

from breaker_core.http import STATUS, retry_after_header

if TYPE_CHECKING:
    from breaker_core import CircuitOpenError


def rejected(error: CircuitOpenError) -> HttpResponse:
    """Return the 503 for *error*; it tells visitors nothing about the dependency."""
    response = HttpResponse(
        _("This service is not available at the moment. Please try again later.") + "\n",
        status=STATUS,
        content_type="text/plain; charset=utf-8",
        headers={"Cache-Control": "no-store"},
    )
    seconds = retry_after_header(error.retry_after)
    if seconds is not None:
        response["Retry-After"] = seconds
    return response
