"""A call in two phases, for code that is not one call: let in here, ended elsewhere.

A permit may be ended in another thread or task than the one that asked for it. So what runs
between is not *inside* the call, as it is in a ``with`` block: other calls of the same breaker
meanwhile are ordinary calls. A permit that is dropped without an end is abandoned: its finaliser
only takes that down, for it may run anywhere, in the middle of whatever holds a lock; the next
call that asks to be let in gives the permit back.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from breaker_core.guard import Call

_NOTHING = object()


class Permit:
    """One call that was let in. Say once how it ended: ``succeeded``, ``failed``, ``abandoned``.

    A second ``succeeded`` or ``failed`` raises RuntimeError; ``abandoned`` after an end does
    nothing, so that it can stand in a ``finally``.
    """

    __slots__ = ("_pid", "_under_way")

    def __init__(self, call: Call) -> None:
        self._under_way = [call]
        self._pid = os.getpid()
        call.stand_alone()

    def __repr__(self) -> str:
        return f"<Permit, {'under way' if self._under_way else 'ended'}>"

    def succeeded(self, result: object = _NOTHING) -> None:
        """The call ended well; ``failure_if`` judges *result*, if one is given."""
        call = self._take()
        if result is _NOTHING:
            call.end_block()
        else:
            call.succeed(result)

    async def succeeded_async(self, result: object = _NOTHING) -> None:
        """As ``succeeded``; waits for the store in a thread."""
        call = self._take()
        if result is _NOTHING:
            await call.end_block_async()
        else:
            await call.succeed_async(result)

    def failed(self, error: BaseException) -> None:
        """The call raised *error*: a failure, or not, as ``failure_on`` and ``ignore`` say.

        Raises TypeError when *error* is no exception.
        """
        _refuse_no_error(error)
        self._take().fail(error)

    async def failed_async(self, error: BaseException) -> None:
        """As ``failed``; waits for the store in a thread."""
        _refuse_no_error(error)
        await self._take().fail_async(error)

    def abandoned(self) -> None:
        """Nobody will know how the call ended: it counts neither way. Nothing if it has ended."""
        if self._under_way:
            self._take().abandon()

    async def abandoned_async(self) -> None:
        """As ``abandoned``; waits for the store in a thread."""
        if self._under_way:
            await self._take().abandon_async()

    def _take(self) -> Call:
        try:
            return self._under_way.pop()
        except IndexError:
            raise RuntimeError(
                "this permit has ended: a call is let in once and ends once. Ask for another with "
                "breaker.admit()"
            ) from None

    def __del__(self) -> None:
        if self._pid == os.getpid():  # what a fork took along is the parent's to end
            for call in self._under_way:
                call.use.home.forgotten.append(call)


def _refuse_no_error(error: object) -> None:
    if not isinstance(error, BaseException):
        raise TypeError(
            f"failed() takes the exception that the call raised; got {error!r}. A result that is "
            "a failure goes to succeeded(result), where failure_if judges it"
        )
