"""What a rejected call means in HTTP."""

from __future__ import annotations

import pytest

from breaker_core.http import STATUS, retry_after_header


def test_a_rejection_is_service_unavailable() -> None:
    """In both frameworks."""
    assert STATUS == 503


@pytest.mark.parametrize(
    ("seconds", "header"),
    [
        (None, None),
        (0.0, "1"),
        (0.001, "1"),
        (1.0, "1"),
        (1.001, "2"),
        (59.5, "60"),
        (86_400.0, "86400"),
    ],
)
def test_retry_after_is_whole_seconds_rounded_up_and_at_least_one(
    seconds: float | None, header: str | None
) -> None:
    """Absent when nobody knows."""
    assert retry_after_header(seconds) == header
