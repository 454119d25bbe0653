"""`manage.py serve`, which is `./run`: one command starts the site, keeps it up and stops all of it."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from host import embedded
from tests.host.conftest import Command, alive, command_line, environment_of
from tests.host.prepared import prepare
from tests.sites import answers, free_port, wait_for

Manage = Callable[..., Command]


@pytest.fixture(scope="module")
def kept() -> Iterator[dict[str, str]]:
    """The environment of a site whose data several tests use."""
    with embedded.temporary_folder() as made:
        yield {**environment_of(made / "data"), "PORT": str(free_port())}


@pytest.fixture(scope="module")
def first(kept: dict[str, str]) -> Iterator[Command]:
    """The first start of that site."""
    site = Command(("serve",), kept)
    site.wait_for_line("Ready:")
    yield site
    site.process.kill()
    site.wait()


def process_of(site: Command, part: str) -> int:
    """Return the process of the site whose command line contains `part`."""
    found = [pid for pid in site.pids() if part in command_line(pid)]
    assert found, part
    return min(found)


def test_the_site_starts_serves_stops_and_keeps_its_data(kept: dict[str, str], first: Command, manage: Manage) -> None:
    folder, port = Path(kept["LIVE_DATA_DIR"]), kept["PORT"]
    assert first.wait_for_line("Ready:").split() == ["Ready:", f"http://localhost:{port}/"]
    written = Path(first.wait_for_line("Sign in at").split()[-1])
    assert written.stat().st_mode & 0o777 == 0o600
    assert len(password := written.read_text().strip()) >= 16
    assert password not in first.output, "what a pipe reads is kept as a log"
    assert f"LIVE_DATA_DIR={folder} ./run manage.py changepassword admin" in first.output
    wait_for(lambda: answers(f"http://127.0.0.1:{port}/readyz"), "an answer")
    wait_for(lambda: bool(list(folder.glob("media/*/live.m3u8"))), "the demo broadcast")

    # Commands use the running site's servers; a second site of the same data is refused.
    assert manage("showmigrations", "--skip-checks", **kept).wait() == 0
    second = manage("serve", **kept)
    assert second.wait() == 2
    assert "is in use by process" in second.errors

    pids = first.pids()
    assert len(pids) >= 8
    assert first.interrupt() == 0
    assert not any(map(alive, pids))
    assert first.errors == ""

    again = manage("serve", **kept)
    again.wait_for_line("Ready:")
    assert "Sign in at" not in again.output
    assert "the database is up to date" in again.output
    with psycopg.connect(embedded.database_url(folder)) as connection:
        assert connection.execute("SELECT username FROM accounts_viewer ORDER BY 1").fetchall() == [
            ("admin",),
            ("demo",),
        ]
    again.process.send_signal(signal.SIGTERM)
    assert again.wait() == 0


def test_a_database_that_was_emptied_between_two_starts_is_prepared_again(
    kept: dict[str, str], first: Command, manage: Manage
) -> None:
    """The next start takes the database for prepared and starts the nodes at once: they must not say ready.

    Without the demo it shows none.
    """
    if first.process.poll() is None:
        first.interrupt()
    folder = Path(kept["LIVE_DATA_DIR"])
    with embedded.running(folder, command="test"), psycopg.connect(embedded.database_url(folder)) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    site = manage("serve", **kept, LIVE_NODES="1", LIVE_DEMO="off")
    site.wait_for_line("Ready:")
    assert "Applying videos.0001_squashed_0011... OK" in site.output
    assert site.wait_for_line("Sign in at")
    with psycopg.connect(embedded.database_url(folder)) as connection:
        assert connection.execute("SELECT count(*) FROM videos_video").fetchone() == (0,)
    assert site.interrupt() == 0


@pytest.fixture(scope="module")
def lasting_folder() -> Iterator[Path]:
    with embedded.temporary_folder() as made:
        prepare(made / "data")
        yield made / "data"


@pytest.fixture(scope="module")
def lasting(lasting_folder: Path) -> Iterator[Command]:
    """A site of one node for several tests, the last of which ends it."""
    site = Command(("serve",), {**environment_of(lasting_folder), "PORT": str(free_port()), "LIVE_NODES": "1"})
    yield site
    site.process.kill()
    site.wait()


def test_whatever_dies_is_started_again(lasting: Command) -> None:
    site = lasting
    url = site.wait_for_line("Ready:").split()[1].replace("localhost", "127.0.0.1")
    for name, part in [("node-1", "liveplatform.node"), ("postgres", "postgres -D"), ("dispatcher", "dispatcher@")]:
        if name == "dispatcher":
            before = site.pids()
            os.kill(fork_server := process_of(site, "fork server"), signal.SIGKILL)
            assert site.wait_for_line("the fork server has ended"), "at once, not when it is missed"
        victim = process_of(site, part)
        os.kill(victim, signal.SIGKILL)
        site.wait_for_line(f"{name} ended by SIGKILL: starting it again")
        wait_for(lambda part=part, victim=victim: _runs_again(site, part, victim), name)  # type: ignore[misc]
    programs = {pid for pid in before if "liveplatform" in command_line(pid)} - {fork_server, victim}
    assert len(programs) >= 3
    assert all(map(alive, programs)), "they live on without it"
    wait_for(lambda: answers(f"{url}readyz"), "the site to be ready again")


def _runs_again(site: Command, part: str, victim: int) -> bool:
    try:
        return process_of(site, part) != victim
    except AssertionError:
        return False


def playlist(folder: Path) -> str:
    (path,) = folder.glob("media/*/live.m3u8")
    return path.read_text()


def segments(folder: Path) -> list[str]:
    return re.findall(r"^(\d+-\d+)\.m4s$", playlist(folder), re.MULTILINE)


def first_number(folder: Path) -> int:
    found = re.search(r"^#EXT-X-MEDIA-SEQUENCE:(\d+)$", playlist(folder), re.MULTILINE)
    assert found
    return int(found[1])


def test_the_demo_broadcast_goes_on_after_a_crash_and_ends_with_its_video(
    lasting: Command, lasting_folder: Path
) -> None:
    site, folder = lasting, lasting_folder
    wait_for(lambda: len(segments(folder)) > 2, "segments")
    before = segments(folder)
    assert "/live/once-" in command_line(process_of(site, "rtmp://")), "no key: all users of the machine may read it"
    assert "#EXT-X-PROGRAM-DATE-TIME" in playlist(folder)
    os.kill(process_of(site, "rtmp://"), signal.SIGKILL)
    # A player that holds the old playlist goes on by itself: what was listed stays listed, in its place.
    wait_for(lambda: "#EXT-X-DISCONTINUITY\n" in playlist(folder), "the broadcast to go on")
    wait_for(lambda: len(segments(folder)) > len(before), "the broadcast to go on")
    assert segments(folder)[: len(before)] == before
    assert first_number(folder) == 0
    assert "#EXT-X-ENDLIST" not in playlist(folder)

    with psycopg.connect(embedded.database_url(folder)) as connection:
        # As a moderator's act does. Without the lock, what the ingest writes of the picture may undo it.
        live = "SELECT 'video:' || id FROM videos_video WHERE status = 'live'"
        connection.execute(f"SELECT FROM realtime_topic WHERE name IN ({live}) FOR UPDATE")
        connection.execute("UPDATE videos_video SET status = 'ended', ended_at = now() WHERE status = 'live'")
    site.wait_for_line("the demo broadcast has been ended")
    wait_for(lambda: "#EXT-X-ENDLIST" in playlist(folder), "the end")
    assert not list(folder.glob("media/*/replay.m3u8"))
    assert "rtmp://" not in " ".join(map(command_line, site.pids()))


def test_nothing_outlives_a_killed_site(lasting: Command) -> None:
    pids = lasting.pids()
    assert len(pids) >= 5
    lasting.process.kill()
    lasting.wait()
    wait_for(lambda: not any(map(alive, pids)), "every process of the site to end")
