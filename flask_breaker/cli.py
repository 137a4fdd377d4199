"""``flask breakers list | show | reset``: the same words as ``manage.py breakers``."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click
from flask import current_app
from flask.cli import AppGroup

from breaker_core import (
    BreakerError,
    BreakerRegistry,
    CircuitBreaker,
    ConfigurationError,
    Snapshot,
    UnknownBreakerError,
)
from breaker_core.isolation import current
from breaker_core.report import as_json as json_of
from breaker_core.report import details, table
from flask_breaker.application import KEY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flask_breaker.application import AppBreakers

Words = Callable[[list[Snapshot], Any], str]

breakers_group = AppGroup("breakers", help="Look at the circuit breakers, and reset them.")

_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")


@breakers_group.command("list")
@_as_json
def list_breakers(*, as_json: bool) -> None:
    """List all breakers, the worst first."""
    registry = _registry()
    _print(registry, registry.snapshots(fresh=True), table, as_json=as_json)


@breakers_group.command("show")
@click.argument("name")
@_as_json
def show(name: str, *, as_json: bool) -> None:
    """Show all that is known of breaker NAME."""
    registry = _registry()
    snapshots = [each.snapshot(fresh=True) for each in _named(registry, [name])]
    _print(
        registry, snapshots, lambda some, processes: details(some[0], processes), as_json=as_json
    )


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
    failed = [trouble for each in found if (trouble := _reset(each, reason))]
    _print(registry, [each.snapshot(fresh=True) for each in found], table, as_json=as_json)
    if failed:
        raise click.ClickException("; ".join(failed))


def _registry() -> BreakerRegistry:
    held: AppBreakers = current_app.extensions[KEY]
    try:
        return held.registry
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from None


def _named(registry: BreakerRegistry, names: Iterable[str]) -> list[CircuitBreaker]:
    """Return the breakers called *names*, or none: a wrong name must not leave half the work."""
    try:
        return [registry[name] for name in dict.fromkeys(names)]
    except UnknownBreakerError as error:
        raise click.UsageError(str(error)) from None


def _reset(breaker: CircuitBreaker, reason: str) -> str:
    """Reset *breaker*; return what went wrong, or nothing."""
    try:
        breaker.reset(by=_operator(), reason=reason)
    except BreakerError as error:
        return str(error)
    return ""


def _print(
    registry: BreakerRegistry, snapshots: list[Snapshot], words: Words, *, as_json: bool
) -> None:
    processes = registry.processes()
    if any(each.store == "unreachable" for each in snapshots):
        click.echo("the breaker store is unreachable: this is what was last seen", err=True)
    if as_json:
        click.echo(json_of(snapshots, processes))
    elif snapshots:
        click.echo(words(snapshots, processes))
    else:
        click.echo("No breakers are configured: write BREAKERS in app.config.")


def _operator() -> str:
    """Return who is at the command line, as far as the system knows."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "flask breakers"
