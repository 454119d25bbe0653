"""As which user the embedded servers run, and what that user can reach.

PostgreSQL refuses to run as root. Root's servers run as `nobody`; all others run as the user who starts them.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from host.embedded.folder import NAME, make_folder
from host.errors import ServersError, reason

# uid and gid of the servers; None: those of this process.
User = tuple[int | None, int | None]


def unprivileged_user() -> User:
    """Return uid and gid for the servers: those of `nobody` for root, else None for this process's own."""
    if os.geteuid() != 0:
        return None, None
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def hand_over(path: Path, user: User) -> None:
    """Give a file to the servers' user."""
    if user[0] is not None and user[1] is not None:
        os.chown(path, user[0], user[1])


def package_folder(name: str) -> Path:
    """Return where a wheel's files are, without importing it. Raises ServersError."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ServersError(f"the package {name} is not installed: set DATABASE_URL and REDIS_URL, or install it")
    return Path(spec.origin).parent


def reachable(package: Path, part: str, folder: Path) -> Path:
    """Return `part` of the package, copied into the data folder if `nobody` cannot reach it in its place.

    The package's shared libraries lie beside it and are found by their place relative to the programs.
    """
    original = package / part
    if os.geteuid() != 0 or all(parent.stat().st_mode & 0o001 for parent in (original, *original.parents)):
        return original
    version = importlib.metadata.version(package.name.replace("_", "-"))
    kept = folder / "programs" / f"{package.name}-{version}"
    if not kept.is_dir():
        new = kept.with_name(f"{kept.name}.new")
        try:
            shutil.rmtree(new, ignore_errors=True)
            for made in (kept.parent, new, new / package.name):
                make_folder(made)
            shutil.copytree(original, new / package.name / part, symlinks=True)
            libraries = package.with_name(f"{package.name}.libs")
            if libraries.is_dir():
                shutil.copytree(libraries, new / libraries.name, symlinks=True)
            new.rename(kept)
        except OSError as error:
            raise ServersError(f"cannot copy the servers to {folder}: {reason(error)}") from error
    return kept / package.name / part


def check_reachable(folder: Path, user: User) -> None:
    """Raise ServersError when the servers' user cannot reach the folder."""
    if user[0] is None:
        return
    for parent in folder.parents:
        if not parent.stat().st_mode & 0o001:
            raise ServersError(f"PostgreSQL runs as nobody, which {parent} is closed to: set LIVE_DATA_DIR elsewhere")


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """Have a folder that the servers' user can reach, for the length of the block."""
    with tempfile.TemporaryDirectory(prefix=f"{NAME}-", dir=_temporary_root(), ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if os.geteuid() == 0:
            folder.chmod(0o711)
        yield folder


def _temporary_root() -> str | None:
    """Return a folder for temporary ones that the servers' user can reach; None: the system's own choice."""
    if os.geteuid() != 0:
        return None
    usual = Path(tempfile.gettempdir())
    return None if all(part.stat().st_mode & 0o001 for part in (usual, *usual.parents)) else "/var/tmp"
