"""The Flask shop in one file: the same two pages, the same breaker, the same table."""

from decimal import Decimal
from logging.config import dictConfig
from typing import Any

from flask import Flask, render_template

from breaker_core import CircuitOpenError
from breaker_core.http import retry_after_header
from example_project import environment
from example_project.catalogue import ITEM, Offer, catalogue_offer
from example_project.page import Stopwatch, context
from example_project.price_client import PriceServiceError, fetch_price
from flask_breaker import Breakers

SHOP = "Flask"

dictConfig(environment.LOGGING)

app = Flask(
    __name__,
    template_folder=environment.HERE / "templates",
    static_folder=environment.HERE / "static",
    static_url_path="/static",
)
app.config.update(
    BREAKERS=environment.BREAKERS,
    BREAKER_CACHE=f"sqlite:///{environment.BREAKER_FILE}",
    BREAKER_TABLE=environment.BREAKER_TABLE,  # the LOCATION of the Django shop's cache
    BREAKER_KEY_PREFIX=environment.BREAKER_KEY_PREFIX,  # the same in the Django shop: they share
    BREAKER_ENVIRONMENT="demo",
)
breakers = Breakers(app)
app.add_url_rule("/breakers.json", view_func=breakers.status_view)


@breakers("prices", fallback=catalogue_offer)
def offer_for(item: str) -> Offer:
    """Return today's offer, or the catalogue's while the breaker is open."""
    return Offer(price=fetch_price(item, shop=SHOP), live=True)


@breakers("prices")
def price_of(item: str) -> Decimal:
    """Return today's price; raises CircuitOpenError while the breaker is open."""
    return fetch_price(item, shop=SHOP)


Answer = tuple[str, int, dict[str, str]]


@app.get("/")
def product() -> Answer:
    """Show the product: with today's price, with the catalogue's, or with the error."""
    stopwatch = Stopwatch()
    try:
        offer = offer_for(ITEM)
    except PriceServiceError as error:
        return page("product.html", status=502, took=stopwatch.read(), error=error)
    return page("product.html", took=stopwatch.read(), offer=offer)


@app.get("/buy")
def buy() -> Answer:
    """Show the order; without today's price there is none."""
    stopwatch = Stopwatch()
    try:
        price = price_of(ITEM)
    except CircuitOpenError as rejected:
        return _unavailable(stopwatch, rejected)
    except PriceServiceError as error:
        return page("order.html", status=502, took=stopwatch.read(), error=error)
    return page("order.html", took=stopwatch.read(), price=price)


def _unavailable(stopwatch: Stopwatch, rejected: CircuitOpenError) -> Answer:
    retry_after = retry_after_header(rejected.retry_after)
    took = stopwatch.read()
    text, status, headers = page(
        "order.html", status=503, took=took, rejected=True, retry_after=retry_after
    )
    if retry_after is not None:
        headers["Retry-After"] = retry_after
    return text, status, headers


def page(template: str, *, status: int = 200, **more: Any) -> Answer:
    """Return *template* with what it shows of the breaker."""
    about = context("Flask shop", breakers["prices"], breakers.registry.processes(), **more)
    return render_template(template, **about), status, {"Cache-Control": "no-store"}
