"""`manage.py`: what the person at the keyboard can mend is one line and exit code 2, never a traceback."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from django.core.exceptions import ImproperlyConfigured

from host import site
from tests.host.conftest import Command
from tests.sites import CHECKOUT

Manage = Callable[..., Command]


# For commands that are about something else than servers of their own.
SERVERS = {name: os.environ[name] for name in ("DATABASE_URL", "REDIS_URL")}


def refusal(command: Command) -> str:
    """Return the one line with which the command refused."""
    assert command.wait() == 2, command.output + command.errors
    (line,) = command.errors.splitlines()
    return line


@pytest.mark.parametrize(
    ("name", "value"),
    [("PORT", "80 or so"), ("DATABASE_URL", "x"), ("LIVE_MEDIA_DIR", "/etc/passwd"), ("LIVE_RELAY_HOST", "no.invalid")],
)
def test_a_nonsense_setting_is_one_line_that_names_it(manage: Manage, name: str, value: str) -> None:
    """A folder of pictures and an address of the relay that cannot be had were taken."""
    assert re.match(rf"liveplatform: {name}:? ", refusal(manage("serve", **{name: value})))


@pytest.mark.parametrize("host", ["192.0.2.1", "nonsense.invalid"])
def test_a_host_that_is_not_ours_is_blamed_itself(host: str) -> None:
    """The blame for HOST went to PORT."""
    with pytest.raises(ImproperlyConfigured, match=f"^HOST: {host} is no address of this machine"):
        site.listen(host, 0)


def test_a_replica_that_does_not_answer_is_one_line(manage: Manage, port: int) -> None:
    """The site started, and its nodes looked in vain for what they had missed."""
    line = refusal(manage("serve", DATABASE_REPLICA_URL=f"postgresql://me:secret@127.0.0.1:{port}/live"))
    assert line.startswith("liveplatform: DATABASE_REPLICA_URL: ")
    assert "refused" in line
    assert "secret" not in line


@pytest.mark.parametrize("arguments", [("serve",), ("migrate",)])
def test_a_dead_database_is_one_line(manage: Manage, port: int, arguments: tuple[str, ...]) -> None:
    url = f"postgresql://me:secret@127.0.0.1:{port}/live"
    line = refusal(manage(*arguments, DATABASE_URL=url))
    assert line.startswith("liveplatform: DATABASE_URL: ")
    assert "refused" in line
    assert "secret" not in line


@pytest.mark.parametrize("arguments", [("loadtest", "--viewer"), ("serve", "--fast"), ("loadtest", "more")])
def test_an_option_that_there_is_not_is_one_line(manage: Manage, arguments: tuple[str, ...]) -> None:
    """It came after twenty lines of usage."""
    assert arguments[-1] in refusal(manage(*arguments, **SERVERS))


def test_what_a_command_of_django_refuses_is_one_line_too(manage: Manage) -> None:
    """It ended with 1, which scripts take for a crash."""
    assert "no-such-file" in refusal(manage("loaddata", "no-such-file", **SERVERS))


def test_a_command_that_there_is_not_is_one_line(manage: Manage) -> None:
    """It was Django's two lines, and ended with 1."""
    line = refusal(manage("nosuch", **SERVERS))
    assert line == "liveplatform: there is no command 'nosuch': manage.py help lists them"


def test_a_port_in_use_is_one_line(manage: Manage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        line = refusal(manage("serve", PORT=str(other.getsockname()[1])))
    assert line.startswith("liveplatform: PORT: ")
    assert line.endswith("Address already in use")


def test_a_certificate_that_cannot_be_used_is_one_line(manage: Manage, folder: Path) -> None:
    assert refusal(manage("serve", LIVE_TLS_CERT="own.pem")) == (
        "liveplatform: LIVE_TLS_CERT and LIVE_TLS_KEY belong together: a certificate and its key"
    )
    missing = folder / "none.pem"
    line = refusal(manage("serve", LIVE_TLS_CERT=str(missing), LIVE_TLS_KEY=str(missing)))
    assert line == f"liveplatform: LIVE_TLS_CERT: {missing} cannot be read: No such file or directory"


def test_a_full_disk_is_one_line(environment: dict[str, str], folder: Path, port: int) -> None:
    """The data folder lies on a file system of 16 MB, which holds no database."""
    unshare = shutil.which("unshare")
    mount = f"mount -t tmpfs -o size=16m,mode=0755 none {folder.parent}"
    if os.geteuid() != 0 or not unshare or subprocess.run([unshare, "-m", "sh", "-c", mount]).returncode:
        pytest.skip("mounting a small file system needs root")
    command = f"{mount} && exec {sys.executable} manage.py serve"
    done = subprocess.run(
        [unshare, "-m", "sh", "-c", command],
        cwd=CHECKOUT,
        env={**environment, "PORT": str(port)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "No space left on device" in done.stderr


def test_ctrl_c_in_a_command_leaves_no_traceback(manage: Manage) -> None:
    url = os.environ["DATABASE_URL"]
    command = manage("shell", "--command", "import time; print('here', flush=True); time.sleep(600)", DATABASE_URL=url)
    command.wait_for_line("here")
    assert command.interrupt() == 130
    assert "Traceback" not in command.errors


def test_a_command_starts_the_servers_for_itself_and_stops_them(manage: Manage, folder: Path) -> None:
    command = manage("migrate", "--verbosity=0")
    assert command.wait() == 0, command.errors
    assert not (folder / "postgres" / "postmaster.pid").exists()


def test_machines_that_migrate_at_the_same_time_do_it_one_after_the_other(manage: Manage) -> None:
    """The one that waited was a statement that went on, and an index that is made meanwhile waits for all of those."""
    name = f"migrated_{secrets.token_hex(6)}"
    with psycopg.connect(SERVERS["DATABASE_URL"], autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        try:
            url = urlunsplit(urlsplit(SERVERS["DATABASE_URL"])._replace(path=f"/{name}"))
            commands = [manage("migrate", "--verbosity=0", **{**SERVERS, "DATABASE_URL": url}) for _ in range(2)]
            assert [command.wait() for command in commands] == [0, 0], [command.errors for command in commands]
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_a_command_for_a_site_that_is_not_there_makes_none(manage: Manage, folder: Path) -> None:
    """`changepassword` without the site's LIVE_DATA_DIR made a PostgreSQL elsewhere, and ended with a traceback."""
    command = manage("changepassword", "admin", DATABASE_URL="")
    assert f"there is no site in {folder} yet" in refusal(command)
    assert not (folder / "postgres").exists()


def test_a_database_without_tables_is_one_line(manage: Manage) -> None:
    """A first start that was cut short leaves one. There were forty lines of traceback."""
    assert "manage.py migrate makes them" in refusal(manage("changepassword", "admin", **SERVERS))


def test_help_needs_no_servers(manage: Manage, folder: Path) -> None:
    assert manage("help").wait() == 0
    assert not (folder / "postgres").exists()
