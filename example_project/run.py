"""Starts the whole demo, says where it is, and stops all of it.

Sockets are opened here and handed to the servers: a port in use is noticed before anything starts,
free ports stay ours, and a page asked for too early waits instead of failing. Each server has a
session of its own, so that Ctrl-C reaches only this process, which then ends them one by one.
"""

import argparse
import fcntl
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from example_project import environment
from example_project.lifetime import exit_when_told

ROOT = environment.HERE.parent
READY_WITHIN = 60.0
"""Seconds that the servers may take to answer for the first time."""
STOPPED_WITHIN = 10.0
"""Seconds that a server may take to stop before it is killed."""

GUNICORN = ("-m", "gunicorn", "--config", str(environment.HERE / "gunicorn_settings.py"))
SERVERS = {
    "price_service": ("-m", "example_project.upstream", "--fd", "{fd}"),
    "django": (*GUNICORN, "--bind", "fd://{fd}", "example_project.shop_django.wsgi"),
    "flask": (*GUNICORN, "--bind", "fd://{fd}", "example_project.shop_flask.app:app"),
}
"""The arguments of Python for each server, in the order of their ports."""
READY_PAGES = {"price_service": "/log", "django": "/static/shop.css", "flask": "/static/shop.css"}
"""Pages that show that a server answers, without asking for a price."""


class DemoError(Exception):
    """The demo cannot go on; the message says why and what helps."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo until Ctrl-C or SIGTERM; return the exit code."""
    options = _options(arguments)
    exit_when_told()
    try:
        with ExitStack() as stack:
            _run(options, stack)
    except DemoError as error:
        print(f"The demo has stopped: {error}", file=sys.stderr)
        return 1
    except SystemExit:
        pass
    if not options.json_ready:
        print("\nThe demo has stopped.")
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m example_project",
        description="Two shops, one on Django and one on Flask, that share a circuit breaker.",
    )
    parser.add_argument(
        "--port-base",
        type=int,
        default=int(os.environ.get("PORT_BASE") or 8000),
        metavar="PORT",
        help="the first of three ports, or 0 for any free ones (default: $PORT_BASE, or 8000)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=environment.DATA,
        metavar="DIR",
        help="where the two database files lie; old ones are deleted (default: %(default)s)",
    )
    parser.add_argument(
        "--json-ready",
        action="store_true",
        help="say where everything is in one line of JSON, for programs",
    )
    return parser.parse_args(arguments)


def _run(options: argparse.Namespace, stack: ExitStack) -> None:
    sockets = {
        name: stack.enter_context(_listen(options.port_base and options.port_base + index))
        for index, name in enumerate(SERVERS)
    }
    stack.enter_context(_own(options.data))
    urls = {name: f"http://127.0.0.1:{each.getsockname()[1]}" for name, each in sockets.items()}
    variables = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "example_project.shop_django.settings",
        "SHOP_DATA": str(options.data.resolve()),
        "SHOP_PRICE_SERVICE": urls["price_service"],
        "SHOP_DJANGO": urls["django"],
        "SHOP_FLASK": urls["flask"],
        "SHOP_SECRET_KEY": secrets.token_hex(32),
    }
    _prepare(variables)
    children = stack.enter_context(_servers(sockets, variables))
    _wait_until_ready(children, urls)
    _announce(urls, children, as_json=options.json_ready)
    while True:
        _check(children)
        time.sleep(0.2)


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", port), backlog=128)
    except (OSError, OverflowError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else error
        raise DemoError(
            f"port {port} cannot be used ({reason}). End what uses it, or choose other ports: "
            "make demo PORT_BASE=9000"
        ) from error


@contextmanager
def _own(data: Path) -> Iterator[None]:
    """Hold the directory *data* for this demo alone, without the files of an earlier one."""
    data.mkdir(parents=True, exist_ok=True)
    directory = os.open(data, os.O_RDONLY)
    try:
        try:
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DemoError(
                f"another demo uses {data}. End it, or choose another directory: "
                "python -m example_project --data DIR"
            ) from error
        for name in ("shop.sqlite3", environment.BREAKER_FILE.name):
            for suffix in ("", "-wal", "-shm"):
                (data / f"{name}{suffix}").unlink(missing_ok=True)
        yield
    finally:
        os.close(directory)


def _prepare(variables: dict[str, str]) -> None:
    """Make the tables and the login."""
    command = [sys.executable, "-m", "example_project.shop_django.prepare"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        start_new_session=True,
        check=False,
    )
    if done.returncode:
        raise DemoError("its tables could not be made; the reason stands above")


Children = dict[str, subprocess.Popen[bytes]]


@contextmanager
def _servers(sockets: dict[str, socket.socket], variables: dict[str, str]) -> Iterator[Children]:
    """Start a server on each socket, and stop them all in the end."""
    children: Children = {}
    try:
        for name, listening in sockets.items():
            fd = listening.fileno()
            children[name] = subprocess.Popen(
                [sys.executable, *(each.format(fd=fd) for each in SERVERS[name])],
                cwd=ROOT,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr,
                pass_fds=[fd],
                start_new_session=True,
            )
            listening.close()
        yield children
    finally:
        _stop(children)


def _stop(children: Children) -> None:
    for child in children.values():
        child.terminate()
    deadline = time.monotonic() + STOPPED_WITHIN
    for child in children.values():
        try:
            child.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)  # its session: the workers as well
            child.wait()


def _check(children: Children) -> None:
    for name, child in children.items():
        code = child.poll()
        if code is not None:
            raise DemoError(f"the server {name!r} has ended by itself (exit code {code})")


def _wait_until_ready(children: Children, urls: dict[str, str]) -> None:
    direct = build_opener(ProxyHandler({}))
    deadline = time.monotonic() + READY_WITHIN
    for name, url in urls.items():
        while True:
            _check(children)
            try:
                direct.open(url + READY_PAGES[name], timeout=1).close()
                break
            except (URLError, OSError) as error:
                if time.monotonic() > deadline:
                    raise DemoError(f"{url} does not answer: {error}") from error
                time.sleep(0.1)


def _announce(urls: dict[str, str], children: Children, *, as_json: bool) -> None:
    admin = environment.admin_page(urls["django"])
    status = environment.status_page(urls["flask"])
    user, password = environment.USER, environment.PASSWORD
    if as_json:
        pids = {name: child.pid for name, child in children.items()}
        about = {**urls, "admin": admin, "status": status, "user": user, "password": password}
        print(json.dumps({**about, "pids": pids}), flush=True)
        return
    print(
        f"""
A circuit breaker at work: two shops, four worker processes, one breaker.

  Start here    {urls["price_service"]}/
  Django shop   {urls["django"]}/
  Flask shop    {urls["flask"]}/
  Admin         {admin}
                user {user}, password {password}
  As JSON       {status}

Press Ctrl-C to stop.
""",
        flush=True,
    )
