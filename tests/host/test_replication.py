"""PostgreSQL with a replica, by the settings of deploy/postgres: what was acknowledged is there when it takes over."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from host import embedded
from host.processes import Child, Program
from realtime.log.changes import NOW
from realtime.log.epoch import OF_CLUSTER
from tests.machines import DEPLOY
from tests.sites import wait_for

PASSWORD = "known to everyone who reads the tests"


def answers(url: str) -> bool:
    with contextlib.suppress(psycopg.OperationalError), psycopg.connect(url, connect_timeout=2):
        return True
    return False


def cluster_of(url: str) -> tuple[object, ...]:
    """Return what the epoch holds of the server (realtime.log.epoch)."""
    with psycopg.connect(url) as connection:
        found = connection.execute(f"SELECT {OF_CLUSTER}").fetchone()
        assert found is not None
        return found


@pytest.fixture
def folder() -> Iterator[Path]:
    with embedded.temporary_folder() as folder:
        yield folder


def test_replica_takes_over_with_everything_that_was_acknowledged(folder: Path) -> None:
    (server,) = embedded.servers(folder, valkey=False)
    program, cluster, copy = server.program, folder / "postgres", folder / "replica"
    programs = Path(program.argv[0]).parent
    user = (program.uid, program.gid)
    for name in ("primary.conf", "pg_hba.conf"):
        shutil.copy(DEPLOY / "postgres" / name, cluster / name)
        embedded.hand_over(cluster / name, user)
    with (cluster / "postgresql.conf").open("a") as file:
        file.write("include 'primary.conf'\n")
    url = embedded.database_url(folder)
    port, other_port = urlsplit(url).port, embedded.free_port()

    def postgres(data: Path, port: int | None) -> Program:
        options = {"port": port, "unix_socket_directories": "", "shared_buffers": "32MB"}
        options["hba_file"] = str(data / "pg_hba.conf")
        options["listen_addresses"] = "127.0.0.1"
        argv = [program.argv[0], "-D", str(data)]
        for name, value in options.items():
            argv += ["-c", f"{name}={value}"]
        return dataclasses.replace(program, argv=tuple(argv))

    def run(argv: list[str]) -> None:
        done = subprocess.run(argv, capture_output=True, text=True, user=program.uid, group=program.gid, cwd=folder)
        assert done.returncode == 0, done.stderr

    with contextlib.ExitStack() as stack:
        primary = Child(postgres(cluster, port))
        stack.callback(primary.stop)
        wait_for(lambda: answers(url), "the primary")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE TABLE said (number int PRIMARY KEY)")
            connection.execute(f"CREATE ROLE replicator LOGIN REPLICATION PASSWORD '{PASSWORD}'")
        copy.mkdir(0o700)
        embedded.hand_over(copy, user)
        source = f"host=127.0.0.1 port={port} user=replicator password='{PASSWORD}' application_name=replica"
        run([str(programs / "pg_basebackup"), "-d", source, "-D", str(copy), "-R", "-C", "-S", "replica", "-c", "fast"])
        replica = Child(postgres(copy, other_port))
        stack.callback(replica.stop)
        other_url = url.replace(f":{port}/", f":{other_port}/")
        wait_for(lambda: answers(other_url), "the replica")

        def is_streaming() -> bool:
            with psycopg.connect(url) as connection:
                return connection.execute("SELECT state FROM pg_stat_replication").fetchall() == [("streaming",)]

        wait_for(is_streaming, "replication")
        with psycopg.connect(url, autocommit=True) as connection:
            # As docs/operations.md says for who wants no acknowledged comment to depend on one disk.
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = 'replica'")
            connection.execute("SELECT pg_reload_conf()")

            def is_synchronous() -> bool:
                state = connection.execute("SELECT sync_state FROM pg_stat_replication").fetchone()
                return state == ("sync",)

            wait_for(is_synchronous, "the replica to be waited for")
            for number in range(100):
                connection.execute("INSERT INTO said VALUES (%s)", [number])
            with psycopg.connect(url) as late, psycopg.connect(other_url, autocommit=True) as other:
                begun = late.execute("SELECT pg_current_xact_id()::text").fetchone()
                late.execute("DELETE FROM said WHERE number = 0")
                connection.execute("DELETE FROM said WHERE number = 1")
                wait_for(lambda: other.execute("SELECT 1 FROM said WHERE number = 1").fetchone() is None, "the replica")
                mark = other.execute(f"SELECT {NOW}", {}).fetchone()
                late.rollback()
                assert begun is not None and mark is not None
                visible = connection.execute("SELECT pg_visible_in_snapshot(%s::xid8, %s)", [begun[0], mark[0]])
                assert visible.fetchone() == (False,), "a look at the replica has not seen what commits later"
                connection.execute("INSERT INTO said VALUES (1) ON CONFLICT DO NOTHING")
        before = cluster_of(url)
        assert cluster_of(other_url) == before, "a replica follows the history of its primary"
        primary.send(signal.SIGQUIT)
        primary.process.wait(30)
        run([str(programs / "pg_ctl"), "promote", "-D", str(copy)])
        with psycopg.connect(other_url, autocommit=True) as connection:
            connection.execute("INSERT INTO said VALUES (100)")
            assert connection.execute("SELECT count(*), max(number) FROM said").fetchone() == (101, 100)
        promoted = cluster_of(other_url)
        assert promoted[0] == before[0]
        assert promoted[1] != before[1], "what was not copied in time is gone: positions are of another epoch"
