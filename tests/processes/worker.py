"""One worker of a Django site, as a process of its own: does what its standard input says.

Every line in is a command in JSON, every line out the answer. The upstream that it calls is a log
that all workers append to: who entered, who left, when.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import django
from django.conf import settings


def set_up(site: dict[str, Any]) -> None:
    """Be a site with the settings *site*."""
    settings.configure(
        INSTALLED_APPS=["django_breaker"], USE_TZ=True, SECRET_KEY="tests", **site["settings"]
    )
    django.setup()


class Worker:
    """Calls the upstream through the breaker ``payments``."""

    def __init__(self, log: str) -> None:
        from django_breaker import breaker, breakers
        from django_breaker.signals import operator_acted, process_state_changed, state_changed

        self.log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self.breakers = breakers
        self.guarded = breaker("payments")(self.upstream)
        self.events: list[dict[str, Any]] = []
        for kind, signal in (
            ("fleet", state_changed),
            ("process", process_state_changed),
            ("operator", operator_acted),
        ):
            signal.connect(self.remember(kind), weak=False)

    def remember(self, kind: str) -> Any:
        def receiver(sender: Any, **told: Any) -> None:
            transition = told["transition"]
            self.events.append(
                {
                    "kind": kind,
                    "at": transition.at,
                    "from": transition.before.value,
                    "to": transition.after.value,
                    "rule": transition.rule,
                    "process": transition.process,
                }
            )

        return receiver

    def upstream(self, outcome: str, hold: float) -> str:
        self.note("enter")
        try:
            time.sleep(hold)  # the upstream's own work, not a test that waits
        finally:
            self.note("leave")
        if outcome == "fail":
            raise TimeoutError("upstream")
        return "done"

    def note(self, what: str) -> None:
        line = json.dumps({"what": what, "pid": os.getpid(), "at": time.monotonic()})
        os.write(self.log, f"{line}\n".encode())

    def call(self, outcome: str, hold: float = 0.0) -> str:
        from breaker_core import CircuitOpenError

        try:
            return self.guarded(outcome, hold)
        except CircuitOpenError:
            return "rejected"
        except TimeoutError:
            return "failed"

    def loop(self, seconds: float, outcome: str, hold: float) -> dict[str, int]:
        counts = {"done": 0, "failed": 0, "rejected": 0}
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            result = self.call(outcome, hold)
            counts[result] += 1
            if result == "rejected":
                time.sleep(0.002)  # another caller comes a moment later
        return counts

    def obey(self, command: dict[str, Any]) -> Any:
        do = command.pop("do")
        if do == "call":
            return self.call(**command)
        if do == "loop":
            return self.loop(**command)
        if do == "reset":
            return self.breakers["payments"].reset(by="alice", reason="test")
        if do == "events":
            return self.events
        snapshot = self.breakers["payments"].snapshot()
        return {"state": snapshot.state.value, "store": snapshot.store}


def main() -> None:
    site = json.loads(sys.argv[1])
    set_up(site)
    worker = Worker(site["log"])
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        print(json.dumps(worker.obey(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
