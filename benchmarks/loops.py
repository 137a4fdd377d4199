"""The timed loops: one for each way of writing a guarded call.

Each makes *times* calls of *target* in one frame and swallows only *expected*, so a contestant
that behaves otherwise than its case says stops the run instead of looking fast. A ``try`` block
costs nothing until something is raised.
"""

# ruff: noqa: SIM105 - contextlib.suppress would cost more than what is measured
from __future__ import annotations

from itertools import repeat
from typing import Any

Expected = type[Exception] | tuple[type[Exception], ...]


def function(target: Any, work: Any, expected: Expected, times: int) -> None:
    """Call a decorated function."""
    for _ in repeat(None, times):
        try:
            target(1)
        except expected:
            pass


def call(target: Any, work: Any, expected: Expected, times: int) -> None:
    """Hand the function to a method such as ``breaker.call``."""
    for _ in repeat(None, times):
        try:
            target(work, 1)
        except expected:
            pass


def call_by_name(target: Any, work: Any, expected: Expected, times: int) -> None:
    """Look the breaker up in a registry for each call."""
    for _ in repeat(None, times):
        try:
            target["payments"].call(work, 1)
        except expected:
            pass


def block(target: Any, work: Any, expected: Expected, times: int) -> None:
    """Enter one object again and again."""
    for _ in repeat(None, times):
        try:
            with target:
                work(1)
        except expected:
            pass


def fresh_block(target: Any, work: Any, expected: Expected, times: int) -> None:
    """Enter what *target* makes anew for each block."""
    for _ in repeat(None, times):
        try:
            with target():
                work(1)
        except expected:
            pass


async def function_async(target: Any, work: Any, expected: Expected, times: int) -> None:
    """Await a decorated coroutine function."""
    for _ in repeat(None, times):
        try:
            await target(1)
        except expected:
            pass


async def call_async(target: Any, work: Any, expected: Expected, times: int) -> None:
    """Hand the coroutine function to a method such as ``breaker.call_async``."""
    for _ in repeat(None, times):
        try:
            await target(work, 1)
        except expected:
            pass


async def call_by_name_async(target: Any, work: Any, expected: Expected, times: int) -> None:
    """Look the breaker up in a registry for each call."""
    for _ in repeat(None, times):
        try:
            await target["payments"].call_async(work, 1)
        except expected:
            pass


async def block_async(target: Any, work: Any, expected: Expected, times: int) -> None:
    """Enter one object again and again."""
    for _ in repeat(None, times):
        try:
            async with target:
                await work(1)
        except expected:
            pass


async def fresh_block_async(target: Any, work: Any, expected: Expected, times: int) -> None:
    """Enter what *target* makes anew for each block."""
    for _ in repeat(None, times):
        try:
            async with target():
                await work(1)
        except expected:
            pass
