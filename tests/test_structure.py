"""The shape of the code: the core knows no framework, the platform knows nothing of the backend."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

CORE = (
    "events",
    "stamps",
    "dispatcher",
    "subscriptions",
    "counting",
    "presence",
    "scripts",
    "batches",
    "frontend",
    "connections",
    "store",
    "registry",
    "limits",
    "group_commit",
    "relay/signing",
    "relay/batch",
    "relay/interest",
    "relay/table",
    "relay/sender",
    "relay/receiver",
)
FRAMEWORKS = {"django", "channels", "celery", "ninja", "twisted", "daphne"}


def imports(path: Path) -> set[str]:
    """Return the top-level names that a module imports, anywhere in it."""
    names: set[str] = set()
    for statement in ast.walk(ast.parse(path.read_text())):
        if isinstance(statement, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in statement.names}
        elif isinstance(statement, ast.ImportFrom) and statement.module:
            names.add(statement.module.partition(".")[0])
    return names


@pytest.mark.parametrize("name", CORE)
def test_core_knows_no_framework(checkout: Path, name: str) -> None:
    assert not imports(checkout / "realtime" / f"{name}.py") & FRAMEWORKS


@pytest.mark.parametrize(
    ("folder", "above"),
    [
        ("realtime", {"web", "videos", "messaging"}),
        ("web", {"videos", "messaging"}),
        ("videos", {"messaging"}),
    ],
)
def test_platform_knows_nothing_of_the_backend(checkout: Path, folder: str, above: set[str]) -> None:
    """And videos know nothing of messages."""
    knowing = [path.name for path in (checkout / folder).rglob("*.py") if above & imports(path)]
    assert knowing == []


def test_every_module_says_what_it_is(checkout: Path, packages: list[str]) -> None:
    silent = [
        str(path.relative_to(checkout))
        for folder in packages
        for path in (checkout / folder).rglob("*.py")
        if path.name not in ("__init__.py", "apps.py")
        and "migrations" not in path.parts
        and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []
