"""A browser without a screen: keeps cookies, follows redirects and submits the forms of pages."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookiejar import CookieJar
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.parse import urlencode, urljoin
from urllib.request import HTTPCookieProcessor, ProxyHandler, Request, build_opener

if TYPE_CHECKING:
    from email.message import Message

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}
SVG = {"path", "circle", "rect", "line"}


@dataclass
class Button:
    """A button that sends its form."""

    name: str
    value: str
    form: Form
    text: str = ""


@dataclass
class Form:
    """A form with what it sends besides the button."""

    id: str
    method: str
    action: str
    fields: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Page:
    """An answer."""

    url: str
    status: int
    headers: Message
    text: str

    def __post_init__(self) -> None:
        self.html = _Reader()
        if self.headers.get_content_type() == "text/html":
            self.html.feed(self.text)
            self.html.close()

    def element(self, id_: str) -> str:
        """Return the text of the element with this id; empty when there is none."""
        return " ".join(self.html.texts.get(id_, "").split())

    def button(self, **wanted: str) -> Button:
        """Return the first button of which these attributes (or the text) are as *wanted*."""
        for button in self.html.buttons:
            if all(getattr(button, name).strip() == value for name, value in wanted.items()):
                return button
        found = [(each.name, each.value, each.text.strip()) for each in self.html.buttons]
        raise AssertionError(f"no button {wanted} on {self.url} ({self.status}); there are {found}")


class Browser:
    """One visitor."""

    def __init__(self) -> None:
        self._opener = build_opener(ProxyHandler({}), HTTPCookieProcessor(CookieJar()))

    def get(self, url: str) -> Page:
        return self._open(Request(url))

    def press(self, page: Page, button: Button, **typed: str) -> Page:
        """Send the button's form with *typed* in its fields."""
        sent = [(name, typed.get(name, value)) for name, value in button.form.fields]
        if button.name:
            sent.append((button.name, button.value))
        data = urlencode(sent)
        target = urljoin(page.url, button.form.action or page.url)
        if button.form.method != "post":
            return self.get(f"{target}?{data}")
        return self._open(Request(target, data=data.encode(), headers={"Referer": page.url}))

    def _open(self, request: Request) -> Page:
        try:
            answer = self._opener.open(request, timeout=30)
        except HTTPError as error:
            answer = error
        with answer:
            text = answer.read().decode()
            return Page(answer.url, answer.status, answer.headers, text)


class _Reader(HTMLParser):
    """Reads what a browser would need of a page, and notes what is wrong with it."""

    def __init__(self) -> None:
        super().__init__()
        self.buttons: list[Button] = []
        self.texts: dict[str, str] = {}
        self.links: list[str] = []
        self.tags: list[str] = []
        self.faults: list[str] = []
        self._forms: list[Form] = [Form("", "get", "")]
        self._open: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        if values.get("id"):
            if values["id"] in self.texts:
                self.faults.append(f"the id {values['id']!r} is there twice")
            self.texts[values["id"]] = ""
        if tag not in VOID | SVG:
            self._open.append((tag, values.get("id", "")))
        if tag in {"a", "link", "img"}:
            self.links.append(values.get("href") or values.get("src", ""))
        if tag == "form":
            method = values.get("method", "get").lower()
            self._forms.append(Form(values.get("id", ""), method, values.get("action", "")))
        elif tag in {"input", "button", "textarea", "select"}:
            self._control(tag, values)

    def _control(self, tag: str, values: dict[str, str]) -> None:
        form = self._form_of(values)
        kind = values.get("type", "submit" if tag == "button" else "text")
        if kind == "submit":
            text = values.get("value", "") if tag == "input" else ""
            self.buttons.append(Button(values.get("name", ""), values.get("value", ""), form, text))
        elif kind in {"checkbox", "radio"} and "checked" not in values:
            return
        elif values.get("name") and kind != "button":
            form.fields.append((values["name"], values.get("value", "")))

    def _form_of(self, values: dict[str, str]) -> Form:
        if "form" in values:
            return next(each for each in self._forms if each.id == values["form"])
        return self._forms[-1]

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID | SVG:
            return
        if not self._open or self._open[-1][0] != tag:
            self.faults.append(f"</{tag}> ends nothing here: {self.getpos()}")
            return
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for tag, id_ in self._open:
            if id_:
                self.texts[id_] += data
            if tag == "button":
                self.buttons[-1].text += data

    def close(self) -> None:
        super().close()
        self.faults += [f"<{tag}> is not ended" for tag, _ in self._open]
