"""The client of the price service: what any site has, before it has a circuit breaker.

The time-out is here, inside of what the breaker guards: a hang then ends as a failure of the price
service. A deadline around the breaker would end it as a cancelled call, which counts neither way.
"""

import json
import os
from decimal import Decimal
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

from example_project.environment import PRICE_SERVICE

TIMEOUT = 2.0
"""Seconds to wait for the price service."""


class PriceServiceError(Exception):
    """The price service gave no price."""


class PriceServiceTimeoutError(PriceServiceError):
    """The price service took longer than the time-out."""


class UnknownItemError(Exception):
    """The price service does not know the item: it works, and we asked wrongly."""


_direct = build_opener(ProxyHandler({}))  # the service is on this machine: never by a proxy


def fetch_price(item: str, *, shop: str) -> Decimal:
    """Return today's price of *item*. Raises PriceServiceError or UnknownItemError."""
    request = Request(
        f"{PRICE_SERVICE}/price?{urlencode({'item': item})}",
        headers={"X-Shop": shop, "X-Process": str(os.getpid())},
    )
    try:
        with _direct.open(request, timeout=TIMEOUT) as answer:
            return Decimal(json.load(answer)["price"])
    except HTTPError as error:
        error.close()
        if error.code == 404:
            raise UnknownItemError(item) from error
        raise PriceServiceError(f"the price service answered {error.code}") from error
    except (OSError, ValueError, KeyError) as error:
        if isinstance(getattr(error, "reason", error), TimeoutError):
            raise PriceServiceTimeoutError(f"no answer within {TIMEOUT:.0f} seconds") from error
        raise PriceServiceError(f"the price service cannot be reached: {error}") from error
