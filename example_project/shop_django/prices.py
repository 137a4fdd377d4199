"""The calls that the breaker guards: two uses of one breaker."""

from decimal import Decimal

from django_breaker import breaker
from example_project.catalogue import Offer, catalogue_offer
from example_project.price_client import fetch_price

SHOP = "Django"


@breaker("prices", fallback=catalogue_offer)
def offer(item: str) -> Offer:
    """Return today's offer, or the catalogue's while the breaker is open."""
    return Offer(price=fetch_price(item, shop=SHOP), live=True)


@breaker("prices")
def price(item: str) -> Decimal:
    """Return today's price; raises CircuitOpenError while the breaker is open."""
    return fetch_price(item, shop=SHOP)
