"""How the admin draws a breaker: cells of the list, parts of the detail page.

Everything here turns values into escaped HTML with classes and no inline style, so that a content
security policy holds; names, reasons and error texts are foreign text. Colours and shapes are the
style sheet's.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.utils.html import conditional_escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from breaker_core import report

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from breaker_core import BreakerConfig, Snapshot, Transition
    from breaker_core.report import Standing
    from django_breaker.admin_rows import Row

SHAPES = {
    "open": "■",
    "forced-open": "■",
    "half-open": "◐",
    "closed": "●",
    "forced-closed": "●",
    "unknown": "?",
}
LINK_SCHEMES = ("https://", "http://", "mailto:", "tel:")


def badge(held: Standing) -> SafeString:
    """Return the state as shape and word."""
    return format_html(
        '<span class="breaker-state breaker-state--{}">'
        '<span class="breaker-shape" aria-hidden="true">{}</span> {}</span>',
        held.key,
        SHAPES[held.key],
        _(held.word),
    )


def lines(parts: Iterable[str]) -> SafeString:
    """Return the *parts* that are not empty, each as a line of its own."""
    return format_html_join("", '<span class="breaker-line">{}</span>', ((p,) for p in parts if p))


def quiet(text: str) -> SafeString:
    """Return *text* as secondary."""
    return format_html('<span class="breaker-quiet">{}</span>', text) if text else mark_safe("")


def time(at: float) -> SafeString:
    """Return a time of day with its zone, readable by machines too."""
    when = datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
    return format_html('<time datetime="{}">{}</time>', when, report.clock_time(at))


def name_cell(row: Row) -> SafeString:
    """Return the name and what the dependency is for."""
    config = row.snapshot.config
    marks = [config.description, _("shadow: rejects nothing") if config.shadow else ""]
    return lines([format_html("<strong>{}</strong>", row.snapshot.name), *map(quiet, marks)])


def state_cell(row: Row) -> SafeString:
    """Return the badge, what it means and what comes next, since when and why."""
    snapshot = row.snapshot
    head = format_html("{} {}", badge(row.held), row.held.sentence)
    return lines([head, since(snapshot), quiet(report.why(snapshot)), override_words(snapshot)])


def since(snapshot: Snapshot) -> str:
    """Return since when a breaker is not closed, as a duration and as a time."""
    if snapshot.opened_at is None:
        return ""
    length = report.duration(snapshot.as_of - snapshot.opened_at)
    return format_html(_("opened {} ago, at {}"), length, time(snapshot.opened_at))


def override_words(snapshot: Snapshot) -> str:
    """Return the reason of an operator's override and when it ends."""
    override = snapshot.override
    if override is None:
        return ""
    if override.until is None:
        return format_html(_("overridden since {}, without an end"), time(override.at))
    return format_html(_("overridden since {}, until {}"), time(override.at), time(override.until))


def now_cell(row: Row) -> SafeString:
    """Return the failures in a row, in how many processes it rejects, and whom to call."""
    snapshot = row.snapshot
    counted = "" if snapshot.reason else streak(row)
    return lines([counted, quiet(_(report.reach_words(row.reach))), contact(snapshot.config)])


def streak(row: Row) -> str:
    """Return the failures in a row beside their limit."""
    snapshot = row.snapshot
    limit = snapshot.config.failure_threshold
    if not snapshot.consecutive_failures:
        return _("no failures in a row") if row.used else _("not used yet")
    pair = format_html(_("{} of {}"), snapshot.consecutive_failures, limit)
    return format_html(_('<span dir="ltr">{}</span> failures in a row'), pair)


def contact(config: BreakerConfig) -> str:
    """Return the owner and the runbook, as a link if it is an address."""
    parts = [quiet(config.owner), runbook(config.runbook)]
    return format_html_join(" · ", "{}", ((part,) for part in parts if part))


def runbook(where: str) -> str:
    """Return a link to the runbook; as plain text when it is no web address."""
    if not where.lower().startswith(LINK_SCHEMES):
        return quiet(where)
    return format_html('<a href="{}" rel="noreferrer">{}</a>', where, _("runbook"))


# -- the detail page -------------------------------------------------------------------------


def state_detail(row: Row) -> SafeString:
    """Return all about the state at this moment."""
    snapshot = row.snapshot
    seen = time(snapshot.as_of) if snapshot.seen else _("never seen")
    as_of = format_html(_("as of {}"), seen)
    last = ""
    if snapshot.last_error and snapshot.last_error_at is not None:
        ago = report.duration(snapshot.as_of - snapshot.last_error_at)
        last = format_html(_("last error {}, {} ago"), snapshot.last_error, ago)
    return lines([state_cell(row), streak(row), last, quiet(as_of)])


