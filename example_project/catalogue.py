"""What the shops sell, and the price to fall back on while there is no price service."""

from dataclasses import dataclass
from decimal import Decimal

from breaker_core import CircuitOpenError

ITEM = "teapot"
PRICES = {"teapot": Decimal("26.00")}
"""The prices of the printed catalogue: a little dearer, but always there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a product page shows."""

    price: Decimal
    live: bool
    """Whether the price is today's; else it is the catalogue's."""


def catalogue_offer(rejected: CircuitOpenError, item: str) -> Offer:
    """Return the offer to show while the breaker lets no call through."""
    return Offer(price=PRICES[item], live=False)
