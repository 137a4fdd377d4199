"""The demo's first page: the switch, the walk-through, and who has asked for a price."""

from collections.abc import Mapping, Sequence
from html import escape
from string import Template
from typing import Any

from example_project.environment import (
    BREAKERS,
    DJANGO_SHOP,
    FLASK_SHOP,
    HERE,
    PASSWORD,
    USER,
    admin_page,
    links,
    status_page,
)
from example_project.price_client import TIMEOUT

WORDS = {  # on the button: word and effect; in the heading: what the service then is
    "healthy": ("Healthy", "answers at once", "healthy"),
    "fail": ("Fail", "answers 500", "failing"),
    "hang": ("Hang", "does not answer", "hanging"),
}


def start_page(log: Mapping[str, Any]) -> str:
    """Return the page for the state of the service in *log*."""
    mode = log["mode"]
    return Template((HERE / "upstream" / "start.html").read_text("utf-8")).substitute(
        nav="\n".join(_link(each) for each in links("Start")),
        mode=mode,
        word=WORDS[mode][2],
        switch="\n".join(_button(each, pressed=each == mode) for each in WORDS),
        requests=log["requests"],
        rows="\n".join(_row(each) for each in log["callers"]) or _NOBODY,
        django=escape(DJANGO_SHOP),
        flask=escape(FLASK_SHOP),
        admin=escape(admin_page()),
        status=escape(status_page()),
        user=USER,
        password=PASSWORD,
        threshold=BREAKERS["prices"]["failure_threshold"],
        open_timeout=f"{BREAKERS['prices']['open_timeout']:g}",
        timeout=f"{TIMEOUT:g}",
    )


_NOBODY = '<tr><td colspan="5">Nobody has asked yet: open one of the shops.</td></tr>'


def _link(link: Mapping[str, Any]) -> str:
    here = ' aria-current="page"' if link["here"] else ""
    return f'<a href="{escape(link["url"])}"{here}>{escape(link["name"])}</a>'


def _button(mode: str, *, pressed: bool) -> str:
    word, effect, _ = WORDS[mode]
    return (
        f'<button class="button" name="mode" value="{mode}" aria-pressed="{str(pressed).lower()}">'
        f"{word}<small>{effect}</small></button>"
    )


def _row(caller: Mapping[str, Any]) -> str:
    cells: Sequence[str] = [escape(str(caller["shop"])), escape(str(caller["process"]))]
    counts = "".join(f'<td class="count">{caller[mode]}</td>' for mode in WORDS)
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}{counts}</tr>"
