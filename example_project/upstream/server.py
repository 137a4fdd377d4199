"""A small HTTP server: a price, a log of who asked, and a page with a switch.

It knows nothing of circuit breakers; it only counts the requests that reach it.
"""

import json
import socket
import threading
from collections import Counter
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from example_project.environment import HERE
from example_project.upstream.page import start_page

MODES = ("healthy", "fail", "hang")
PRICES = {"teapot": "24.90"}
HANG = 30.0
"""Seconds that a hanging request takes: longer than any shop waits."""
STATIC = {"/static/shop.css": "text/css; charset=utf-8", "/static/teapot.svg": "image/svg+xml"}


class Log:
    """How the service behaves, and how often which process of which shop has asked."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, str], Counter[str]] = {}
        self._mode = MODES[0]

    @property
    def mode(self) -> str:
        return self._mode

    def switch(self, mode: str) -> None:
        """Behave like *mode* from now on."""
        with self._lock:
            self._mode = mode

    def count(self, shop: str, process: str) -> str:
        """Note a request and return the mode to answer it in."""
        with self._lock:
            self._counts.setdefault((shop, process), Counter())[self._mode] += 1
            return self._mode

    def as_mapping(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        with self._lock:
            callers = [
                {"shop": shop, "process": process, **{mode: counts[mode] for mode in MODES}}
                for (shop, process), counts in sorted(self._counts.items())
            ]
            total = sum(counts.total() for counts in self._counts.values())
            return {"mode": self._mode, "requests": total, "callers": callers}


class PriceServer(ThreadingHTTPServer):
    """Serves on a socket that is listening already."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, listening: socket.socket) -> None:
        super().__init__(listening.getsockname()[:2], Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.log = Log()
        self.ending = threading.Event()

    def serve(self) -> None:
        """Serve until an exception ends it; requests that hang are let go then."""
        try:
            self.serve_forever(poll_interval=0.2)
        finally:
            self.ending.set()


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: PriceServer

    def do_GET(self) -> None:
        """Answer ``/``, ``/price?item=…``, ``/log`` and the two static files."""
        address = urlsplit(self.path)
        if address.path == "/":
            page = start_page(self.server.log.as_mapping())
            self._answer(HTTPStatus.OK, page.encode(), "text/html; charset=utf-8")
        elif address.path == "/price":
            self._price(parse_qs(address.query).get("item", [""])[0])
        elif address.path == "/log":
            self._json(HTTPStatus.OK, self.server.log.as_mapping())
        elif address.path in STATIC:
            content = (HERE / address.path.lstrip("/")).read_bytes()
            self._answer(HTTPStatus.OK, content, STATIC[address.path])
        else:
            self._json(HTTPStatus.NOT_FOUND, {"error": "there is no such page"})

    def do_POST(self) -> None:
        """Take a new mode from the switch and go back to the page."""
        if urlsplit(self.path).path != "/mode":
            self._json(HTTPStatus.NOT_FOUND, {"error": "there is no such page"})
            return
        length = min(int(self.headers.get("Content-Length") or 0), 1000)
        mode = parse_qs(self.rfile.read(length).decode("latin-1")).get("mode", [""])[0]
        if mode not in MODES:
            error = f"mode must be one of {', '.join(MODES)}; got {mode!r}"
            self._json(HTTPStatus.BAD_REQUEST, {"error": error})
            return
        self.server.log.switch(mode)
        self.send_response(HTTPStatus.SEE_OTHER)
        self.send_header("Location", "/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _price(self, item: str) -> None:
        shop = self.headers.get("X-Shop", "somebody")[:20]
        mode = self.server.log.count(shop, self.headers.get("X-Process", "?")[:10])
        if mode == "hang":
            self.server.ending.wait(HANG)
            self.close_connection = True
        elif mode == "fail":
            self._json(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": "broken by the switch"})
        elif item not in PRICES:
            self._json(HTTPStatus.NOT_FOUND, {"error": "unknown item"})
        else:
            self._json(HTTPStatus.OK, {"item": item, "price": PRICES[item], "currency": "EUR"})

    def _json(self, status: HTTPStatus, values: dict[str, Any]) -> None:
        self._answer(status, json.dumps(values).encode(), "application/json")

    def _answer(self, status: HTTPStatus, content: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the terminal quiet: the page shows the requests."""
