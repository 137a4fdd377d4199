"""Breakers as the admin lists them: model instances that were never in a database.

``picture`` looks at all breakers once per request and never raises; ``Rows`` is a list with the
part of the QuerySet API that the change list calls. How a breaker stands is the core's word.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, overload

from django.core.exceptions import FieldError, ImproperlyConfigured

from breaker_core import report
from django_breaker import conf
from django_breaker.models import Breaker
from django_breaker.registry import registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from django.http import HttpRequest

    from breaker_core import BreakerRegistry, ProcessSummary, Snapshot
    from breaker_core.report import Reach, Standing


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """How one breaker stood when the page was drawn."""

    snapshot: Snapshot
    held: Standing
    reach: Reach | None
    processes: Sequence[ProcessSummary]

    @property
    def used(self) -> bool:
        """Whether anybody uses it, as far as this process can tell."""
        name = self.snapshot.name
        return self.snapshot.used or any(name in each.breakers for each in self.processes)


@dataclasses.dataclass(frozen=True, slots=True)
class Picture:
    """All breakers as one request saw them."""

    breakers: tuple[Breaker, ...]
    problem: str = ""
    """What is wrong with the settings; then there are no breakers."""
    shared: bool = True
    enabled: bool = True

    @property
    def store_away(self) -> bool:
        """Whether the state is only what this process last saw."""
        return any(each.row.snapshot.store == "unreachable" for each in self.breakers)


def picture(request: HttpRequest) -> Picture:
    """Return how all breakers stand; looked at once per *request*, and changes nothing."""
    seen: Picture | None = getattr(request, "_django_breaker_picture", None)
    if seen is None:
        seen = _look()
        request._django_breaker_picture = seen  # type: ignore[attr-defined]
    return seen


def _look() -> Picture:
    try:
        breakers = registry()
    except ImproperlyConfigured as error:
        return Picture((), problem=str(error))
    snapshots = breakers.snapshots(fresh=True)  # first: what processes say is judged by them
    processes = breakers.processes()
    rows = tuple(_instance(each, processes) for each in snapshots)
    return Picture(rows, shared=breakers.shared, enabled=breakers.enabled)


def look_at(breakers: BreakerRegistry, names: Iterable[str]) -> list[Breaker]:
    """Return the configured ones of *names* as they stand at this moment."""
    wanted = set(names)
    snapshots = [each for each in breakers.snapshots(fresh=True) if each.name in wanted]
    processes = breakers.processes()
    return [_instance(each, processes) for each in snapshots]


def _instance(snapshot: Snapshot, processes: Sequence[ProcessSummary] | None) -> Breaker:
    breaker = Breaker(name=snapshot.name)
    reach = report.reach(snapshot.name, processes)
    held = report.standing(snapshot, reach)
    breaker.row = Row(snapshot, held, reach, processes or ())
    return breaker


def environment() -> str:
    """Return the name of the environment, for the head of each page."""
    return conf.environment()


class Rows(Sequence[Breaker]):
    """Breakers in a list, with what the change list asks of a QuerySet."""

    query = SimpleNamespace(select_related=False, order_by=())
    totally_ordered = True

    def __init__(self, items: Iterable[Breaker]) -> None:
        self.model = Breaker
        self._items = list(items)

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, index: int) -> Breaker: ...

    @overload
    def __getitem__(self, index: slice) -> Rows: ...

    def __getitem__(self, index: int | slice) -> Breaker | Rows:
        return Rows(self._items[index]) if isinstance(index, slice) else self._items[index]

    def count(self, value: Any = None) -> int:
        """Return how many there are, as a QuerySet does."""
        return len(self._items)

    def _clone(self) -> Rows:
        return Rows(self._items)

    def matching(self, predicate: Callable[[Row], bool]) -> Rows:
        """Return those whose row satisfies *predicate*: for filters and search."""
        return Rows(each for each in self._items if predicate(each.row))

    def order_by(self, *fields: str) -> Rows:
        """Return them sorted by the names of columns, a minus for descending."""
        ordered = list(self._items)
        for name in reversed(fields):
            ordered.sort(key=_COLUMNS[name.lstrip("-")], reverse=name.startswith("-"))
        return Rows(ordered)

    def filter(self, *lookups: Any, **names: Any) -> Rows:
        """Return those with one of the primary keys *pk__in*; FieldError for anything else."""
        chosen = names.pop("pk__in", None)
        if any(lookups) or names:
            raise FieldError("breakers can be filtered by name only")
        if chosen is None:
            return self._clone()
        return Rows(each for each in self._items if each.name in set(chosen))


_COLUMNS: dict[str, Callable[[Breaker], Any]] = {
    "pk": lambda each: each.name,
    "name": lambda each: each.name,
    "severity": lambda each: each.row.held.severity,
}