def processes_detail(row: Row) -> SafeString:
    """Return a table of the processes that spoke lately, and how the breaker stands in each."""
    name = row.snapshot.name
    used = [each for each in row.processes if name in each.breakers]
    words = _(report.reach_words(row.reach))
    if not used:
        return lines([words])
    head = (_("Process"), _("Now"), _("Calls"), _("Failed"), _("Rejected"), _("Heard"))
    return lines([words, _table(head, (_process_cells(name, each, row) for each in used))])


def _process_cells(name: str, process: Any, row: Row) -> tuple[str, ...]:
    there = process.breakers[name]
    totals = there.totals
    heard = max(0.0, row.snapshot.as_of - process.at)
    return (
        f"{process.host}:{process.pid}",
        _process_words(
            rejects=there.rejects, fleet_closed=row.snapshot.fleet_state.value == "closed"
        ),
        str(totals.get("calls", 0)),
        str(totals.get("failures", 0)),
        str(totals.get("rejections", 0)),
        _("%s ago") % report.duration(heard),
    )


def _process_words(*, rejects: bool, fleet_closed: bool) -> str:
    if not rejects:
        return _("calls pass")
    return _("calls rejected, by itself") if fleet_closed else _("calls rejected")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> SafeString:
    body = format_html_join(
        "", "<tr>{}</tr>", ((format_html_join("", "<td>{}</td>", ((c,) for c in r)),) for r in rows)
    )
    titles = format_html_join("", '<th scope="col">{}</th>', ((title,) for title in head))
    return format_html(
        '<table class="breaker-table"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>',
        titles,
        body,
    )


def history_detail(snapshot: Snapshot) -> SafeString:
    """Return the last transitions and operators' acts, the newest first."""
    if not snapshot.transitions:
        return lines([_("nothing has happened yet")])
    items = ((history_item(each),) for each in reversed(snapshot.transitions))
    return format_html('<ol class="breaker-history">{}</ol>', format_html_join("", "{}", items))


def history_item(transition: Transition) -> SafeString:
    """Return one transition or act as a list item."""
    _when, change, why = report.history_line(transition).split("  ", 2)
    return format_html("<li>{} <strong>{}</strong> · {}</li>", time(transition.at), change, why)


def configuration_detail(config: BreakerConfig) -> SafeString:
    """Return in sentences how the breaker behaves."""
    return lines(_sentences(config))


def _sentences(config: BreakerConfig) -> Iterable[str]:
    limit = config.failure_threshold or 0
    yield ngettext(
        "Opens at %(limit)d failure in a row.", "Opens at %(limit)d failures in a row.", limit
    ) % {"limit": limit}
    yield _open_sentence(config)
    yield ngettext(
        "Closes after %(count)d successful trial",
        "Closes after %(count)d successful trials",
        config.success_threshold,
    ) % {"count": config.success_threshold} + _("; a trial that takes longer than %s is lost.") % (
        _duration(config.trial_timeout)
    )
    yield _("Failures are: %s.") % _classes(config.failure_on)
    yield _("Ignored are: %s.") % _classes(config.ignore) if config.ignore else ""
    yield _("Answers with a fallback while it rejects.") if config.fallback else ""
    yield _("Shadow mode: decides and counts, rejects nothing.") if config.shadow else ""
    yield _("Other processes see a change within %s.") % _duration(config.refresh_interval)


def _open_sentence(config: BreakerConfig) -> str:
    open_for = _("Stays open for %s") % _duration(config.open_timeout)
    if config.open_timeout_max is not None:
        open_for += _(", doubled after each failed trial up to %s") % (
            _duration(config.open_timeout_max)
        )
    most = config.half_open_max_calls
    return open_for + ngettext(
        ", then lets %(most)d call at a time try.",
        ", then lets %(most)d calls at a time try.",
        most,
    ) % {"most": most}


def _duration(seconds: object) -> str:
    return report.duration(float(str(seconds)))


def _classes(kinds: Iterable[type]) -> str:
    return ", ".join(kind.__qualname__ for kind in kinds)


def about_detail(config: BreakerConfig) -> SafeString:
    """Return what the dependency is for, whom to call and where the runbook is."""
    parts = [conditional_escape(config.description), config.owner, runbook(config.runbook)]
    return lines(parts) if any(parts) else lines([_("nothing is written in BREAKERS")])
