"""The types of the public names are exact: ``api.py`` holds what mypy must and must not accept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def checked(path: Path) -> subprocess.CompletedProcess[str]:
    """What mypy says of *path*, by the project's own configuration: strict."""
    return subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", str(path)],
        cwd=ROOT,
        env={**os.environ, "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_mypy_accepts_what_the_api_promises() -> None:
    """An ignore that is not needed is an error too, so wrong calls stay wrong."""
    done = checked(ROOT / "tests/typing/api.py")
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_mypy_finds_a_wrong_promise(tmp_path: Path) -> None:
    """Else the test above would prove nothing."""
    text = (ROOT / "tests/typing/api.py").read_text()
    planted = tmp_path / "planted.py"
    planted.write_text(text + "\nassert_type(charged(1), bytes)\ncharged(1, 2)\n")
    done = checked(planted)
    assert "assert-type" in done.stdout
    assert "call-arg" in done.stdout
