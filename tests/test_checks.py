"""What is checked besides behaviour: lint, format, types, the locks, Django's own checks."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

LOCKS = ["requirements.lock", "requirements-dev.lock"]


def run(checkout: Path, *arguments: str, **settings: str) -> str:
    """Run Python with the arguments, and these settings; return what it printed."""
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=checkout, env={**os.environ, **settings}, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(arguments)}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_ruff_finds_nothing(checkout: Path) -> None:
    run(checkout, "-m", "ruff", "check", ".")


def test_the_code_is_formatted(checkout: Path) -> None:
    run(checkout, "-m", "ruff", "format", "--check", ".")


def test_the_types_are_right(checkout: Path) -> None:
    run(checkout, "-m", "mypy")


def test_django_finds_nothing(checkout: Path) -> None:
    run(checkout, "manage.py", "check", "--fail-level", "WARNING")


@pytest.mark.parametrize(
    ("production", "hsts"),
    [({"SECURE_COOKIES": "on"}, 30 * 86_400), ({"SECURE_COOKIES": "on", "LIVE_HSTS_SECONDS": "60"}, 60), ({}, 0)],
)
def test_browsers_keep_to_https_where_cookies_do(checkout: Path, production: dict[str, str], hsts: int) -> None:
    """No setting made the site say so."""
    show = "from liveplatform.asgi import application; from web.middleware import with_headers"
    show += "; from django.http import HttpResponse; print(dict(with_headers(HttpResponse()).headers))"
    shown = run(checkout, "-c", show, **production)
    assert (f"'Strict-Transport-Security': 'max-age={hsts}'" in shown) is bool(hsts)


def test_django_finds_nothing_in_settings_of_a_site_with_https(checkout: Path) -> None:
    """Six warnings came, of which four were about what the site does in its own way: nobody could see the other two."""
    run(checkout, "manage.py", "check", "--deploy", "--fail-level", "WARNING", SECURE_COOKIES="on")


@pytest.mark.parametrize(
    ("unsafe", "why"),
    [
        ({"DEBUG": "on"}, "DEBUG must be off"),
        ({"LIVE_MAIL_URL": "smtp://mail.example.org"}, "LIVE_URL must be set"),
    ],
)
def test_what_any_host_name_makes_unsafe_is_refused(checkout: Path, unsafe: dict[str, str], why: str) -> None:
    """With `ALLOWED_HOSTS=*` any name leads to Django's pages of an error, which show settings and code. A mail with a
    new password had a link to that name.
    """
    settings = {**os.environ, **unsafe, "ALLOWED_HOSTS": "*"}
    command = [sys.executable, "manage.py", "check"]
    done = subprocess.run(command, cwd=checkout, env=settings, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith(f"liveplatform: {why}")


def test_the_models_have_all_their_migrations(checkout: Path) -> None:
    run(checkout, "manage.py", "makemigrations", "--check", "--dry-run")


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_and_hashes_everything_and_names_no_host(checkout: Path, lock: str) -> None:
    text = (checkout / lock).read_text()
    entries = [entry for entry in re.split(r"\n(?=\S)", text) if not entry.startswith("#")]
    assert [entry for entry in entries if not re.match(r"\S+==\S+.*--hash=sha256:", entry, re.DOTALL)] == []
    assert "://" not in text


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_every_dependency_of_the_project(checkout: Path, lock: str) -> None:
    project = tomllib.loads((checkout / "pyproject.toml").read_text())
    wanted = list(project["project"]["dependencies"])
    if lock == "requirements-dev.lock":
        wanted += project["dependency-groups"]["dev"]
    pinned = set(re.findall(r"^([\w.-]+)==", (checkout / lock).read_text(), re.MULTILINE))
    names = {re.split(r"[^\w.-]", dependency)[0].lower() for dependency in wanted}
    assert names - pinned == set()


def test_the_site_imports_nothing_that_its_lock_does_not_hold(checkout: Path, packages: list[str]) -> None:
    """The locks differ in the tools for tests and types: a site installed without them must start too."""
    owners = packages_distributions()
    pinned = set(re.findall(r"^([\w.-]+)==", (checkout / "requirements.lock").read_text(), re.MULTILINE))
    missing = {
        f"{path.relative_to(checkout)} imports {module}"
        for package in packages
        for path in (checkout / package).rglob("*.py")
        for module in imported(ast.parse(path.read_text())) - {*packages} - sys.stdlib_module_names
        if not {re.sub("[._]", "-", name.lower()) for name in owners.get(module, ())} & pinned
    }
    assert missing == set()


def imported(tree: ast.Module) -> set[str]:
    """Return the top-level names that a module imports."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found
