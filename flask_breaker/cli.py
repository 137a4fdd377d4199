"""``flask breakers list | show | reset``: the same words as ``manage.py breakers``."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

import click
from flask import current_app
from flask.cli import AppGroup

from breaker_core import BreakerError, BreakerRegistry, CircuitBreaker, UnknownBreakerError
from breaker_core.isolation import current
from breaker_core.report import as_json as json_of
from breaker_core.report import details, plain, table
from flask_breaker.application import KEY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flask_breaker.application import AppBreakers

breakers_group = AppGroup("breakers", help="Look at the circuit breakers, and reset them.")

_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")


@breakers_group.command("list")
@_as_json
def list_breakers(*, as_json: bool) -> None:
    """List all breakers, the worst first."""
    registry = _registry()
    render = json_of if as_json else table
    click.echo(render(registry.snapshots(), registry.processes()))


@breakers_group.command("show")
@click.argument("name")
@_as_json
def show(name: str, *, as_json: bool) -> None:
    """Show all that is known of breaker NAME."""
    registry = _registry()
    (breaker,) = _named(registry, [name])
    snapshot, processes = breaker.snapshot(), registry.processes()
    click.echo(json_of([snapshot], processes) if as_json else details(snapshot, processes))


@breakers_group.command("reset")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option("--reason", default="", help="Why; kept in the breaker's history.")
@_as_json
def reset(names: tuple[str, ...], *, reason: str, as_json: bool) -> None:
    """Close each breaker NAME, for all processes, and clear its counts and override."""
    registry = _registry()
    found = _named(registry, names)
    if not registry.shared and current() is None:
        raise click.ClickException(
            "nothing was reset: each process has breakers of its own, which a command cannot "
            "reach. Set BREAKER_CACHE to a cache that all processes share"
        )
    for breaker in found:
        try:
            breaker.reset(by=_operator(), reason=reason)
        except BreakerError as error:
            raise click.ClickException(str(error)) from None
        if not as_json:
            click.echo(f"{plain(breaker.name)}: reset")
    if as_json:
        click.echo(json_of([each.snapshot() for each in found], registry.processes()))


def _registry() -> BreakerRegistry:
    held: AppBreakers = current_app.extensions[KEY]
    return held.registry


def _named(registry: BreakerRegistry, names: Iterable[str]) -> list[CircuitBreaker]:
    """Return the breakers called *names*, or none: a wrong name must not leave half the work."""
    try:
        return [registry[name] for name in names]
    except UnknownBreakerError as error:
        raise click.UsageError(str(error)) from None


def _operator() -> str:
    """Return who is at the command line, as far as the system knows."""
    try:
        return f"{getpass.getuser()} (command line)"
    except (OSError, KeyError, ImportError):
        return "command line"
