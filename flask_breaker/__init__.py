"""Circuit breakers for Flask that all workers of a site share through the cache it already runs."""

from flask_breaker.extension import Breakers
from flask_breaker.signals import (
    breaker_operator_acted,
    breaker_process_state_changed,
    breaker_state_changed,
    breaker_store_changed,
)

__all__ = [
    "Breakers",
    "breaker_operator_acted",
    "breaker_process_state_changed",
    "breaker_state_changed",
    "breaker_store_changed",
]
