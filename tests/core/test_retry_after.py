"""Reading ``Retry-After``: from real answers of urllib and from the shapes of other clients."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from breaker_core import BreakerConfig, CircuitBreaker
from breaker_core.retry_after import from_response
from breaker_core.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterator

DATE = "Wed, 21 Oct 2015 07:28:00 GMT"
DATE_SECONDS = 1445412480.0


class Answering(BaseHTTPRequestHandler):
    """Answers with the status that the path names."""

    def do_GET(self) -> None:
        self.send_response(int(self.path[1:]))
        self.send_header("Retry-After", "120")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Keep the output of the tests clean."""


@pytest.fixture
def server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Answering) as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}"
        serving.shutdown()
        thread.join()


def answer(text: str, name: str = "Retry-After") -> SimpleNamespace:
    return SimpleNamespace(headers={name: text}, status_code=503)


def test_an_error_of_urllib_is_read(server: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{server}/503", timeout=10)
    with caught.value:
        assert from_response(caught.value) == 120


def test_an_answer_of_urllib_is_read(server: str) -> None:
    with urllib.request.urlopen(f"{server}/200", timeout=10) as answered:
        assert from_response(answered) == 120


def test_an_error_that_carries_its_response_is_read() -> None:
    error = OSError("503")
    error.response = answer("7")  # type: ignore[attr-defined]
    assert from_response(error) == 7


def test_a_response_that_is_false_is_read() -> None:
    """As requests has it for every status from 400."""

    class Refused:
        def __init__(self) -> None:
            self.headers = {"retry-after": "8"}

        def __bool__(self) -> bool:
            return False

    assert from_response(SimpleNamespace(response=Refused())) == 8


def test_an_error_whose_response_cannot_be_asked_for_asks_nothing() -> None:
    """As httpx raises RuntimeError for some errors' attributes."""

    class OddError(Exception):
        @property
        def response(self) -> object:
            raise RuntimeError("not set")

    assert from_response(OddError()) is None


@pytest.mark.parametrize("name", ["Retry-After", "retry-after", "RETRY-AFTER"])
def test_the_case_of_the_name_does_not_matter(name: str) -> None:
    assert from_response(answer("3", name)) == 3


@pytest.mark.parametrize(("earlier", "seconds"), [(90, 90), (0, 0), (-5, 0)])
def test_a_date_asks_for_the_time_until_then(earlier: float, seconds: float) -> None:
    assert from_response(answer(DATE), now=lambda: DATE_SECONDS - earlier) == seconds


def test_a_date_without_a_zone_is_utc() -> None:
    text = DATE.replace("GMT", "-0000")
    assert from_response(answer(text), now=lambda: DATE_SECONDS - 30) == 30


@pytest.mark.parametrize("text", ["", "soon", "-5", "1.5e3", "nan", "inf", "²", "9" * 400])
def test_what_cannot_be_read_asks_for_nothing(text: str) -> None:
    assert from_response(answer(text)) is None


@pytest.mark.parametrize(
    "value", [None, 5, "x", OSError(), SimpleNamespace(headers=5), SimpleNamespace(response=None)]
)
def test_what_has_no_headers_asks_for_nothing(value: object) -> None:
    assert from_response(value) is None


def test_the_dotted_path_lengthens_the_open_time() -> None:
    config = BreakerConfig(
        failure_threshold=1,
        open_timeout=10,
        retry_after_from="breaker_core.retry_after.from_response",
        failure_if=lambda result: result.status_code == 503,
    )
    clock = FakeClock()
    breaker = CircuitBreaker("payments", config, clock=clock)
    breaker.call(answer, "120")
    assert breaker.snapshot().retry_after == 120
