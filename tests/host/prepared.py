"""The data folder of a site that has been prepared, for tests of what comes after the first start.

A first start makes a database and migrates it, which takes as long as many of these tests do.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
from pathlib import Path

from tests import servers
from tests.host.conftest import Command, environment_of


def prepare(folder: Path) -> None:
    """Make it, as a copy of one that the processes of a run share. The one that comes first makes that."""
    shared = Path(os.environ[servers.SHARED])
    made, making = shared / "prepared", shared / "preparing"
    with (shared / "prepared.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            command = Command(("migrate", "--verbosity=0"), environment_of(making))
            assert command.wait() == 0, command.errors
            making.rename(made)
    # With owners and modes: the servers run as somebody who is not root.
    subprocess.run(["cp", "--archive", made, folder], check=True)
    servers.share_compressed(folder)
