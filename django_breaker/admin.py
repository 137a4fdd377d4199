"""The admin's pages of breakers: list, detail and reset, on a model without a table.

Only the rows are ours (``admin_rows``); the pages are Django's own, so that themes and new
versions of the admin just work. Looking takes no permit and changes nothing.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.http import HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from breaker_core import report
from django_breaker import admin_cells as cells
from django_breaker import admin_reset
from django_breaker.admin_rows import Picture, Rows, environment, picture
from django_breaker.models import Breaker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.http import HttpRequest, HttpResponse

    Base = admin.ModelAdmin[Breaker]
else:
    Base = admin.ModelAdmin

Page = TypeVar("Page")

STATES = {
    "open": gettext_noop("Open"),
    "forced-open": gettext_noop("Forced open"),
    "half-open": gettext_noop("Half-open"),
    "unknown": gettext_noop("Unknown"),
    "forced-closed": gettext_noop("Forced closed"),
    "closed": gettext_noop("Closed"),
}
NOT_NORMAL = "not-normal"


class StateFilter(admin.SimpleListFilter):
    """Chooses breakers by how they stand."""

    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(NOT_NORMAL, _("Not normal")), *((key, _(word)) for key, word in STATES.items())]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        wanted = self.value()
        if wanted == NOT_NORMAL:
            return queryset.matching(lambda row: row.held.severity > 0)
        if wanted is not None:
            return queryset.matching(lambda row: row.held.key == wanted)
        return queryset


@admin.register(Breaker)
class BreakerAdmin(Base):
    """Lists the configured breakers, the worst first, and resets them."""

    list_display = ("breaker", "state", "now", "reset_button")
    list_display_links = ("breaker",)
    list_filter = (StateFilter,)
    search_fields = ("name",)
    show_facets = admin.ShowFacets.NEVER
    actions = ("reset_selected",)
    fieldsets: ClassVar[Any] = (
        (None, {"fields": ("state_now", "about")}),
        (gettext_lazy("Processes"), {"fields": ("in_processes",)}),
        (gettext_lazy("History"), {"fields": ("history",)}),
        (gettext_lazy("Configuration"), {"fields": ("configuration",)}),
    )
    readonly_fields = ("state_now", "about", "in_processes", "history", "configuration")

    class Media:
        css: ClassVar[dict[str, Any]] = {"all": ("django_breaker/admin.css",)}

    # -- rows --------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> Any:
        return Rows(picture(request).breakers)

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Breaker | None:
        found = Rows(picture(request).breakers).filter(pk__in=[object_id])
        return found[0] if found else None

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        return ("-severity", "name")

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        """Find breakers by words in name, description, owner and last error."""
        words = search_term.casefold().split()
        return queryset.matching(lambda row: all(word in _searched(row) for word in words)), False

    # -- rights ------------------------------------------------------------------------------

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_reset_permission(self, request: HttpRequest) -> bool:
        """Whether the user may reset breakers."""
        return request.user.has_perm(f"{self.opts.app_label}.reset_{self.opts.model_name}")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_view_permission(request, obj) or self.has_reset_permission(request)

    # -- pages -------------------------------------------------------------------------------

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        if request.method == "POST" and admin_reset.RESET in request.POST:
            return admin_reset.answer(self, request, request.POST.getlist(admin_reset.RESET))
        seen = picture(request)
        context = {
            "title": _("Circuit breakers"),
            "subtitle": environment() or None,
            "breaker_notice": list(_notice(seen)),
            "breaker_hints": list(_hints(seen)),
        }
        response = super().changelist_view(request, {**context, **(extra_context or {})})
        return _with_warnings(request, response)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if request.method == "POST" and admin_reset.RESET in request.POST:
            return admin_reset.answer(self, request, [unquote(object_id)])
        if picture(request).problem:  # the list says what is wrong; there is nothing to show here
            address = reverse(
                "admin:django_breaker_breaker_changelist", current_app=self.admin_site.name
            )
            return HttpResponseRedirect(address)
        context = {
            "title": unquote(object_id),
            "subtitle": environment() or None,
            "can_reset": self.has_reset_permission(request),
        }
        response = super().change_view(
            request, object_id, form_url, {**context, **(extra_context or {})}
        )
        return _with_warnings(request, response)

    @admin.action(
        permissions=["reset"], description=gettext_lazy("Reset selected circuit breakers …")
    )
    def reset_selected(self, request: HttpRequest, queryset: Any) -> HttpResponse:
        """Lead to the confirmation page for the ticked breakers."""
        return admin_reset.answer(self, request, [each.name for each in queryset])

    # -- columns -----------------------------------------------------------------------------

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        columns = self.list_display
        return columns if self.has_reset_permission(request) else columns[:-1]

    @admin.display(description=gettext_lazy("breaker"), ordering="name")
    def breaker(self, obj: Breaker) -> str:
        """The name and what it is for."""
        return cells.name_cell(obj.row)

    @admin.display(description=gettext_lazy("state"), ordering="-severity")
    def state(self, obj: Breaker) -> str:
        """The state in words, since when and why."""
        return cells.state_cell(obj.row)

    @admin.display(description=gettext_lazy("now"))
    def now(self, obj: Breaker) -> str:
        """Failures in a row, processes, and whom to call."""
        return cells.now_cell(obj.row)

    @admin.display(description="")
    def reset_button(self, obj: Breaker) -> str:
        """The button that leads to the confirmation page."""
        return format_html(
            '<button type="submit" class="button breaker-action" name="{}" value="{}" '
            'aria-label="{}">{}</button>',
            admin_reset.RESET,
            obj.name,
            _("Reset %s …") % obj.name,
            _("Reset …"),
        )

    # -- detail ------------------------------------------------------------------------------

    @admin.display(description=gettext_lazy("state"))
    def state_now(self, obj: Breaker) -> str:
        """All about the state at this moment."""
        return cells.state_detail(obj.row)

    @admin.display(description=gettext_lazy("what it is for"))
    def about(self, obj: Breaker) -> str:
        """Description, owner and runbook."""
        return cells.about_detail(obj.row.snapshot.config)

    @admin.display(description=gettext_lazy("seen lately"))
    def in_processes(self, obj: Breaker) -> str:
        """How it stands in each process."""
        return cells.processes_detail(obj.row)

    @admin.display(description=gettext_lazy("newest first"))
    def history(self, obj: Breaker) -> str:
        """The last transitions and acts."""
        return cells.history_detail(obj.row.snapshot)

    @admin.display(description=gettext_lazy("how it behaves"))
    def configuration(self, obj: Breaker) -> str:
        """The configuration in sentences."""
        return cells.configuration_detail(obj.row.snapshot.config)


def _with_warnings(request: HttpRequest, response: Page) -> Page:
    """Return *response*; when it is a page yet to be drawn, it will say what is wrong."""
    seen = picture(request)
    if isinstance(response, TemplateResponse) and seen.problem:
        messages.error(request, _("The settings are wrong: %s") % seen.problem)
    if isinstance(response, TemplateResponse) and seen.store_away:
        text = _("The breaker store is unreachable: this is what this process last saw.")
        messages.warning(request, text)
    return response


def _searched(row: Any) -> str:
    snapshot = row.snapshot
    config = snapshot.config
    texts = (snapshot.name, config.description, config.owner, snapshot.last_error)
    return " ".join(texts).casefold()


def _notice(seen: Picture) -> Iterator[tuple[str, str]]:
    """Return what is not normal, each with the state to filter by."""
    counts = Counter(each.row.held.key for each in seen.breakers if each.row.held.severity)
    for key, word in STATES.items():
        if counts[key]:
            yield f"{counts[key]} {_(word).lower()}", NOT_NORMAL if key == "closed" else key


def _hints(seen: Picture) -> Iterator[str]:
    """Return what makes the page say less than it seems to."""
    if seen.breakers:
        looks = [each.row.snapshot.as_of for each in seen.breakers if each.row.snapshot.seen]
        if looks:
            yield _("As of %s.") % report.clock_time(min(looks))
    elif not seen.problem:
        yield _("No breakers are configured. Write them in the setting BREAKERS: %s") % (
            'BREAKERS = {"payments": {"failure_threshold": 3}}'
        )
    if not seen.enabled:
        yield _("Breakers are switched off here (BREAKER_ENABLED is False): every call passes.")
    elif not seen.shared:
        yield _("The state is not shared (BREAKER_CACHE): this is the process that drew the page.")
