"""What this machine allows, and which processes are the site's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from loadtest.machine import Address, DoesNotFit, find_site, make_room, reach, source_for


def test_viewers_above_a_source_address_ports_come_from_the_next_one() -> None:
    address = Address("http://127.0.0.1:1", *_loopback())
    assert source_for(address, 0) is None
    assert source_for(address, 1_999) is None
    assert source_for(address, 2_000) == "127.0.0.2"
    assert source_for(address, 99_999) == "127.0.0.50"
    assert source_for(address, 999_999) == "127.0.1.250"


def test_more_viewers_than_open_files_do_not_fit() -> None:
    with pytest.raises(DoesNotFit, match="open files"):
        make_room(2_000_000_000, [Address("http://127.0.0.1:1", *_loopback())])


@pytest.mark.parametrize(
    ("viewers", "processes", "spread"),
    [(1, 0, 1), (19_900, 0, 1), (19_901, 0, 2), (100_000, 0, 6), (1_000, 4, 4), (3, 8, 3)],
)
def test_viewers_are_spread_over_as_few_processes_as_will_hold_them(
    monkeypatch: pytest.MonkeyPatch, viewers: int, processes: int, spread: int
) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda what: (20_000, 20_000))
    address = Address("http://127.0.0.1:1", *_loopback())
    assert make_room(viewers, [address], processes=processes) == spread


@pytest.mark.parametrize(
    ("viewers", "processes", "speakers"), [(20_000, 1, 0), (10, 65, 0), (2_000_000, 0, 0), (10, 1, 18_801)]
)
def test_what_the_processes_asked_for_cannot_hold_does_not_fit(
    monkeypatch: pytest.MonkeyPatch, viewers: int, processes: int, speakers: int
) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda what: (20_000, 20_000))
    address = Address("http://127.0.0.1:1", *_loopback())
    with pytest.raises(DoesNotFit, match="open files"):
        make_room(viewers, [address], processes=processes, speakers=speakers)


def _loopback() -> tuple[Any, Any]:
    import socket

    return socket.AF_INET, ("127.0.0.1", 1)


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8000",
        "ftp://a",
        "ftp://a:21",
        "http://",
        "http://a/path",
        "http://a:b",
        "",
        "http://u@a",
        "https://a:99999",
        "http://[::1",
    ],
)
def test_what_is_no_address_of_a_site_is_refused(url: str) -> None:
    with pytest.raises(ValueError):
        reach(url)


def test_the_sites_processes_are_the_listeners_and_their_supervisors_family(tmp_path: Path) -> None:
    def process(pid: int, parent: int, command: str, *sockets: str) -> None:
        folder = tmp_path / str(pid)
        (folder / "fd").mkdir(parents=True)
        (folder / "cmdline").write_text(command.replace(" ", "\0"))
        (folder / "stat").write_text(f"{pid} (a b) c) S {parent} 0")
        for number, inode in enumerate(sockets):
            (folder / "fd" / str(number)).symlink_to(f"socket:[{inode}]")

    (tmp_path / "net").mkdir()
    (tmp_path / "net/tcp").write_text(
        "head\n"
        "0: 0100007F:1F40 00000000:0000 0A 0:0 0:0 0 0 0 77 1\n"
        "1: 0100007F:1F40 0100007F:9999 01 0:0 0:0 0 0 0 78 1\n"
    )
    process(1, 0, "init")
    process(5, 1, "sh -c manage.py serve && manage.py loadtest")
    process(10, 5, "/venv/bin/python manage.py serve")
    process(11, 10, "python -m liveplatform.node --fd 3", "77")
    process(12, 10, "python -m celery -A liveplatform worker -Q dispatch")
    process(13, 10, "python -m celery --app liveplatform worker --queues jobs --beat")
    process(14, 10, "/x/bin/postgres -D data")
    process(15, 14, "postgres: checkpointer")
    process(16, 10, "/x/valkey-server *:1")
    process(20, 5, "python manage.py loadtest", "78")
    site = find_site([8000], proc=tmp_path, own=20)
    assert site
    assert {part: sorted(pids) for part, pids in site.parts.items()} == {
        "supervisor": [10],
        "node": [11],
        "dispatcher": [12],
        "jobs": [13],
        "postgresql": [14, 15],
        "valkey": [16],
    }
    process(21, 14, "postgres: a new connection")
    process(22, 20, "python -c watcher")
    site.refresh()
    assert (site.parts["postgresql"], sum(map(len, site.parts.values()))) == ([14, 15, 21], 8)
    assert find_site([8001], proc=tmp_path, own=20) is None
