"""Named breakers made from one mapping: the part that Django's and Flask's adapters share."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from breaker_core.breaker import CircuitBreaker
from breaker_core.config import (
    BreakerConfig,
    check_name,
    check_options,
    nearest,
    option_names,
    refuse_unknown,
    shown,
)
from breaker_core.errors import ConfigurationError, UnknownBreakerError
from breaker_core.forks import ForkSafeLock
from breaker_core.home import Home, Store
from breaker_core.outcomes import NO_CONVENTIONS, Conventions
from breaker_core.partitions import parent_of
from breaker_core.process import Away

if TYPE_CHECKING:
    from breaker_core.clock import Clock
    from breaker_core.events import Listener
    from breaker_core.snapshot import Snapshot
    from breaker_core.summary import ProcessSummary


class BreakerRegistry(Mapping[str, CircuitBreaker]):
    """The breakers of one application, by name.

    *mapping* gives each name its options, *defaults* are options for all. Everything is checked
    here, before any breaker exists: ConfigurationError names *place* and *defaults_place*.
    *store* left out is a MemoryStore of its own. With *enabled* false every call passes.
    """

    def __init__(
        self,
        mapping: Mapping[str, Mapping[str, Any]],
        defaults: Mapping[str, Any] | None = None,
        *,
        store: Store | None = None,
        clock: Clock | None = None,
        conventions: Conventions = NO_CONVENTIONS,
        enabled: bool = True,
        place: str = "BREAKERS",
        defaults_place: str = "BREAKER_DEFAULTS",
    ) -> None:
        self._place = place
        self._configs = read_configs(mapping, defaults, place=place, defaults_place=defaults_place)
        self._home = Home(store, clock, conventions=conventions, enabled=enabled)
        self._breakers: dict[str, CircuitBreaker] = {}
        self._lock = ForkSafeLock()

    def __getitem__(self, name: str) -> CircuitBreaker:
        breaker = self._breakers.get(name)
        return breaker if breaker is not None else self._make(name)

    def _make(self, name: str) -> CircuitBreaker:
        config = self._configs.get(name)
        if config is None:
            partition = self._partition(name)
            if partition is not None:
                return partition
            raise UnknownBreakerError(
                f"no breaker {name!r} is configured in {self._place}{nearest(name, self._configs)}"
            )
        with self._lock:
            if name not in self._breakers:
                self._breakers[name] = CircuitBreaker._at(self._home, name, config)
            return self._breakers[name]

    def _partition(self, name: object) -> CircuitBreaker | None:
        """Return the partition called *name* if this process keeps it: looking makes none."""
        if not isinstance(name, str):
            return None
        parent = self._breakers.get(parent_of(name))
        return None if parent is None else parent._partitions.known(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._configs)

    def __len__(self) -> int:
        return len(self._configs)

    def __contains__(self, name: object) -> bool:
        return name in self._configs or self._partition(name) is not None

    @property
    def store(self) -> Store:
        """Where the breakers keep their state."""
        return self._home.store

    @property
    def shared(self) -> bool:
        """Whether other processes see the same state."""
        return self._home.process is not None

    @property
    def enabled(self) -> bool:
        """Whether breakers reject at all in this process."""
        return self._home.enabled

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Tell *listener* of every event of these breakers; call what is returned to stop."""
        return self._home.listeners.add(listener)

    def snapshots(self, *, fresh: bool = False) -> list[Snapshot]:
        """Return how all breakers stand, in one read of the store; may block, changes nothing.

        The partitions that this process keeps follow their parent.

        With *fresh* the store is read even when this process looked a moment ago: an operator
        who has just acted, perhaps in another process, must see what became of it.
        """
        configured = list(self.values())  # all known first, so that one look serves all
        breakers = [each for one in configured for each in (one, *one.partitions())]
        if fresh:
            self._home.look_now()
        return [each.snapshot() for each in breakers]

    def processes(self) -> list[ProcessSummary] | None:
        """Return what each live process last said of itself.

        None when there is nothing to read it from: the state is in memory, or the store away.
        """
        process = self._home.process
        if process is None or not self._home.enabled:
            return None
        self.snapshots()  # what a process said is judged by how the fleet stands now
        try:
            return process.summaries.read()
        except Away:
            return None

    def close(self) -> None:
        """Give back the store's connections."""
        self._home.store.close()


def read_configs(
    mapping: Mapping[str, Mapping[str, Any]],
    defaults: Mapping[str, Any] | None = None,
    *,
    place: str = "BREAKERS",
    defaults_place: str = "BREAKER_DEFAULTS",
) -> dict[str, BreakerConfig]:
    """Return the configuration of each breaker of *mapping*; raise ConfigurationError."""
    if not isinstance(mapping, Mapping):
        raise ConfigurationError(
            f"{place}: must be a mapping of names to options, such as "
            f"{{'payments': {{'failure_threshold': 3}}}}; got {shown(mapping)}"
        )
    shared = _checked_defaults(defaults, defaults_place)
    configs = {}
    for name, options in mapping.items():
        check_name(name, place=place)
        _refuse_name_of_partition(name, mapping, place)
        own_place = f"{place}[{name!r}]"
        if not isinstance(options, Mapping):
            BreakerConfig.from_mapping(options, place=own_place)
        refuse_unknown(options, option_names(), place=own_place, kind="option")
        configs[name] = BreakerConfig.from_mapping({**shared, **options}, place=own_place)
    return configs


def _refuse_name_of_partition(name: str, names: Container[str], place: str) -> None:
    parent = parent_of(name)
    if parent in names:
        raise ConfigurationError(
            f"{place}: {name!r} is what a partition of {parent!r} is called, so that two breakers "
            "would have one name; give it another"
        )


def _checked_defaults(defaults: Mapping[str, Any] | None, place: str) -> Mapping[str, Any]:
    if defaults is None:
        return {}
    if not isinstance(defaults, Mapping):
        BreakerConfig.from_mapping(defaults, place=place)
    check_options(defaults, place=place)
    return defaults
