"""The same small shop on Django and on Flask, sharing one circuit breaker: ``make demo``."""
