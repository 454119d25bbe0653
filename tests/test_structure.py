"""The shape of the code: who imports whom (the contracts are in pyproject.toml), and nothing that nobody uses."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest

# Fields and options, which Django and others read by name; models whose tables only SQL uses.
READ_BY_NAME = re.compile(r"settings\.py:|models\.py:\d+: unused class|unused attribute|unused variable '[a-z_]")

FILE_LINES_MAX, CLASS_LINES_MAX = 450, 400

# Of others' objects, which have no other name for it.
FOREIGN_PRIVATES = {"_delivered", "_dirty", "_labelnames", "_replace"}  # kombu's QoS, Prometheus' metrics, named tuples


def test_imports_run_one_way(checkout: Path) -> None:
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-cache", "--no-logo"], cwd=checkout, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.fixture
def contracts(checkout: Path) -> dict[str, list[str]]:
    """The packages that the contracts are about: all of them, and the floors on which they stand."""
    found = tomllib.loads((checkout / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = next(contract["layers"] for contract in found["contracts"] if contract["id"] == "layers")
    return {"roots": found["root_packages"], "layers": [name for floor in layers for name in re.findall(r"\w+", floor)]}


@pytest.mark.parametrize("named", ["roots", "layers"])
def test_contracts_are_about_every_package(contracts: dict[str, list[str]], packages: list[str], named: str) -> None:
    assert sorted(contracts[named]) == packages


def test_a_file_is_a_room_and_a_class_fits_in_it(checkout: Path, packages: list[str]) -> None:
    too_long = [
        f"{path.relative_to(checkout)}: {name}, {lines} lines"
        for folder in packages
        for path in sorted((checkout / folder).rglob("*.py"))
        if "migrations" not in path.parts  # as Django writes them
        for name, lines, most in _sizes(path)
        if lines > most
    ]
    assert too_long == []


def _sizes(path: Path) -> list[tuple[str, int, int]]:
    """Return name, length and longest length of a file and its classes, in lines."""
    source = path.read_text()
    classes = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    return [
        ("the file", source.count("\n"), FILE_LINES_MAX),
        *((each.name, (each.end_lineno or 0) - each.lineno + 1, CLASS_LINES_MAX) for each in classes),
    ]


def test_nothing_is_written_that_nobody_uses(checkout: Path, packages: list[str]) -> None:
    """What only tests use counts as unused. Names that frameworks call are in pyproject.toml."""
    command = [sys.executable, "-m", "vulture", *packages, "manage.py"]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True)
    assert done.stderr == ""
    assert [line for line in done.stdout.splitlines() if not READ_BY_NAME.search(line)] == []


def test_the_name_of_a_class_or_type_means_one_thing(checkout: Path, packages: list[str]) -> None:
    """Names of types escaped it: `Act` was four of them, and `Claim` a class in one place and a function in another."""
    meanings: defaultdict[str, set[str]] = defaultdict(set)
    for path in (path for folder in packages for path in (checkout / folder).rglob("*.py")):
        if not {"migrations", "commands"} & {*path.parts}:
            for statement in ast.parse(path.read_text()).body:
                for name, meaning in _types_defined(statement, path):
                    meanings[name].add(meaning)
    assert {name: found for name, found in meanings.items() if len(found) > 1} == {}


def _types_defined(statement: ast.stmt, path: Path) -> list[tuple[str, str]]:
    """Return the public classes and types that a statement of a module defines: name and meaning."""
    match statement:
        case ast.ClassDef(name=name):
            found = (name, str(path))
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            found = (name, ast.unparse(value))
        case _:
            return []
    return [found] if re.match("[A-Z].*[a-z]", found[0]) else []


def test_tests_reach_no_privates(checkout: Path) -> None:
    """Not as an attribute, by name (`setattr`), or by import: what a test needs a caller can see too."""
    reached = [
        f"{path.relative_to(checkout)}: {ast.unparse(node)}"
        for path in sorted((checkout / "tests").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        for name in _names_reached(node)
        if re.match("_(?!_)", name) and name not in FOREIGN_PRIVATES
    ]
    assert reached == []


def _names_reached(node: ast.AST) -> list[str]:
    """Return the names of another object or module that a piece of code uses."""
    match node:
        case ast.Attribute(value=ast.Name("self" | "cls")):
            return []
        case ast.Attribute(attr=name):
            return [name]
        case ast.ImportFrom(module=module, names=names):
            return [*(module or "").split("."), *(each.name for each in names)]
        case ast.Import(names=names):
            return [part for each in names for part in each.name.split(".")]
        case ast.Call(
            func=ast.Name("getattr" | "setattr" | "delattr" | "hasattr") | ast.Attribute(attr="setattr" | "delattr"),
            args=args,
        ):
            named = [each.value for each in args[:2] if isinstance(each, ast.Constant)]
            return [part for text in named if isinstance(text, str) for part in text.split(".")]
    return []


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


def test_only_the_log_writes_topics_and_events(checkout: Path, packages: list[str]) -> None:
    """Heads move under their row lock, and what is appended is published after the commit: one room sees to both."""
    statement = re.compile(
        r"(INSERT INTO|UPDATE|DELETE FROM)\s+realtime_(topic|loggedevent|seenviewer)"
        r"|realtime_topic[^\"]*FOR UPDATE"
        r"|\b(Topic|LoggedEvent|SeenViewer)\.objects\.\S*(create|update|delete)"
    )
    writers = {
        str(path.relative_to(checkout).parent)
        for package in packages
        for path in (checkout / package).rglob("*.py")
        if statement.search(path.read_text())
    }
    assert writers == {"realtime/log"}


def test_platform_knows_no_app(checkout: Path) -> None:
    """What a topic is about is for the apps to say: the platform knows kinds, events, counters and states."""
    words = re.compile(
        r"\b(videos?|likes|liked|(?:an?|each|every|one|the) like|comments|conversations?|reactions?)\b", re.IGNORECASE
    )
    allowed = re.compile(r"Likes/Second|live_like_deliveries|as many as it likes|such as \"\w+\"")
    named = [
        f"{path.relative_to(checkout)}: {line.strip()}"
        for path in sorted((checkout / "realtime").rglob("*"))
        if path.suffix in (".py", ".lua") and "migrations" not in path.parts
        for line in path.read_text().splitlines()
        if words.search(allowed.sub("", line))
    ]
    assert named == []
