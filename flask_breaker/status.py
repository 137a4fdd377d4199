"""How an application's breakers stand, as JSON for machines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from flask import Response

from breaker_core.report import as_mapping, worst_first

if TYPE_CHECKING:
    from flask_breaker.application import AppBreakers


def status_response(held: AppBreakers) -> Response:
    """Return all breakers, the worst first; status 200 whatever they do, never cached."""
    registry = held.registry
    snapshots = registry.snapshots(fresh=True)
    processes = registry.processes()
    told = {
        "environment": held.settings.environment,
        "breakers": [as_mapping(each, processes) for each in worst_first(snapshots, processes)],
    }
    response = Response(json.dumps(told), mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response
