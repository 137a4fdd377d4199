"""Resetting breakers from the admin: one confirmation page, one handler for row, page and bulk.

The page comes from the server and carries the epoch of each breaker as it was drawn. When a
breaker has moved on by the time the answer comes, the page says what changed and asks again. The
permission is asked where the change is made. Whether a reset was stored is the core's word; each
one that was leaves an entry in the admin's log.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.contrib import messages
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from breaker_core import BreakerError, StaleActError, report
from breaker_core.text import plain
from django_breaker import admin_cells as cells
from django_breaker.admin_rows import environment, look_at
from django_breaker.registry import registry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.http import HttpRequest, HttpResponse

    from breaker_core import BreakerRegistry, Transition
    from django_breaker.admin import BreakerAdmin
    from django_breaker.models import Breaker

RESET = "_reset"
"""Name of every button and field that names a breaker to reset."""
CONFIRM = "_confirm"
DRAWN = "_drawn"
REASON_LIMIT = 300
TEMPLATE = "admin/django_breaker/breaker/reset_confirmation.html"


@dataclass(frozen=True, slots=True)
class Drawn:
    """A breaker as the confirmation page showed it."""

    epoch: str
    at: float


@dataclass(frozen=True, slots=True)
class Item:
    """A breaker on the confirmation page."""

    breaker: Breaker
    moved: bool = False
    changes: list[Transition] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.breaker.name

    @property
    def drawn(self) -> tuple[str, float]:
        """The epoch that the page shows, and when that was looked at."""
        snapshot = self.breaker.row.snapshot
        return snapshot.epoch, snapshot.as_of

    @property
    def state(self) -> str:
        return cells.state_cell(self.breaker.row)

    @property
    def history(self) -> list[str]:
        """What happened since the page was drawn."""
        return [cells.history_item(each) for each in self.changes]

    @property
    def effect(self) -> list[str]:
        """What the reset does and what it will meet, in sentences."""
        return [text for text in (_ended_override(self.breaker), _met(self.breaker)) if text]


def answer(admin: BreakerAdmin, request: HttpRequest, names: Iterable[str]) -> HttpResponse:
    """Show the confirmation page for breakers *names*, or reset them once it is confirmed."""
    if not admin.has_reset_permission(request):
        raise PermissionDenied
    try:
        breakers = registry()
    except ImproperlyConfigured as error:
        messages.error(request, str(error))
        return HttpResponseRedirect(request.get_full_path())
    drawn = _drawn(request)
    items = _items(breakers, [*names, *drawn], drawn, confirmed=CONFIRM in request.POST)
    if not items:
        messages.warning(request, _("No breaker of that name is configured. Nothing was changed."))
        return HttpResponseRedirect(request.get_full_path())
    if CONFIRM not in request.POST or any(item.moved for item in items):
        return _page(admin, request, items)
    stale = [item.name for item in items if not _reset(admin, request, breakers, item.breaker)]
    if stale:
        return _page(admin, request, _items(breakers, stale, drawn, confirmed=True))
    return HttpResponseRedirect(request.get_full_path())


def _items(
    breakers: BreakerRegistry,
    names: Iterable[str],
    drawn: dict[str, Drawn],
    *,
    confirmed: bool,
) -> list[Item]:
    return [
        _item(each, drawn.get(each.name), confirmed=confirmed)
        for each in look_at(breakers, dict.fromkeys(names))
    ]


def _drawn(request: HttpRequest) -> dict[str, Drawn]:
    """Return what the confirmation page said of each breaker; what makes no sense is dropped.

    One field holds it for all: Django refuses forms of more than a thousand fields.
    """
    if CONFIRM not in request.POST:
        return {}
    try:
        fields = json.loads(request.POST.get(DRAWN, ""))
        return {str(name): Drawn(str(epoch), float(at)) for name, (epoch, at) in fields.items()}
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return {}


def _item(breaker: Breaker, drawn: Drawn | None, *, confirmed: bool) -> Item:
    snapshot = breaker.row.snapshot
    if not confirmed or (drawn is not None and drawn.epoch == snapshot.epoch):
        return Item(breaker)
    since = float("inf") if drawn is None else drawn.at
    return Item(breaker, moved=True, changes=[t for t in snapshot.transitions if t.at >= since])


def _page(admin: BreakerAdmin, request: HttpRequest, items: list[Item]) -> HttpResponse:
    request.current_app = admin.admin_site.name
    context = {
        **admin.admin_site.each_context(request),
        "title": ngettext("Reset this breaker?", "Reset these breakers?", len(items)),
        "subtitle": environment() or None,
        "opts": admin.opts,
        "media": admin.media,
        "items": items,
        "drawn": json.dumps({item.name: item.drawn for item in items}),
        "moved": any(item.moved for item in items),
        "shared": registry().shared,
        "reason": _reason(request),
        "reason_limit": REASON_LIMIT,
        "cancel_url": request.get_full_path(),
    }
    return TemplateResponse(request, TEMPLATE, context)


def _reason(request: HttpRequest) -> str:
    """Return what was typed, without control characters: not every database can keep these."""
    return plain(request.POST.get("reason", "").strip()[:REASON_LIMIT])


def _reset(
    admin: BreakerAdmin, request: HttpRequest, breakers: BreakerRegistry, breaker: Breaker
) -> bool:
    """Reset *breaker* as it was looked at; false when it has changed since, to be asked again."""
    before = breaker.row.held.word
    reason, epoch = _reason(request), breaker.row.snapshot.epoch
    try:
        breakers[breaker.name].reset(
            by=request.user.get_username(), reason=reason, expected_epoch=epoch
        )
    except StaleActError:
        return False
    except BreakerError as error:
        messages.error(request, _("Not reset: %s") % error)
        return True
    after = report.standing(breakers[breaker.name].snapshot()).word
    change = f"{before} → {after}"
    ended = _ended(breaker)
    admin.log_change(request, breaker, _log_text(change, ended, reason))
    messages.success(
        request,
        format_html(
            "<strong>{}</strong>: {} → {}{}",
            breaker.name,
            _(before),
            _(after),
            f" ({ended})" if ended else "",
        ),
    )
    return True


def _log_text(change: str, ended: str, reason: str) -> str:
    """Return the entry of the log: English, because it is stored as it is."""
    parts = [f"Reset: {change}", f" ({ended})" if ended else "", "."]
    return "".join(parts) + (f" Reason: {reason}" if reason else "")


def _ended(breaker: Breaker) -> str:
    """Return what a reset of *breaker* ends beside its state."""
    snapshot = breaker.row.snapshot
    parts = []
    if snapshot.override is not None:
        parts.append(f"override by {snapshot.override.by or 'an operator'} ended")
    if snapshot.consecutive_failures:
        noun = "failure" if snapshot.consecutive_failures == 1 else "failures"
        parts.append(f"{snapshot.consecutive_failures} {noun} in a row cleared")
    return ", ".join(parts)


def _ended_override(breaker: Breaker) -> str:
    override = breaker.row.snapshot.override
    if override is None:
        return ""
    by = override.by or _("an operator")
    if not override.reason:
        return _("It ends the override by %s.") % by
    return _("It ends the override by %(by)s: %(reason)s") % {"by": by, "reason": override.reason}


def _met(breaker: Breaker) -> str:
    """Return what the calls that a reset lets through will meet, as far as is known."""
    snapshot = breaker.row.snapshot
    if not snapshot.last_error or snapshot.last_error_at is None:
        return ""
    ago = report.duration(snapshot.as_of - snapshot.last_error_at)
    return _("The last failure was %(ago)s ago: %(error)s.") % {
        "ago": ago,
        "error": snapshot.last_error,
    }
