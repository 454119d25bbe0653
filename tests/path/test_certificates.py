"""A site that says its name gets its certificate from a real authority, and keeps it fresh (DOMAIN)."""

from __future__ import annotations

import asyncio
import dataclasses
import shutil
import signal
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from host import programs
from host.certificates.kept import CertificateOrder, KeptCertificate
from host.certificates.own import have_certificate, parse_certificate
from host.processes import Child, Program
from tests.authorities import TestAuthority, authority
from tests.certificates import certificate
from tests.rooms import Room, open_room
from tests.sites import Site, wait_for

NAMES = ("live.example.org", "www.example.org")
NOWHERE = "nowhere.example.org"
TRICKS = (
    *("", ".", "..", "../state.json", "../account.pem", "..%2Faccount.pem", "%2e%2e/account.pem", "..%5Caccount.pem"),
    *("token-1/", "/token-1", "./token-1", "token-1%00", "token-1.", "challenges/token-1", "//etc/passwd", "~root"),
    *("link", "folder", "folder/", "unknown", "x" * 129, "%2e"),
)


@dataclass(frozen=True, slots=True)
class Named:
    """One more node of the shared site, on ports 80 and 443 of a machine to which its names lead."""

    site: Site
    authority: TestAuthority
    kept: KeptCertificate
    folder: Path

    def start_renewing(self, *names: str) -> tuple[Child, Path]:
        """Start what gets or renews the certificate; return the process, and where it writes."""
        env = {**self.site.env, **self.authority.env(*(names or NAMES))}
        output = self.folder / f"certificate-{time.monotonic_ns()}"
        return self.authority.machine.start(replace(programs.certificate(), env=env), output), output

    def renew(self, *names: str) -> str:
        """Look after the certificate; return what was said."""
        child, output = self.start_renewing(*names)
        wait_for(lambda: child.exit_code() is not None, "the end of what renews")
        assert child.exit_code() == 0, output.read_text()
        return output.read_text()

    def make_due(self) -> None:
        """Have the time of the renewal come."""
        self.kept.write_history(replace(self.kept.history(), renew_at=1.0, look_at=1.0))

    def wait_until_shown(self) -> None:
        wait_for(lambda: self.authority.shows_what_is_kept(self.kept), "the nodes to take the certificate")


@pytest.fixture(scope="module")
def named(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Named]:
    folder = tmp_path_factory.mktemp("named")
    with authority(folder / "network", NAMES) as asked:
        asked.start()
        kept = KeptCertificate(site.folder)
        have_certificate(kept, NAMES)
        with asked.machine.entered():
            plain, secure = socket.create_server(("127.0.0.1", 80)), socket.create_server(("127.0.0.1", 443))
        with plain, secure:
            env = {**site.env, **asked.env(*NAMES)}

            def program(name: str, listening_fd: int) -> Program:
                made = programs.node(name, listening_fd, secure.fileno())
                argv = (*made.argv, "-e", f"fd:fileno={plain.fileno()}")
                return dataclasses.replace(made, argv=argv, fds=(*made.fds, plain.fileno()), env=env)

            site.start_node(program=program)
        try:
            site.wait_until_ready()
            yield Named(site, asked, kept, folder)
        finally:
            site.urls.pop()
            site.nodes.pop().stop()
            shutil.rmtree(kept.folder)


@pytest.fixture
async def room(site: Site) -> AsyncIterator[Room]:
    async with open_room(site) as made:
        yield made


def test_the_site_waits_for_its_first_certificate_and_then_sends_on_to_https(named: Named) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        named.authority.trusted(NAMES[0])
    waiting, text = named.authority.ask_plainly("/", host=NAMES[0])
    assert (waiting.status, waiting.headers["Retry-After"]) == (503, "5")
    assert b"waits for its certificate" in text
    assert named.authority.ask_plainly("/readyz", host=NAMES[0])[0].status == 200

    said = named.renew()
    assert f"there is a new certificate for {', '.join(NAMES)}, good until " in said
    assert said.count("\n") == 1
    assert named.kept.file.stat().st_mode & 0o777 == 0o600
    assert named.kept.account.stat().st_mode & 0o777 == 0o600
    assert not list((named.kept.folder / "challenges").iterdir()), "answers that nobody asks for any more"
    history = named.kept.history()
    assert history.failures == 0
    assert time.time() < history.look_at <= history.renew_at < history.ends_at

    named.wait_until_shown()
    for name in NAMES:
        named.authority.trusted(name).close()
    moved, _ = named.authority.ask_plainly("/search/?q=a", host=NAMES[1])
    assert (moved.status, moved.headers["Location"]) == (308, f"https://{NAMES[1]}/search/?q=a")


def test_nothing_is_asked_before_it_is_time(named: Named) -> None:
    named.renew()
    before, got_at = named.kept.file.read_bytes(), named.kept.history().got_at
    assert named.renew() == ""
    assert (named.kept.file.read_bytes(), named.kept.history().got_at) == (before, got_at)


async def test_a_renewal_needs_no_restart_and_streams_stay(named: Named, room: Room) -> None:
    await asyncio.to_thread(named.renew)
    await asyncio.to_thread(named.wait_until_shown)
    before = named.kept.file.read_bytes()
    stream = named.authority.trusted(NAMES[0])
    with stream:
        request = f"GET /events?topic={room.topic} HTTP/1.1\r\nHost: {NAMES[0]}\r\n\r\n"
        await asyncio.to_thread(stream.sendall, request.encode())
        await asyncio.to_thread(read_until, stream, b"event: hello")
        named.make_due()
        assert "there is a new certificate" in await asyncio.to_thread(named.renew)
        assert named.kept.file.read_bytes() != before
        await asyncio.to_thread(named.wait_until_shown)
        await room.comment("still here")
        await asyncio.to_thread(read_until, stream, b"still here")


