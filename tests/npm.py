"""The checkers that npm has: frontend/package.json pins them as devDependencies, the site runs without them."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

HtmlErrors = Callable[[dict[str, str]], list[str]]
"""Called with pages by name; returns what is wrong with them."""


class Missing(Exception):
    """They cannot be had here; says why."""


def checkers(checkout: Path) -> Path:
    """Return the folder of their programs; installs them below .tools/ once, and after each change of the lock."""
    if shutil.which("npm") is None:
        raise Missing("no npm, their tests are skipped: install Node.js with npm (apt install nodejs npm)")
    files = [checkout / "frontend" / name for name in ("package.json", "package-lock.json")]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]
    folder = checkout / ".tools" / f"npm-{digest}"
    folder.parent.mkdir(exist_ok=True)
    with (folder.parent / "npm.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # one process of a spread run installs, the others wait
        if not folder.exists():
            _install(files, folder)
    return folder / "node_modules" / ".bin"


def html_errors(programs: Path, pages: dict[str, str], folder: Path) -> list[str]:
    """Return what the Nu Html Checker finds wrong with pages of these names, all read in one run."""
    if shutil.which("java") is None:
        raise Missing("no Java for the Nu Html Checker: apt install default-jre-headless")
    for name, page in pages.items():
        (folder / f"{name}.html").write_text(page)
    jar = programs.parent / "vnu-jar" / "build" / "dist" / "vnu.jar"
    command = ["java", "-Xss4m", "-XX:TieredStopAtLevel=1", "-jar", str(jar)]
    command += ["--errors-only", "--format", "json", "--exit-zero-always", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [
        f"{Path(found['url']).name}:{found['lastLine']}: {found['message']} {found.get('extract', '')!r}"
        for found in json.loads(done.stderr)["messages"]
    ]


def _install(files: list[Path], folder: Path) -> None:
    for old in folder.parent.glob("npm-*"):
        shutil.rmtree(old)
    new = folder.with_name("npm-new")
    new.mkdir()
    for file in files:
        shutil.copy(file, new)
    command = ["npm", "ci", "--include=dev", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=new, env=os.environ | {"CI": "true"}, capture_output=True, text=True)
    if done.returncode != 0:
        raise Missing(f"npm could not install them: {done.stderr[-1000:]}")
    new.rename(folder)  # whole, or not there
