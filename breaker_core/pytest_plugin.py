"""The pytest plugin: every test has breakers of its own, in memory.

Installed with the distribution, so it imports nothing but pytest until a test runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

MARKER = "shared_breakers: use the configured breaker store in this test, not memory"


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", MARKER)


@pytest.fixture(autouse=True)
def _breakers_of_this_test(request: pytest.FixtureRequest) -> Iterator[None]:
    """Give each test fresh breakers in memory, unless it is marked ``shared_breakers``."""
    from breaker_core.isolation import isolated_breakers, shared_breakers

    wanted = request.node.get_closest_marker("shared_breakers")
    with shared_breakers() if wanted else isolated_breakers():
        yield
