"""What is shipped: the wheel's files, and the names that users may rely on."""

from __future__ import annotations

import importlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

EXPORTED = {
    "breaker_core": {
        *("BreakerConfig", "BreakerError", "BreakerEvent", "BreakerRegistry", "CircuitBreaker"),
        *("CircuitOpenError", "ConfigurationError", "Conventions", "LazyBreaker"),
        *(
            "OperatorActed",
            "Override",
            "OverrideKind",
            "Permit",
            "ProcessStateChanged",
            "ProcessSummary",
        ),
        *(
            "Snapshot",
            "StaleActError",
            "State",
            "StateChanged",
            "StoreChanged",
            "Transition",
            "UnknownBreakerError",
        ),
        *("Attempt", "Failure", "Rejected", "Success", "nearest", "read_configs"),
    },
    "breaker_core.stores": {
        *("CacheStore", "MemoryStore", "SeenText", "SharedStore", "SqlConnection"),
        *("SqlDatabase", "SqlTexts", "StoreError", "Stored", "store_for", "use_django_tables"),
    },
    "breaker_core.testing": {"FakeClock", "isolated_breakers", "shared_breakers"},
    "django_breaker": {"breaker", "breakers", "protect_view"},
}


@pytest.mark.parametrize("module", sorted(EXPORTED))
def test_exactly_these_names_are_exported(module: str) -> None:
    imported = importlib.import_module(module)
    assert set(imported.__all__) == EXPORTED[module]
    assert all(hasattr(imported, name) for name in imported.__all__)


def test_flask_breaker_exports_the_extension() -> None:
    assert "Breakers" in importlib.import_module("flask_breaker").__all__


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of the files in a wheel built now."""
    folder = tmp_path_factory.mktemp("wheel")
    build = "import sys, hatchling.build as h; print(h.build_wheel(sys.argv[1]))"
    subprocess.run(
        [sys.executable, "-c", build, str(folder)], cwd=ROOT, check=True, capture_output=True
    )
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_the_three_packages_and_nothing_else(wheel: set[str]) -> None:
    folders = {name.split("/")[0] for name in wheel if ".dist-info/" not in name}
    assert folders == {"breaker_core", "django_breaker", "flask_breaker"}


@pytest.mark.parametrize("package", ["breaker_core", "django_breaker", "flask_breaker"])
def test_every_file_of_a_package_is_in_the_wheel(wheel: set[str], package: str) -> None:
    tracked = subprocess.run(
        ["git", "ls-files", package], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    assert set(tracked) - wheel == set()
    assert f"{package}/py.typed" in wheel


def test_the_wheel_holds_the_licence(wheel: set[str]) -> None:
    assert any(name.endswith("licenses/LICENSE") for name in wheel)


def test_importing_the_core_needs_the_standard_library_only() -> None:
    code = (
        "import sys, breaker_core, breaker_core.stores, breaker_core.testing; "
        "loaded = {m.partition('.')[0] for m in sys.modules} - set(sys.stdlib_module_names); "
        "print(sorted(m for m in loaded if not m.startswith(('_', 'breaker_core'))))"
    )
    answer = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert answer.stdout.strip() == "[]"
