"""Helpers for a site's own tests.

Under Django's test runner and under pytest breakers keep their state in memory without any help.
pytest gives each test fresh ones; with unittest, ``isolated_breakers`` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.test.utils import TestContextDecorator

from breaker_core import isolation

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

__all__ = ["isolated_breakers", "shared_breakers"]


class _Block(TestContextDecorator):
    def __init__(self) -> None:
        super().__init__()
        self._entered: list[AbstractContextManager[None]] = []

    def _block(self) -> AbstractContextManager[None]:
        raise NotImplementedError

    def enable(self) -> Any:
        block = self._block()
        block.__enter__()
        self._entered.append(block)

    def disable(self) -> None:
        self._entered.pop().__exit__(None, None, None)


class isolated_breakers(_Block):  # noqa: N801 - it is used like a function
    """Give a block, a test function or each test of a TestCase fresh breakers in memory."""

    def _block(self) -> AbstractContextManager[None]:
        return isolation.isolated_breakers()


class shared_breakers(_Block):  # noqa: N801 - it is used like a function
    """Use the cache of ``BREAKER_CACHE`` in a block, a test function or a TestCase."""

    def _block(self) -> AbstractContextManager[None]:
        return isolation.shared_breakers()
