"""The shape of the code: the core knows no framework, the platform knows nothing of the backend."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

CORE = (
    "events",
    "websocket",
    "stamps",
    "dispatcher",
    "table/subscriptions",
    "table/counting",
    "table/presence",
    "presence",
    "audience",
    "table/scripts",
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


def test_load_generator_knows_no_framework_and_no_app(checkout: Path) -> None:
    """What makes its video and viewers in the database does; a process that watches starts without Django."""
    site = {"stage.py", "apps.py"}
    modules = [path for path in (checkout / "loadtest").glob("*.py") if path.name not in site]
    knowing = [path.name for path in modules if imports(path) & (FRAMEWORKS | {"videos", "messaging", "liveplatform"})]
    assert len(modules) > 10
    assert knowing == []


@pytest.mark.parametrize(
    ("folder", "above"),
    [
        ("realtime", {"web", "videos", "messaging", "loadtest"}),
        ("web", {"videos", "messaging", "loadtest"}),
        ("videos", {"messaging", "loadtest"}),
        ("messaging", {"loadtest"}),
        ("loadtest", {"messaging", "liveplatform"}),
        ("liveplatform", {"loadtest"}),
    ],
)
def test_platform_knows_nothing_of_the_backend(checkout: Path, folder: str, above: set[str]) -> None:
    """Nor videos of messages, nor any of them of the load test."""
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
