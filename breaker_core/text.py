"""Foreign text: names, reasons and errors that others wrote, made harmless to show."""

from __future__ import annotations


def plain(text: str) -> str:
    """Return *text* so that a terminal or a log shows it and obeys nothing in it."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in text)
