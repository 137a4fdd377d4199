"""``manage.py breakers list|show|reset``: the words are the core's, as on every page."""

from __future__ import annotations

import getpass
import os
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser

from breaker_core import (
    BreakerError,
    BreakerRegistry,
    CircuitBreaker,
    Snapshot,
    UnknownBreakerError,
    report,
)
from django_breaker import conf
from django_breaker.registry import in_test_environment, registry


class Command(BaseCommand):
    """Shows the circuit breakers and resets them."""

    help = "Shows the circuit breakers of BREAKERS, and resets them for all processes."
    requires_system_checks = ()  # a site in trouble must be served too

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="list|show|reset")
        listing = verbs.add_parser("list", help="how all breakers stand, the worst first")
        show = verbs.add_parser("show", help="all that is known of one breaker")
        show.add_argument("names", nargs=1, metavar="NAME")
        reset = verbs.add_parser("reset", help="close breakers, zero their counts, end overrides")
        reset.add_argument("names", nargs="+", metavar="NAME")
        reset.add_argument("--reason", default="", help="kept in the breaker's history")
        for each in (listing, show, reset):
            each.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            breakers = registry()
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
        chosen = self._chosen(breakers, options.get("names"))
        if options["verb"] == "reset":
            self._reset(chosen, options["reason"])
        self._show(breakers, chosen, options)

    def _chosen(self, breakers: BreakerRegistry, names: list[str] | None) -> list[CircuitBreaker]:
        """Return the named breakers, each once; all of them when no names are given."""
        try:
            return [breakers[name] for name in dict.fromkeys(breakers if names is None else names)]
        except UnknownBreakerError as error:
            raise CommandError(str(error)) from error

    def _reset(self, chosen: list[CircuitBreaker], reason: str) -> None:
        failed = []
        for breaker in chosen:
            try:
                breaker.reset(by=_user(), reason=reason)
            except BreakerError as error:
                failed.append(f"{breaker.name}: {error}")
        if failed:
            raise CommandError("not reset, nothing was changed: " + "; ".join(failed))

    def _show(
        self, breakers: BreakerRegistry, chosen: list[CircuitBreaker], options: dict[str, Any]
    ) -> None:
        snapshots = [breaker.snapshot(fresh=True) for breaker in chosen]
        processes = breakers.processes()
        self._warn(breakers, snapshots)
        if options["json"]:
            self.stdout.write(report.as_json(snapshots, processes))
        elif options["verb"] == "show":
            self.stdout.write(report.details(snapshots[0], processes))
        elif snapshots:
            self.stdout.write(report.table(snapshots, processes))
        else:
            self.stdout.write("No breakers are configured: write BREAKERS in the settings.")

    def _warn(self, breakers: BreakerRegistry, snapshots: list[Snapshot]) -> None:
        """Say on stderr what makes the picture less than it seems."""
        if not breakers.shared and not in_test_environment():
            self.stderr.write(
                f"BREAKER_CACHE={conf.load().cache!r} is not shared: each process keeps its own "
                "state, and this command sees and resets only its own"
            )
        if any(each.store == "unreachable" for each in snapshots):
            self.stderr.write("the breaker store is unreachable: this is what was last seen")


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return f"uid {os.getuid()}" if hasattr(os, "getuid") else "manage.py"
