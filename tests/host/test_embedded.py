"""The embedded servers: data that survive, addresses that stay, one owner, no orphans."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from host import embedded
from host.embedded import postgres as embedded_postgres
from host.processes import Child, Program
from tests.host.conftest import alive
from tests.sites import CHECKOUT, wait_for


def kept(folder: Path) -> dict[str, Any]:
    addresses: dict[str, Any] = json.loads((folder / "servers.json").read_text())
    return addresses


def setting(folder: Path, name: str) -> str:
    with psycopg.connect(embedded.database_url(folder)) as connection:
        row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
    assert row
    return str(row[0])


@contextlib.contextmanager
def another_owner(folder: Path, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """Have a process that runs the folder's servers, and stops them when it reads a line."""
    code = (
        "import sys; from pathlib import Path; from host import embedded\n"
        "with embedded.running(Path(sys.argv[1]), command='test'):\n    print('running', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        cwd=CHECKOUT,
        env={**os.environ, **variables},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "running\n"
        try:
            yield process
        finally:
            process.kill()


def server_pids(folder: Path) -> list[int]:
    with redis.Redis.from_url(embedded.redis_url(folder)) as client:
        valkey = int(client.info("server")["process_id"])
    return [int((folder / "postgres" / "postmaster.pid").read_text().split()[0]), valkey]


def test_the_sites_database_is_durable_and_closed_to_strangers(folder: Path) -> None:
    with embedded.running(folder, command="test"):
        assert [setting(folder, name) for name in ("fsync", "full_page_writes", "synchronous_commit")] == ["on"] * 3
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(embedded.database_url(folder), password="guessed")
        with redis.Redis(port=kept(folder)["valkey"]["port"]) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()


def test_data_survive_a_crash_of_the_server(folder: Path) -> None:
    (server,) = embedded.servers(folder, valkey=False)
    with embedded.started(server, folder) as child:
        with psycopg.connect(embedded.database_url(folder)) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        child.kill()
    with embedded.running(folder, command="test"), psycopg.connect(embedded.database_url(folder)) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_a_process_that_has_the_number_of_a_dead_server_does_not_stop_the_start(folder: Path) -> None:
    """After a power cut the number in postmaster.pid may be anybody's; PostgreSQL then refused to start."""
    (server,) = embedded.servers(folder, valkey=False)
    with embedded.started(server, folder) as child:
        child.kill()
    pid_file = folder / "postgres" / "postmaster.pid"
    _, *rest = pid_file.read_text().splitlines()
    with open(pid_file, "w") as file:
        file.write("\n".join([str(os.getpid()), *rest]))
    with embedded.running(folder, command="test"):
        assert setting(folder, "server_version_num") >= "180000"


def test_the_sessions_of_a_dead_server_are_waited_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They end when they see that it is dead, and hold its memory until then: the next start failed."""
    looks: list[bool] = []
    is_unused = embedded_postgres.is_unused

    def look(lines: list[str]) -> bool:
        looks.append(is_unused(lines))
        return looks[-1]

    monkeypatch.setattr(embedded_postgres, "is_unused", look)
    (server,) = embedded.servers(folder, valkey=False)
    with (
        embedded.started(server, folder) as child,
        psycopg.connect(embedded.database_url(folder)) as connection,
        ThreadPoolExecutor() as threads,
    ):
        session = connection.info.backend_pid
        os.kill(session, signal.SIGSTOP)  # it is too busy to see it
        child.kill()
        version = threads.submit(running_version, folder)
        try:
            wait_for(lambda: bool(looks), "the next start to look")
        finally:
            os.kill(session, signal.SIGKILL)
        assert version.result() >= "180000"
        assert (looks[0], looks[-1]) == (False, True)


def running_version(folder: Path) -> str:
    with embedded.running(folder, command="test", valkey=False):
        return setting(folder, "server_version_num")


def test_addresses_stay_the_same_and_only_their_owner_can_read_them(folder: Path) -> None:
    urls = embedded.database_url(folder), embedded.redis_url(folder)
    assert stat.S_IMODE((folder / "servers.json").stat().st_mode) == 0o600
    with embedded.running(folder, command="test"):
        pass
    assert (embedded.database_url(folder), embedded.redis_url(folder)) == urls


def test_a_server_whose_port_is_taken_moves_to_another(folder: Path) -> None:
    embedded.database_url(folder)
    port = kept(folder)["postgres"]["port"]
    with socket.create_server(("127.0.0.1", port)), embedded.running(folder, command="test"):
        assert setting(folder, "port") != str(port)


def test_a_second_command_uses_the_servers_of_the_first(folder: Path) -> None:
    with another_owner(folder) as owner:
        before = server_pids(folder)
        with embedded.running(folder, command="second"):
            assert server_pids(folder) == before
        owner.communicate("\n")
        assert owner.returncode == 0


def test_the_first_command_waits_for_the_second_before_it_stops_the_servers(folder: Path) -> None:
    with another_owner(folder) as owner:
        with embedded.running(folder, command="second"):
            assert owner.stdin
            owner.stdin.write("\n")
            owner.stdin.flush()
            wait_for(lambda: waits_for_a_lock(owner.pid), "the first to wait")
            assert setting(folder, "fsync") == "on"
        assert owner.wait(60) == 0


def waits_for_a_lock(pid: int) -> bool:
    return f"-> FLOCK  ADVISORY  WRITE {pid} " in Path("/proc/locks").read_text()


@pytest.mark.parametrize("guard", ["kernel", "shell"])
def test_servers_end_with_the_process_that_started_them(folder: Path, tmp_path: Path, guard: str) -> None:
    """Killed so that it can do nothing about it. Without `setpriv` (macOS) a shell sees to it."""
    with another_owner(folder, PATH=os.environ["PATH"] if guard == "kernel" else str(tmp_path)) as owner:
        pids = server_pids(folder)
        owner.kill()
    wait_for(lambda: not any(map(alive, pids)), "PostgreSQL and Valkey to end")


def start_shell(script: str) -> tuple[Child, bytes]:
    """Start a shell and return it with the first line that it prints."""
    reading, writing = os.pipe()
    child = Child(Program("shell", ("/bin/sh", "-c", script), stop_seconds=0.1), writing)
    os.close(writing)
    with open(reading, "rb") as output:
        return child, output.readline()


def test_killing_a_child_also_ends_what_it_has_started() -> None:
    """Celery's beat is a child of its worker: it went on sending work when the worker was killed."""
    child, first_line = start_shell("sleep 600 & echo $!; wait")
    grandchild = int(first_line)
    child.kill()
    wait_for(lambda: not alive(grandchild), "the grandchild to end")


def test_a_child_that_does_not_stop_in_time_is_killed() -> None:
    child, _ = start_shell("trap '' TERM; echo; while :; do sleep 1; done")
    assert child.stop() == -signal.SIGKILL


def test_throw_away_servers_leave_nothing_behind() -> None:
    with embedded.throw_away() as used:
        pids = server_pids(used)
        assert setting(used, "fsync") == "off"
        # A session of it kept a test database from being dropped, and a run without a failure ended with an error.
        assert setting(used, "autovacuum") == "off"
    assert not used.exists()
    assert not any(map(alive, pids))


def test_a_data_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(embedded.ServersError, match=r"cannot use the data folder .*: Not a directory"):
        embedded.claim(tmp_path / "file" / "data", "test")


def test_a_private_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "kept" / "secret"
    embedded.write_private(path, "first")

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        embedded.write_private(path, "second")
    assert path.read_text() == "first"
    assert [entry.name for entry in path.parent.iterdir()] == ["secret"]


def test_roots_data_lie_where_nobody_can_reach_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    at_root = embedded.data_dir(Path("/home/me/checkout"), "")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert (at_root.parent, embedded.data_dir(Path("/home/me/checkout"), "")) == (
        Path("/var/lib"),
        Path("/home/me/checkout/var"),
    )


def test_setpriv_is_not_needed_to_start_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("host.processes.shutil.which", lambda name: None)
    child = Child(Program("child", ("/bin/sh", "-c", "exit 7")))
    assert child.process.wait(60) == 7
    assert child.exit_code() == 7


def test_servers_of_a_running_site_are_not_had_alone(folder: Path) -> None:
    """`manage.py restore` starts them, so that nobody else uses them."""
    with (
        embedded.holding(folder, command="manage.py serve"),
        pytest.raises(embedded.ServersError, match=r"is in use by process \d+ \(manage\.py serve\): stop that first$"),
        embedded.running(folder, command="manage.py restore", alone=True),
    ):
        pass


def test_folder_of_another_major_version_says_the_way(folder: Path) -> None:
    cluster = folder / "postgres"
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text("17\n")
    with pytest.raises(embedded.ServersError, match="backup with the release before, move that folder away, restore"):
        embedded.servers(folder, valkey=False)
    document, _, anchor = embedded.MAJOR_VERSIONS.partition("#")
    headings = [line.lstrip("# ").lower() for line in Path(document).read_text().splitlines() if line.startswith("#")]
    assert anchor in [heading.replace(" ", "-") for heading in headings]