def read_until(stream: ssl.SSLSocket, text: bytes) -> None:
    read = b""
    while text not in read:
        data = stream.recv(65_536)
        assert data, "the stream ended"
        read += data


def test_a_name_that_leads_elsewhere_is_refused_in_words_and_the_site_goes_on(named: Named) -> None:
    named.renew()
    named.wait_until_shown()
    before = named.kept.file.read_bytes()
    said = named.renew(NOWHERE)
    assert f"no certificate for {NOWHERE}: {said_by(named)} does not find this site at port 80 of {NOWHERE}: " in said
    assert "The site goes on with the one of before, which ends on " in said
    assert said.count("\n") == 1
    history = named.kept.history()
    assert (history.failures, history.names) == (1, (NOWHERE,))
    assert history.look_at >= history.tried_at + 120
    assert named.kept.file.read_bytes() == before
    named.authority.trusted(NAMES[0]).close()


def said_by(named: Named) -> str:
    return named.authority.directory.split("/")[2]


def test_an_authority_that_is_away_leaves_the_old_certificate_and_is_asked_later(named: Named) -> None:
    named.renew()
    named.wait_until_shown()
    named.make_due()
    named.authority.kill()
    try:
        first = named.renew()
        second = named.renew()
    finally:
        named.authority.start()
    assert f"{said_by(named)} does not answer: Connection refused. The site goes on with the one of before" in first
    assert "Failures in a row: 2" in second
    history = named.kept.history()
    assert history.look_at >= history.tried_at + 120
    named.authority.trusted(NAMES[0]).close()
    assert "there is a new certificate" in named.renew()
    assert named.kept.history().failures == 0


def test_a_process_that_is_killed_while_it_asks_counts_as_a_failure(named: Named) -> None:
    """A loop of crashes would use up what an authority allows in a week."""
    named.renew()
    named.make_due()
    order = CertificateOrder(named.authority.directory, NAMES)
    named.authority.children[-1].send(signal.SIGSTOP)
    try:
        child, _ = named.start_renewing()
        wait_for(lambda: named.kept.history().failures == 1, "the note of what is tried")
        child.kill()
    finally:
        named.authority.children[-1].send(signal.SIGCONT)
    assert named.kept.history().due_at(order, time.time()) > time.time() + 60
    assert "there is a new certificate" in named.renew()


def test_an_expired_certificate_is_replaced(named: Named) -> None:
    key, expired = certificate(named.folder, days=(-9, -1), names=NAMES)
    named.kept.write(key.read_text() + expired.read_text())
    assert "there is a new certificate" in named.renew()
    named.wait_until_shown()
    named.authority.trusted(NAMES[0]).close()


def test_another_list_of_names_asks_for_another_certificate(named: Named) -> None:
    named.renew()
    assert "there is a new certificate for www.example.org, good until" in named.renew(NAMES[1])
    named.wait_until_shown()
    assert named.authority.shown().names == {NAMES[1]}
    assert "there is a new certificate" in named.renew()
    found = parse_certificate(named.kept.file.read_bytes())
    assert found is not None
    assert found.names == {*NAMES}


def test_the_address_of_challenges_shows_nothing_else(named: Named) -> None:
    named.kept.write_answer("token-1", "answer-1")
    (named.kept.folder / "challenges" / "link").symlink_to(named.kept.account)
    (named.kept.folder / "challenges" / "folder").mkdir()
    base = "/.well-known/acme-challenge/"
    try:
        found, text = named.authority.ask_plainly(f"{base}token-1", host="any.name")
        assert (found.status, text) == (200, b"answer-1")
        head, text = named.authority.ask_plainly(f"{base}token-1", host=NAMES[0], method="HEAD")
        assert (head.status, head.headers["Content-Length"], text) == (200, "8", b"")
        for trick in TRICKS:
            answer, text = named.authority.ask_plainly(base + trick, host=NAMES[0])
            assert (answer.status, b"PRIVATE" in text) == (404, False), trick
        assert named.authority.ask_plainly(f"{base}token-1", host=NAMES[0], method="POST")[0].status == 405
    finally:
        shutil.rmtree(named.kept.folder / "challenges")


def test_figures_say_when_the_certificate_ends_and_how_the_renewal_goes(named: Named) -> None:
    named.renew()
    named.wait_until_shown()
    asking = named.authority.ask_plainly("/metrics", host="127.0.0.1")[1].decode()
    found = parse_certificate(named.kept.file.read_bytes())
    assert found is not None
    figures = dict(line.rsplit(" ", 1) for line in asking.splitlines() if not line.startswith("#"))
    ends = figures['live_tls_certificate_end_timestamp_seconds{made_by="authority"}']
    assert float(ends) == found.ends_at
    assert 'live_tls_certificate_end_timestamp_seconds{made_by="itself"}' not in figures
    directory = f'{{directory="{named.authority.directory}"}}'
    got_at = figures[f"live_tls_renewal_last_success_timestamp_seconds{directory}"]
    assert float(got_at) == pytest.approx(named.kept.history().got_at, abs=1)
    assert figures[f"live_tls_renewal_failures{directory}"] == "0.0"
