"""Circuit breakers for Django that all workers share through the cache of the site."""

from django_breaker.decorators import breaker, protect_view
from django_breaker.registry import breakers

__all__ = ["breaker", "breakers", "protect_view"]
