"""What each process says of itself, for people: nothing is decided by it.

A process writes one small text under a key of its own, with a call and at most every five
seconds; whoever draws a page sums them. A directory of the living, changed by compare-and-set,
says which keys to read. Losing any of it changes no breaker.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from breaker_core.machine import HOST
from breaker_core.record import FARTHEST, SCHEMA, State, clip
from breaker_core.stores.base import Stored

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from breaker_core.fleet import FleetMachine
    from breaker_core.process import Process

SUMMARY_EVERY = 5.0
SUMMARY_KEPT = 60
"""Seconds without a word after which a process is taken for gone, or idle."""
REGISTER_EVERY = 60.0
LISTED_FOR = 600.0
"""Seconds after which the directory forgets a process that did not register again."""
DIRECTORY = f"d:{SCHEMA}:processes"
MOST_LISTED = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class InProcess:
    """How one breaker stands in one process."""

    epoch: str
    """The fleet's epoch that the process acted on when it spoke."""
    own_state: State
    """The state of the process's own record."""
    rejects: bool
    """Whether its next call is rejected: by the fleet's word of now, or by its own of then."""
    totals: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSummary:
    """What one process last said of itself."""

    id: str
    host: str
    pid: int
    at: float
    breakers: Mapping[str, InProcess]


class Summaries:
    """Writes this process's summary and reads everybody's."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._registered_as = ""
        self._register_due = float("-inf")

    def publish(self) -> None:
        """Say how this process stands. Raises Away."""
        process = self._process
        process.publish(f"p:{process.id}", json.dumps(self._mine()), seconds=SUMMARY_KEPT)
        now = process.clock.monotonic()
        due = self._registered_as != process.id or now >= self._register_due
        if due and self._register():
            self._registered_as = process.id
            self._register_due = now + REGISTER_EVERY

    def read(self) -> list[ProcessSummary]:
        """Return the summaries of the processes that spoke lately. Raises Away."""
        process = self._process
        seen = process.load([DIRECTORY])[DIRECTORY]
        keys = [f"p:{each}" for each in _listed(seen.text)]
        texts = process.load(keys) if keys else {}
        oldest = process.clock.now() - SUMMARY_KEPT
        found = (_summary(key[2:], seen.text, process.machines) for key, seen in texts.items())
        return [each for each in found if each is not None and each.at >= oldest]

    def _mine(self) -> dict[str, Any]:
        process = self._process
        return {
            "schema": SCHEMA,
            "host": clip(HOST, 100),
            "pid": os.getpid(),
            "at": process.clock.now(),
            "breakers": {
                name: _standing_fields(machine)
                for name, machine in list(process.machines.items())
                if machine.used
            },
        }

    def _register(self) -> bool:
        """Put this process into the directory and drop those that are gone."""
        process = self._process
        now = process.clock.now()
        for _ in range(3):
            seen = process.load([DIRECTORY])[DIRECTORY]
            listed = {each: at for each, at in _listed(seen.text).items() if at > now - LISTED_FOR}
            listed[process.id] = now
            newest = sorted(listed.items(), key=lambda item: item[1])[-MOST_LISTED:]
            text = json.dumps({"schema": SCHEMA, "processes": dict(newest)})
            if process.replace(DIRECTORY, seen, text, seconds=None) is Stored.STORED:
                return True
        return False


def _standing_fields(machine: FleetMachine) -> dict[str, Any]:
    epoch, own_state = machine.acts_on()
    return {"epoch": epoch, "own": own_state.value, "totals": machine.tally.totals()}


def _listed(text: str | None) -> dict[str, float]:
    """Return the ids in the directory's *text* with the time each registered."""
    fields = _fields(text)
    processes = fields.get("processes")
    if not isinstance(processes, dict):
        return {}
    good = {
        each: float(at)
        for each, at in processes.items()
        if type(at) in (int, float)
        and abs(at) < FARTHEST
        and 0 < len(each) <= 120
        and each.isascii()
        and each.isprintable()
        and " " not in each
    }
    return dict(list(good.items())[:MOST_LISTED])


def _fields(text: str | None) -> dict[str, Any]:
    try:
        fields = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) and fields.get("schema") == SCHEMA else {}


def _summary(
    id_: str, text: str | None, machines: Mapping[str, FleetMachine]
) -> ProcessSummary | None:
    fields = _fields(text)
    try:
        return ProcessSummary(
            id=id_,
            host=str(fields["host"])[:100],
            pid=int(fields["pid"]),
            at=float(fields["at"]),
            breakers=dict(_breakers(fields["breakers"], machines)),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return None


def _breakers(
    fields: dict[str, Any], machines: Mapping[str, FleetMachine]
) -> Iterator[tuple[str, InProcess]]:
    for name, each in fields.items():
        if name not in machines:  # configured elsewhere, or no longer
            continue
        epoch, own_state = str(each["epoch"])[:100], State(each["own"])
        yield (
            name,
            InProcess(
                epoch=epoch,
                own_state=own_state,
                rejects=machines[name].would_reject(epoch, own_state),
                totals={str(key): int(count) for key, count in each["totals"].items()},
            ),
        )
