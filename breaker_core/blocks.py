"""``with`` blocks: a guard for one entry, and objects that many threads and tasks may enter.

A guard holds the one call that it let in. An object that everybody shares makes a guard for each
entry, and remembers in the context of the running code which of them the exit belongs to.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from types import TracebackType

    from breaker_core.guard import Call, Entry, Source, Use
    from breaker_core.machine import Pass

B = TypeVar("B", bound="Blocks")


class Guard:
    """One entry into a guarded block. A guard is used once."""

    __slots__ = ("_call", "_source")

    def __init__(self, source: Source) -> None:
        self._source = source
        self._call: Call | Entry | None = None

    def __enter__(self) -> Guard:
        self._refuse_reuse()
        self._call = self._source.resolve().begin_block()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._call is not None
        if error is None:
            self._call.end_block()
        else:
            self._call.fail(error)

    async def __aenter__(self) -> Guard:
        self._refuse_reuse()
        self._call = await self._source.resolve().begin_block_async()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._call is not None
        if error is None:
            await self._call.end_block_async()
        else:
            await self._call.fail_async(error)

    def _refuse_reuse(self) -> None:
        if self._call is not None:
            raise RuntimeError("this guard was entered before: take a fresh one for each block")


class Blocks:
    """What can be entered by ``with`` and ``async with``, by several at a time."""

    def _source(self) -> Source:
        """Return what lets the call of a block in."""
        raise NotImplementedError

    def __enter__(self: B) -> B:
        use = self._source().resolve()
        held = use.machine.gate
        if held is None or use.timed:
            guard = Guard(use)
            guard.__enter__()
            _entered.set((*_entered.get(), (self, guard)))
        else:  # the fast path: nothing to remember but the pass
            _entered.set((*_entered.get(), (self, use, held)))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        block = self._leave()
        if block is None:
            return
        if len(block) == 3:
            _end_by_gate(block[1], block[2], error)
        else:
            block[1].__exit__(kind, error, traceback)

    async def __aenter__(self: B) -> B:
        use = self._source().resolve()
        held = use.machine.gate
        if held is None or use.timed:
            guard = Guard(use)
            await guard.__aenter__()
            _entered.set((*_entered.get(), (self, guard)))
        else:
            _entered.set((*_entered.get(), (self, use, held)))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        block = self._leave()
        if block is None:
            return
        if len(block) == 3:
            _end_by_gate(block[1], block[2], error)
        else:
            await block[1].__aexit__(kind, error, traceback)

    def _leave(self) -> Block | None:
        """Return the innermost block of this object in this task or thread."""
        entered = _entered.get()
        if entered and entered[-1][0] is self:
            _entered.set(entered[:-1])
            return entered[-1]
        for index in range(len(entered) - 1, -1, -1):  # blocks were not left in order
            if entered[index][0] is self:
                _entered.set(entered[:index] + entered[index + 1 :])
                return entered[index]
        return None


def _end_by_gate(use: Use, held: Pass, error: BaseException | None) -> None:
    """Take down the end of a block that the gate let in; memory only, never raises."""
    if error is not None:
        use.fail(held, error)
    else:
        held.clean = True
        next(held.tick)


Block = tuple[Blocks, Guard] | tuple[Blocks, "Use", "Pass"]

_entered: ContextVar[tuple[Block, ...]] = ContextVar("breaker_entered", default=())
"""The ``with breaker:`` blocks that the running code is in, the innermost last."""
