"""Modules and files that docstrings, comments and documents name are there: nobody looks for one that has moved."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

FOLDERS = ("benchmarks", "docs", "scripts", "static/js", "static/css", "tests")
FILE = re.compile(r"(?<![\w*<{}-])[\w/.-]*\w\.(?:py|js|lua|css)\b")
FOREIGN = {"hls.js"}


def sources(checkout: Path, packages: list[str]) -> Iterator[Path]:
    yield from (checkout / "README.md", checkout / "manage.py")
    for folder in (*FOLDERS, *packages):
        for suffix in ("py", "md", "js", "css", "lua"):
            yield from (checkout / folder).rglob(f"*.{suffix}")


def texts(path: Path) -> Iterator[str]:
    """Yield what a file says to its readers: a document as a whole, comments and docstrings of code."""
    source = path.read_text()
    if path.suffix == ".py":
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT or token.string.startswith('"""'):
                yield token.string
    elif path.suffix == ".md":
        yield source
    else:
        yield from re.findall(r"^\s*(?://|/?\*|--).*$", source, re.MULTILINE)


@cache
def is_there(checkout: Path, name: str) -> bool:
    """Return whether a dotted name leads to a module, or to a word that stands in it."""
    first, *rest = name.split(".")
    place = checkout / first
    while rest and (place / rest[0]).is_dir():
        place /= rest.pop(0)
    module = place / f"{rest.pop(0)}.py" if rest and (place / f"{rest[0]}.py").exists() else place / "__init__.py"
    return not rest or (module.exists() and all(re.search(rf"\b{word}\b", module.read_text()) for word in rest))


def test_modules_that_texts_name_are_there(checkout: Path, packages: list[str]) -> None:
    dotted = re.compile(rf"(?<![\w./'\"@:-])((?:{'|'.join([*packages, 'tests'])})(?:\.[A-Za-z_]\w*)+)(?![\w/-])")
    missing = {
        f"{path.relative_to(checkout)}: {name}"
        for path in sources(checkout, packages)
        for text in texts(path)
        for name in dotted.findall(text)
        if not is_there(checkout, name)
    }
    assert missing == set()


def test_files_that_texts_name_are_there(checkout: Path, packages: list[str]) -> None:
    """By their path, or by the end of it: `health.py`."""
    paths = [f"/{path.relative_to(checkout)}" for path in sources(checkout, packages)]
    missing = {
        f"{path.relative_to(checkout)}: {name}"
        for path in sources(checkout, packages)
        for text in texts(path)
        for name in FILE.findall(text)
        if name not in FOREIGN and not any(each.endswith(f"/{name.lstrip('./')}") for each in paths)
    }
    assert missing == set()
