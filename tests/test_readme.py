"""Every code block of the README is run, and its tables are compared with the code."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from breaker_core import BreakerConfig

if TYPE_CHECKING:
    from tests.servers import RedisServer

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCK = re.compile(r"(?:<!-- (?P<mark>[^>]+) -->\n)?```(?P<kind>\w*)\n(?P<text>.*?)```", re.DOTALL)
UNMARKED = {"make demo", "make test", "pip install"}


@dataclass(frozen=True)
class Block:
    mark: str
    kind: str
    text: str


BLOCKS = [
    Block(found["mark"] or "", found["kind"], found["text"]) for found in BLOCK.finditer(README)
]


def marked(mark: str) -> list[str]:
    texts = [block.text for block in BLOCKS if block.mark == mark]
    assert texts, f"no block of the README is marked {mark!r}"
    return texts


def commands(mark: str) -> list[list[str]]:
    """The lines that begin with a prompt, as arguments."""
    lines = [line for text in marked(mark) for line in text.splitlines()]
    return [shlex.split(line[2:]) for line in lines if line.startswith("$ ")]


class Site:
    """A project in a folder of its own, in which the README's commands are run."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        self.folder = folder
        self.redis_url = redis_url

    def write(self, path: str, text: str, *, append: bool = False) -> None:
        with (self.folder / path).open("a" if append else "w") as file:
            file.write(text.replace("redis://localhost:6379/0", self.redis_url))

    def run(self, *command: str, code: int = 0) -> str:
        program = {"python": [sys.executable], "flask": [sys.executable, "-m", "flask"]}
        environment = {
            **{name: value for name, value in os.environ.items() if "DJANGO" not in name},
            "PYTHONWARNINGS": "error",
        }
        done = subprocess.run(
            [*program[command[0]], *command[1:]],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr


@pytest.fixture
def site(tmp_path: Path, redis_server: RedisServer) -> Site:
    """An empty folder, and a Redis emptied for it."""
    import redis

    with redis.Redis.from_url(redis_server.url) as client:
        client.flushdb()
    return Site(tmp_path, redis_server.url)


@pytest.fixture
def django_site(site: Site) -> Site:
    """A project as ``startproject`` makes it, after the steps of the README."""
    site.run("python", "-m", "django", "startproject", "mysite", ".")
    for block in BLOCKS:
        how, _, path = block.mark.partition(": ")
        if path.startswith("mysite/") and how in {"append", "write"}:
            site.write(path, block.text, append=how == "append")
    site.write("mysite/settings.py", "ALLOWED_HOSTS = ['testserver']\n", append=True)
    return site


def test_every_block_is_run_by_a_test() -> None:
    ways = ("append:", "write:", "run:", "exec", "pytest", "django-database:", "django-test:")
    for block in BLOCKS:
        known = block.mark.startswith(ways) or (
            block.kind == "console" and any(start in block.text for start in UNMARKED)
        )
        assert known, f"nobody runs this block:\n{block.text}"


def test_the_two_commands_come_first() -> None:
    assert [command[:2] for command in commands("")][:2] == [["make", "demo"], ["make", "test"]]


def test_the_extras_that_the_readme_installs_exist() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = re.findall(r"django-flask-breaker\[([\w,-]+)\]", README)
    assert named
    assert {extra for each in named for extra in each.split(",")} <= set(
        project["optional-dependencies"]
    )


def test_the_django_quick_start_works(django_site: Site) -> None:
    outputs = [django_site.run(*command) for command in commands("run: django")]
    assert "System check identified no issues" in outputs[1]
    assert "payments" in outputs[2]
    shown = django_site.run(
        "python",
        "-c",
        "import django, os; os.environ['DJANGO_SETTINGS_MODULE'] = 'mysite.settings'; "
        "django.setup(); from django.test import Client; "
        "get = Client(raise_request_exception=False).get; "
        "print([get('/pay/').status_code for _ in range(4)]); "
        "print(get('/pay-guarded/')['Retry-After']); "
        "print([get('/search/?q=x').status_code for _ in range(5)]); "
        "print(get('/search/?q=x').content.decode())",
    )
    assert "[500, 500, 500, 503]" in shown
    assert re.search(r"^\d+$", shown, re.MULTILINE)
    assert "[502, 502, 502, 502, 502]" in shown
    assert "saved results for x" in shown
    assert "Open" in django_site.run("python", "manage.py", "breakers", "list")
    django_site.run(*commands("run: django")[-1])
    assert "Open" not in django_site.run("python", "manage.py", "breakers", "show", "payments")


def test_the_django_quick_start_works_without_any_server(django_site: Site) -> None:
    django_site.write(
        "mysite/settings.py", marked("django-database: mysite/settings.py")[0], append=True
    )
    outputs = [django_site.run(*command) for command in commands("run: django-database")]
    assert "payments" in outputs[-1]
    assert "no issues" in django_site.run("python", "manage.py", "check")
    reset = ("python", "manage.py", "breakers", "reset", "payments", "--reason", "once")
    django_site.run(*reset)
    assert "once" in django_site.run("python", "manage.py", "breakers", "show", "payments")


def test_the_unittest_example_works(django_site: Site) -> None:
    django_site.write("mysite/tests.py", marked("django-test: mysite/tests.py")[0])
    assert "Ran 2 tests" in django_site.run("python", "manage.py", "test")


def test_the_flask_quick_start_works(site: Site) -> None:
    site.write("app.py", marked("write: app.py")[0])
    outputs = [site.run(*command) for command in commands("run: flask")]
    assert "payments" in outputs[0]
    shown = site.run(
        "python",
        "-c",
        "from app import app; get = app.test_client().get; "
        "print([get('/pay').status_code for _ in range(4)]); "
        "print(get('/guarded').headers['Retry-After']); "
        "print([get('/search/x').status_code for _ in range(5)]); "
        "print(get('/search/x').text, get('/breakers.json').json['breakers'][0]['state'])",
    )
    assert "[500, 500, 500, 503]" in shown
    assert re.search(r"^\d+$", shown, re.MULTILINE)
    assert "saved results for x open" in shown
    site.run(*commands("run: flask")[-1])
    assert "Open" not in site.run("flask", "--app", "app", "breakers", "show", "payments")


@pytest.mark.parametrize("number", range(len(marked("exec"))))
def test_an_example_without_a_framework_works(site: Site, number: int) -> None:
    site.write("example.py", marked("exec")[number])
    site.run("python", "example.py")


def test_what_an_example_says_is_printed_is_printed(site: Site) -> None:
    text = next(each for each in marked("exec") if "failure_treshold" in each)
    site.write("example.py", text)
    promised = text.rpartition("# ")[2].strip()
    assert promised in site.run("python", "example.py")


def test_the_pytest_example_works(site: Site) -> None:
    site.write("test_example.py", marked("pytest")[0])
    assert "2 passed" in site.run("python", "-m", "pytest", "-q", "test_example.py")


def test_the_table_of_options_is_that_of_the_code() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(.+?)` \| ", _section("Options"), re.MULTILINE)
    expected = []
    for option in fields(BreakerConfig):
        assert option.default is not MISSING
        text = '""' if option.default == "" else repr(option.default)
        expected.append((option.name, text.replace("<class 'Exception'>", "Exception")))
    assert rows == expected


def test_the_table_of_settings_is_that_of_the_code() -> None:
    from django_breaker.conf import DEFAULTS

    rows = re.findall(r"^\| `(\w+)` \|", _section("Settings"), re.MULTILINE)
    assert rows == list(DEFAULTS)


def test_the_table_of_checks_is_that_of_the_code() -> None:
    from django_breaker import checks

    rows = re.findall(r"^\| `(django_breaker\.\w+)` \| (.+) \|$", README, re.MULTILINE)
    doc = re.sub(r"\n {20,}", " ", checks.__doc__ or "")
    assert rows == re.findall(r"^ {4}(django_breaker\.\w+) +(.+)$", doc, re.MULTILINE)


def test_every_link_to_a_file_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


def test_every_link_to_a_section_leads_somewhere() -> None:
    titles = re.findall(r"^#+ (.+)$", README, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    assert set(re.findall(r"\]\(#([\w-]+)\)", README)) <= anchors


def _section(title: str) -> str:
    return README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
