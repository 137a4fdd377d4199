"""A circuit breaker that processes can share, independent of any web framework."""

from breaker_core.attempt import Attempt, Failure, Rejected, Success
from breaker_core.breaker import CircuitBreaker
from breaker_core.config import BreakerConfig, nearest
from breaker_core.errors import (
    BreakerError,
    CircuitOpenError,
    ConfigurationError,
    StaleActError,
    UnknownBreakerError,
)
from breaker_core.events import (
    BreakerEvent,
    OperatorActed,
    ProcessStateChanged,
    StateChanged,
    StoreChanged,
)
from breaker_core.lazy import LazyBreaker
from breaker_core.outcomes import Conventions
from breaker_core.permit import Permit
from breaker_core.record import Override, OverrideKind, State, Transition
from breaker_core.registry import BreakerRegistry, read_configs
from breaker_core.snapshot import Snapshot
from breaker_core.summary import ProcessSummary

__all__ = [
    "Attempt",
    "BreakerConfig",
    "BreakerError",
    "BreakerEvent",
    "BreakerRegistry",
    "CircuitBreaker",
    "CircuitOpenError",
    "ConfigurationError",
    "Conventions",
    "Failure",
    "LazyBreaker",
    "OperatorActed",
    "Override",
    "OverrideKind",
    "Permit",
    "ProcessStateChanged",
    "ProcessSummary",
    "Rejected",
    "Snapshot",
    "StaleActError",
    "State",
    "StateChanged",
    "StoreChanged",
    "Success",
    "Transition",
    "UnknownBreakerError",
    "nearest",
    "read_configs",
]
