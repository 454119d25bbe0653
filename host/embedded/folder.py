"""The data folder: where it is, and files that are there whole or not at all."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

NAME = "liveplatform"


def data_dir(base_dir: Path, override: str) -> Path:
    """Return the folder that keeps the site's data: `override` (LIVE_DATA_DIR), else `var` in the checkout.

    PostgreSQL refuses to run as root. Root's runs as `nobody`, who often cannot reach the checkout (homes are closed to
    others). So root's data are in /var/lib, in a folder for this checkout.
    """
    if override:
        return (base_dir / override).resolve()
    if os.geteuid() == 0:
        return Path("/var/lib") / f"{NAME}-{hashlib.sha256(os.fsencode(base_dir)).hexdigest()[:12]}"
    return base_dir / "var"


def has_database(folder: Path) -> bool:
    """Return whether the data folder has a database. `./run` and `manage.py migrate` make it."""
    return (folder / "postgres").is_dir()


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all; make its folders. Raises OSError."""
    make_folder(path.parent)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def make_folder(path: Path) -> None:
    """Make a folder for the site alone. Root's may be passed through by others: PostgreSQL runs as one of them."""
    if not path.is_dir():
        path.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)


def sync_folder(folder: Path) -> None:
    """Make names in the folder survive a power cut. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
