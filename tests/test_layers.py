"""Who may import what: read from the sources, so that no import hides in a branch or a function.

``breaker_core`` knows no framework, each adapter knows its own framework and the core's public
names, and ``decide`` knows nothing that could make it impure.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("breaker_core", "django_breaker", "flask_breaker")
STDLIB = frozenset(sys.stdlib_module_names)

MAY_IMPORT = {
    "breaker_core": frozenset({"breaker_core"}),
    "django_breaker": frozenset({"django_breaker", "breaker_core", "django", "asgiref"}),
    "flask_breaker": frozenset(
        {"flask_breaker", "breaker_core", "flask", "werkzeug", "click", "blinker"}
    ),
}
"""Beside the standard library."""

SEAMS = {
    "breaker_core.stores.redis": {"redis", "valkey"},
    "breaker_core.stores.sqlalchemy": {"sqlalchemy"},
    "breaker_core.pytest_plugin": {"pytest"},
}
"""The one module each that may import what is not always installed."""

PUBLIC = (
    "breaker_core",
    "breaker_core.http",
    "breaker_core.text",
    "breaker_core.isolation",
    "breaker_core.report",
    "breaker_core.stores",
    "breaker_core.testing",
)
"""The modules of the core that adapters may import from."""

DECIDE_MAY_IMPORT = {
    "__future__",
    "collections.abc",
    "dataclasses",
    "typing",
    "breaker_core.config",
    "breaker_core.record",
    "breaker_core.window",
}


# -- reading sources -----------------------------------------------------------------------------


@dataclass
class Imports:
    """What one source imports: modules, names from modules, and attributes of core modules."""

    modules: set[str] = field(default_factory=set)
    names: set[tuple[str, str]] = field(default_factory=set)

    @property
    def all_modules(self) -> set[str]:
        return self.modules | {module for module, _ in self.names}


def imports_of(module: str, source: str, *, is_package: bool = False) -> Imports:
    """Return what *source* imports, wherever it stands, relative imports resolved."""
    found, aliases = Imports(), {}
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.modules |= {alias.name for alias in node.names}
            aliases.update({each.asname: each.name for each in node.names if each.asname})
        elif isinstance(node, ast.ImportFrom):
            origin = _origin(module, node, is_package)
            found.names |= {(origin, alias.name) for alias in node.names}
            aliases.update(
                {each.asname or each.name: f"{origin}.{each.name}" for each in node.names}
            )
        elif isinstance(node, ast.Call):
            found.modules |= _dynamic(node)
    found.names |= _attributes(tree, aliases)
    return found


def _origin(module: str, node: ast.ImportFrom, is_package: bool) -> str:
    if not node.level:
        return node.module or ""
    parts = module.split(".") if is_package else module.split(".")[:-1]
    base = parts[: len(parts) - (node.level - 1)]
    return ".".join([*base, *([node.module] if node.module else [])])


def _dynamic(node: ast.Call) -> set[str]:
    """Return what ``import_module("x")`` and ``__import__("x")`` import."""
    called = (
        node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    )
    if called not in {"import_module", "__import__"} or not node.args:
        return set()
    first = node.args[0]
    return (
        {first.value} if isinstance(first, ast.Constant) and isinstance(first.value, str) else set()
    )


def _attributes(tree: ast.AST, aliases: dict[str, str]) -> set[tuple[str, str]]:
    """Return what is taken from public modules of the core as ``report.table``."""
    used = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            origin = _dotted(node.value, aliases)
            if origin in PUBLIC and f"{origin}.{node.attr}" not in PUBLIC:
                used.add((origin, node.attr))
    return used


def _dotted(node: ast.expr, aliases: dict[str, str]) -> str:
    if isinstance(node, ast.Name):
        return aliases.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value, aliases)}.{node.attr}"
    return ""


@cache
def exported(module: str) -> frozenset[str]:
    """Return the names that *module* of the core exports: its ``__all__``, or what it defines."""
    path = ROOT / Path(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return names_exported_by(path.read_text())


def names_exported_by(source: str) -> frozenset[str]:
    """Return the names that *source* exports."""
    defined: set[str] = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            defined.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for name in (each.id for each in targets if isinstance(each, ast.Name)):
                if name == "__all__" and node.value is not None:
                    return frozenset(ast.literal_eval(node.value))
                defined.add(name)
    return frozenset(name for name in defined if not name.startswith("_"))


# -- the rules -----------------------------------------------------------------------------------


def violations(module: str, source: str, *, is_package: bool = False) -> list[str]:
    """Return what *source* imports against the rules, in words."""
    package = module.split(".", maxsplit=1)[0]
    imports = imports_of(module, source, is_package=is_package)
    allowed = STDLIB | MAY_IMPORT[package] | SEAMS.get(module, set())
    roots = {each.split(".")[0] for each in imports.all_modules}
    wrong = [f"{module} imports {root}" for root in sorted(roots - allowed)]
    if package != "breaker_core":
        wrong += _private_uses(module, imports)
    return wrong


def _private_uses(module: str, imports: Imports) -> list[str]:
    whole = {each for each in imports.modules if each.split(".")[0] == "breaker_core"}
    wrong = [f"{module} imports {each}" for each in sorted(whole - set(PUBLIC))]
    for origin, name in sorted(imports.names):
        if origin.split(".")[0] != "breaker_core" or f"{origin}.{name}" in PUBLIC:
            continue
        if origin not in PUBLIC or name not in exported(origin):
            wrong.append(f"{module} takes {name} from {origin}")
    return wrong


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


ALL_SOURCES = [path for package in PACKAGES for path in sources(package)]


@pytest.mark.parametrize("path", ALL_SOURCES, ids=module_of)
def test_a_module_imports_only_what_its_layer_may(path: Path) -> None:
    """DESIGN.md, section 1."""
    is_package = path.name == "__init__.py"
    assert violations(module_of(path), path.read_text(), is_package=is_package) == []


def test_decide_is_pure() -> None:
    """No I/O, no clock, no chance, no locks, no log: whatever it needs comes with the event."""
    imports = imports_of("breaker_core.decide", (ROOT / "breaker_core/decide.py").read_text())
    assert imports.all_modules <= DECIDE_MAY_IMPORT


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_was_looked_at(package: str) -> None:
    """An empty list would pass everything."""
    assert len(sources(package)) > 5


@pytest.mark.parametrize("module", ["breaker_core", "breaker_core.stores"])
def test_a_package_only_gathers_its_names(module: str) -> None:
    """Imports and ``__all__``, sorted and complete, nothing else."""
    path = ROOT / Path(*module.split(".")) / "__init__.py"
    tree = ast.parse(path.read_text())
    kinds = {type(node) for node in tree.body[1:]}
    assert kinds <= {ast.ImportFrom, ast.Assign}
    gathered = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert exported(module) == gathered


# -- importing for real --------------------------------------------------------------------------

OPTIONAL = [
    "django",
    "flask",
    "redis",
    "valkey",
    "sqlalchemy",
    "pytest",
    "prometheus_client",
    "blinker",
    "asgiref",
]


def test_importing_the_core_loads_no_framework_and_starts_no_thread() -> None:
    """In a process of its own; all public modules of it."""
    code = (
        f"import {', '.join(PUBLIC)}, sys, threading\n"
        f"print([each for each in {OPTIONAL!r} if each in sys.modules], threading.active_count())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == "[] 1"


# -- the checker itself --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "source", "found"),
    [
        ("breaker_core.x", "import django.core", ["breaker_core.x imports django"]),
        ("breaker_core.x", "from flask import g", ["breaker_core.x imports flask"]),
        ("breaker_core.x", "import redis", ["breaker_core.x imports redis"]),
        ("breaker_core.stores.redis", "import redis", []),
        ("breaker_core.x", "def f():\n    import blinker", ["breaker_core.x imports blinker"]),
        (
            "breaker_core.x",
            "from importlib import import_module\nimport_module('django.apps')",
            ["breaker_core.x imports django"],
        ),
        ("breaker_core.x", "__import__('flask')", ["breaker_core.x imports flask"]),
        (
            "breaker_core.x",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pytest",
            ["breaker_core.x imports pytest"],
        ),
        ("breaker_core.x", "from . import record\nfrom .record import State", []),
        ("django_breaker.x", "import flask_breaker", ["django_breaker.x imports flask_breaker"]),
        ("flask_breaker.x", "import flask_caching", ["flask_breaker.x imports flask_caching"]),
        ("flask_breaker.x", "from flask import g\nimport click, blinker, werkzeug.http", []),
        (
            "django_breaker.x",
            "from breaker_core.guard import Use",
            ["django_breaker.x takes Use from breaker_core.guard"],
        ),
        (
            "django_breaker.x",
            "import breaker_core.fleet",
            ["django_breaker.x imports breaker_core.fleet"],
        ),
        (
            "django_breaker.x",
            "from breaker_core import fleet",
            ["django_breaker.x takes fleet from breaker_core"],
        ),
        (
            "django_breaker.x",
            "from breaker_core.report import _by_machine, json, standing",
            [
                "django_breaker.x takes _by_machine from breaker_core.report",
                "django_breaker.x takes json from breaker_core.report",
            ],
        ),
        (
            "django_breaker.x",
            "from breaker_core import report\nreport.standing(1)\nreport._by_machine(1)",
            ["django_breaker.x takes _by_machine from breaker_core.report"],
        ),
        (
            "django_breaker.x",
            "from breaker_core import isolation as i\ni.current()\ni._stack.pop()",
            ["django_breaker.x takes _stack from breaker_core.isolation"],
        ),
        (
            "django_breaker.x",
            "import breaker_core\nbreaker_core.State\nbreaker_core.decide",
            ["django_breaker.x takes decide from breaker_core"],
        ),
        ("django_breaker.x", "from breaker_core import State\nimport breaker_core.stores", []),
    ],
)
def test_the_checker_finds_what_is_planted(module: str, source: str, found: list[str]) -> None:
    """And nothing else."""
    assert violations(module, source) == found


def test_the_checker_knows_a_planted_impurity() -> None:
    """A clock in ``decide``, say."""
    planted = (ROOT / "breaker_core/decide.py").read_text() + "\n\ndef f():\n    import time\n"
    assert not imports_of("breaker_core.decide", planted).all_modules <= DECIDE_MAY_IMPORT


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("__all__ = ['a', 'b']\ndef c(): ...", {"a", "b"}),
        (
            "import json\nX = 1\nY: int = 2\n_z = 3\ndef f(): ...\nclass K: ...",
            {"X", "Y", "f", "K"},
        ),
    ],
)
def test_exported_names_are_those_of_all_or_those_defined(source: str, names: set[str]) -> None:
    """Never what a module imported for itself."""
    assert names_exported_by(source) == names
