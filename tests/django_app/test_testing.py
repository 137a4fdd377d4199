"""The helpers for a site's own tests, without the help of pytest's plugin."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import unittest
from typing import TYPE_CHECKING, Any

from breaker_core import State
from breaker_core.isolation import current
from django_breaker import breakers
from django_breaker.testing import isolated_breakers, shared_breakers
from tests.django_app.helpers import trip

if TYPE_CHECKING:
    from pathlib import Path


def outcome(case: type[unittest.TestCase]) -> unittest.TestResult:
    """Run the tests of *case*."""
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    return result


def test_each_test_of_a_decorated_class_has_fresh_breakers() -> None:
    @isolated_breakers()
    class Case(unittest.TestCase):
        def test_one(self) -> None:
            assert trip("payments").state is State.OPEN

        def test_two(self) -> None:
            assert breakers["payments"].state is State.CLOSED
            trip("payments")

    result = outcome(Case)
    assert (result.testsRun, result.failures, result.errors) == (2, [], [])


def test_a_decorated_function_has_fresh_breakers_at_each_call() -> None:
    @isolated_breakers()
    def function() -> State:
        before = breakers["payments"].state
        trip("payments")
        return before

    assert [function(), function()] == [State.CLOSED, State.CLOSED]


def test_a_decorated_coroutine_has_fresh_breakers() -> None:
    trip("payments")

    @isolated_breakers()
    async def function() -> State:
        return breakers["payments"].state

    assert asyncio.run(function()) is State.CLOSED


def test_blocks_nest() -> None:
    with isolated_breakers():
        trip("payments")
        with isolated_breakers():
            assert breakers["payments"].state is State.CLOSED
        assert breakers["payments"].state is State.OPEN


def test_one_helper_can_be_entered_again_inside_itself() -> None:
    helper = isolated_breakers()
    outside = current()
    with helper, helper:
        trip("payments")
    assert current() is outside


def test_shared_breakers_decorates_a_class() -> None:
    @shared_breakers()
    class Case(unittest.TestCase):
        def test_no_isolation(self) -> None:
            assert current() is None

    assert outcome(Case).wasSuccessful()


SITE = """
SECRET_KEY = "x"
INSTALLED_APPS = ["django_breaker"]
DATABASES = {}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache",
                      "LOCATION": "redis://127.0.0.1:1/0"}}
BREAKERS = {"a": {"failure_threshold": 1}}
"""
TESTS = """
from django.test import SimpleTestCase
from django_breaker import breakers
from django_breaker.registry import registry
from django_breaker.testing import isolated_breakers
from breaker_core.stores import MemoryStore

class Plain(SimpleTestCase):
    def test_the_state_is_in_memory(self):
        self.assertIsInstance(registry().store, MemoryStore)

@isolated_breakers()
class Fresh(SimpleTestCase):
    def trip(self):
        self.assertEqual(breakers["a"].state.value, "closed")
        with self.assertRaises(ZeroDivisionError):
            breakers["a"].call(lambda: 1 / 0)
        self.assertEqual(breakers["a"].state.value, "open")
    test_one = test_two = trip
"""


def test_manage_py_test_needs_no_cache(tmp_path: Path) -> None:
    (tmp_path / "site_settings.py").write_text(SITE)
    (tmp_path / "test_site.py").write_text(TESTS)
    done: Any = subprocess.run(
        [sys.executable, "-W", "error", "-m", "django", "test", "--settings=site_settings"],
        cwd=tmp_path,
        env={"PYTHONPATH": os.pathsep.join([str(tmp_path), os.getcwd()]), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Ran 3 tests" in done.stderr, done.stderr
    assert done.returncode == 0, done.stderr
