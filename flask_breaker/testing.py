"""Helpers for tests of applications that use breakers.

With pytest nothing has to be done: each test has breakers of its own, in memory, and one marked
``shared_breakers`` uses the configured store. Other test runners use ``isolated_breakers()``.
"""

from breaker_core.testing import FakeClock, isolated_breakers, shared_breakers

__all__ = ["FakeClock", "isolated_breakers", "shared_breakers"]
