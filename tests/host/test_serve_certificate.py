"""`DOMAIN=live.example.org ./run`: one command starts a site that gets its certificate by itself."""

from __future__ import annotations

import http.client
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from host import embedded
from host.certificates.kept import KeptCertificate
from host.processes import Child, Program
from tests.authorities import TestAuthority, authority
from tests.host.conftest import environment_of
from tests.host.prepared import prepare
from tests.sites import CHECKOUT, wait_for

NAMES = ("live.example.org", "www.example.org")


class NamedSite:
    """`./run` on the machine of an authority, with one node and no demo."""

    def __init__(self, asked: TestAuthority, folder: Path, log: Path) -> None:
        self._asked = asked
        self._folder = folder
        self._log = log
        self._child: Child | None = None

    def start(self, *names: str) -> None:
        self._log.write_text("")
        env = {**environment_of(self._folder), **self._asked.env(*names), "LIVE_NODES": "1", "LIVE_DEMO": "off"}
        argv = (sys.executable, "-u", "manage.py", "serve")
        program = Program("site", argv, stop_seconds=120.0, cwd=CHECKOUT, env=env)
        self._child = self._asked.machine.start(program, self._log)

    def said(self) -> str:
        return self._log.read_text(errors="replace")

    def wait_for_line(self, text: str) -> None:
        child = self._child
        assert child
        wait_for(lambda: text in self.said() or child.exit_code() is not None, f"{text!r}")
        assert text in self.said(), self.said()

    def stop(self) -> int | None:
        assert self._child
        return self._child.stop()

    def kill(self) -> None:
        if self._child:
            self._child.kill()


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[TestAuthority]:
    with authority(tmp_path / "network", NAMES) as made:
        yield made


@pytest.fixture
def folder() -> Iterator[Path]:
    with embedded.temporary_folder() as made:
        prepare(made / "data")
        yield made / "data"


@pytest.fixture
def site(asked: TestAuthority, folder: Path, tmp_path: Path) -> Iterator[NamedSite]:
    made = NamedSite(asked, folder, tmp_path / "log")
    yield made
    made.kill()


def test_one_command_and_an_authority_that_comes_late(asked: TestAuthority, folder: Path, site: NamedSite) -> None:
    kept = KeptCertificate(folder)
    asked.start()  # so that its root is there
    asked.kill()
    site.start(NAMES[0])
    site.wait_for_line(f"Ready: https://{NAMES[0]}/")
    site.wait_for_line("Certificate: none yet. authority.example.org:14000 is asked for one")
    site.wait_for_line(
        "does not answer: Connection refused. The site has none that browsers trust. Failures in a row: 1"
    )
    assert asked.shown().is_own, "the site stands"

    asked.start()
    (kept.folder / "state.json").unlink()  # as the documents say, for a person who does not want to wait
    site.wait_for_line(f"there is a new certificate for {NAMES[0]}, good until")
    wait_for(lambda: asked.shows_what_is_kept(kept), "the node to take the certificate")
    page = http.client.HTTPConnection(NAMES[0])
    page.sock = asked.trusted(NAMES[0])
    page.request("GET", "/")
    answer = page.getresponse()
    assert (answer.status, answer.headers["Strict-Transport-Security"]) == (200, "max-age=2592000")
    page.close()
    moved, _ = asked.ask_plainly("/", host=NAMES[0])
    assert (moved.status, moved.headers["Location"]) == (308, f"https://{NAMES[0]}/")
    assert site.stop() == 0

    # The next start has it, asks for another list of names, and renews when it is time.
    site.start(*NAMES)
    site.wait_for_line(f"there is a new certificate for {', '.join(NAMES)}, good until")
    site.wait_for_line("Certificate: until ")
    wait_for(lambda: asked.shows_what_is_kept(kept), "the node to take the certificate")
    asked.trusted(NAMES[1]).close()
    before = kept.file.read_bytes()
    kept.write_history(replace(kept.history(), renew_at=1.0, look_at=1.0))
    wait_for(lambda: kept.file.read_bytes() != before and asked.shows_what_is_kept(kept), "the renewal")
    assert site.stop() == 0
