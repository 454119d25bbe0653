"""Names that texts mention: what a docstring, a comment or a page of docs/ names exists."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent


def texts_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield docstrings and comments, each with its line."""
    source = path.read_text()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            for statement in node.body:
                if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                    yield statement.lineno, str(statement.value.value)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


@cache
def names_in(path: Path) -> frozenset[str]:
    """Return what a module defines: `name`, and `Class.name` for what its classes do."""
    found: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        for name in _defined(node):
            found.add(name)
        if isinstance(node, ast.ClassDef):
            found.update(f"{node.name}.{name}" for inner in node.body for name in _defined(inner))
    return frozenset(found)


def _defined(node: ast.stmt) -> Iterator[str]:
    match node:
        case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
            yield node.name
        case ast.Assign():
            for target in node.targets:
                yield from (name.id for name in ast.walk(target) if isinstance(name, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield name
        case ast.Import() | ast.ImportFrom():
            yield from ((alias.asname or alias.name).partition(".")[0] for alias in node.names)


def exists(dotted: str) -> bool:
    """Whether a dotted name is a package, a module, or something that a module defines."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        place = CHECKOUT.joinpath(*parts[:length])
        rest = ".".join(parts[length:])
        if place.is_dir():
            return not rest or rest in names_in(place / "__init__.py")
        if (module := place.with_suffix(".py")).is_file():
            return not rest or rest in names_in(module)
    return False


def test_names_in_docstrings_and_comments_exist(packages: list[str]) -> None:
    """A module that has moved leaves its old name in texts, and they then lead nowhere."""
    # Celery's names of tasks, loggers and labels of apps look like names of modules, and are in quotation marks.
    ours = re.compile(rf"(?<![\w./\"'-])(?:{'|'.join(packages)})(?:\.[A-Za-z_]\w*)+(?![\w/]|\.(?:html|py|css|js))")
    missing = [
        f"{path.relative_to(CHECKOUT)}:{line}: {name}"
        for package in [*packages, "tests", "benchmarks"]
        for path in sorted((CHECKOUT / package).rglob("*.py"))
        for line, text in texts_of(path)
        for name in ours.findall(text)
        if not exists(name)
    ]
    assert missing == []


@pytest.mark.parametrize(
    "page", sorted([*CHECKOUT.glob("docs/*.md"), CHECKOUT / "README.md"]), ids=lambda page: page.name
)
def test_files_that_docs_name_exist(page: Path) -> None:
    """Links to files of the checkout, and paths of modules and tests in `code`."""
    text = page.read_text()
    links = {page.parent / link for link in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text)}
    named = {
        CHECKOUT / name.partition("::")[0]
        for name in re.findall(r"`((?:[\w-]+/)+[\w-]+\.(?:py|js|css|lua|html)[\w:]*)`", text)
    }
    assert sorted(str(path) for path in links | named if not path.exists()) == []
