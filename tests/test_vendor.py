"""The copies in static/vendor/ are the published files, byte for byte: scripts/vendor.sh writes them and the list.

Beside each script and style sheet lies its form in Brotli; tests/e2e/test_first_load.py has a browser compare the two.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
VENDOR = ROOT / "static" / "vendor"


def listed() -> dict[str, str]:
    """Return path -> SHA-384 as hexadecimal digits, from the list in `sha384sum` format."""
    lines = (VENDOR / "SHA384SUMS").read_text().splitlines()
    return {path: digest for digest, path in (line.split("  ", 1) for line in lines)}


def test_every_vendored_file_has_the_listed_hash() -> None:
    found = {
        path.relative_to(VENDOR).as_posix(): hashlib.sha384(path.read_bytes()).hexdigest()
        for path in VENDOR.rglob("*")
        if path.is_file() and path.name != "SHA384SUMS"
    }
    assert found == listed()


def test_every_vendored_library_brings_its_licence() -> None:
    folders = [path for path in VENDOR.iterdir() if path.is_dir()]
    assert folders
    assert all((folder / "LICENSE").is_file() for folder in folders)


def test_the_vendored_versions_are_the_pinned_ones() -> None:
    pinned = json.loads((ROOT / "frontend" / "package.json").read_text())["dependencies"]
    assert {path.name for path in VENDOR.iterdir() if path.is_dir()} == {f"{k}-{v}" for k, v in pinned.items()}


def test_the_lock_names_hashes_and_no_host() -> None:
    lock = (ROOT / "frontend" / "package-lock.json").read_text()
    assert "integrity" in lock
    assert '"resolved"' not in lock


@pytest.mark.parametrize(
    ("script", "library"),
    [
        ("watch/source", "hls.js"),
        ("operator/plots", "uplot"),
        ("parts/emoji", "emoji-picker-element"),
        ("parts/emoji", "emoji-picker-element-data"),
    ],
)
def test_a_script_imports_the_vendored_version(script: str, library: str) -> None:
    """A new version changes the folder's name; the import must move with it."""
    text = (ROOT / "static" / "js" / f"{script}.js").read_text()
    version = json.loads((ROOT / "frontend" / "package.json").read_text())["dependencies"][library]
    assert f"vendor/{library}-{version}/" in text
