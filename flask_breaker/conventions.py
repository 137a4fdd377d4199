"""What Flask's own answers say about a dependency.

An ``HTTPException`` below 500 is an answer: the dependency works. A returned response of status
500 or above is a failure, also in the form of a view's tuple.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException
from werkzeug.sansio.response import Response

from breaker_core import Conventions

_BODIES = (str, bytes, bytearray, dict, list, Iterator, Response)
_HEADERS = (dict, list, tuple, Headers)


def is_answer(error: BaseException) -> bool:
    """Whether *error* is an answer below 500, such as ``abort(404)``."""
    if not isinstance(error, HTTPException):
        return False
    status = _status(error)
    return status is not None and status < 500


def is_failure(result: Any) -> bool:
    """Whether *result* is a response of status 500 or above, or a view's tuple that makes one."""
    status = _status_of_tuple(result) if isinstance(result, tuple) else _status(result)
    return status is not None and status >= 500


def _status(result: Any) -> int | None:
    if isinstance(result, Response):
        return result.status_code
    if isinstance(result, HTTPException):  # abort(response) has no code, but a response
        return result.code if result.response is None else _status(result.response)
    return None


def _status_of_tuple(answer: tuple[Any, ...]) -> int | None:
    """Return the status of (body, status), (body, headers) or (body, status, headers).

    Any function may return a tuple, so what Flask would not take for a response is left alone.
    """
    if len(answer) not in {2, 3} or not isinstance(answer[0], _BODIES):
        return None
    if len(answer) == 3 and not isinstance(answer[2], _HEADERS):
        return None
    status = _number(answer[1])
    return _status(answer[0]) if status is None else status


def _number(status: Any) -> int | None:
    if isinstance(status, str):
        found = re.fullmatch(r"([1-5]\d\d)( .*)?", status)
        return int(found[1]) if found else None
    if isinstance(status, int) and 100 <= status <= 599:
        return int(status)
    return None


CONVENTIONS = Conventions(is_answer=is_answer, is_failure=is_failure)
