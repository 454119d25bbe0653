"""What a site keeps of its certificate, when it asks an authority, and what it makes of an authority that is none."""

from __future__ import annotations

import contextlib
import json
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from host.certificates.authority import CertificateAuthority
from host.certificates.kept import CertificateHistory, CertificateOrder, KeptCertificate, pause_seconds
from host.certificates.own import have_certificate, read_certificate
from host.certificates.renewing import look_after
from tests.certificates import certificate, signed_certificate
from tests.sites import CHECKOUT

ORDER = CertificateOrder("https://authority.example.org/directory", ("live.example.org",))


@pytest.fixture
def kept(tmp_path: Path) -> KeptCertificate:
    return KeptCertificate(tmp_path)


def test_what_has_happened_is_read_as_it_was_written(kept: KeptCertificate) -> None:
    assert kept.history() == CertificateHistory()
    history = CertificateHistory(*("https://a/d", ("a.org", "b.org"), 1.5, 2.5, 3, "because", 4.0, 5.0, 6.0))
    kept.write_history(history)
    assert kept.history() == history


@pytest.mark.parametrize("text", ["", "{", "[]", "{}7", '{"look_at": "soon"}', '{"other": 1}', '{"names": 7}'])
def test_a_file_that_makes_no_sense_is_as_none(kept: KeptCertificate, text: str) -> None:
    kept.write_history(CertificateHistory())
    (kept.folder / "state.json").write_text(text)
    assert kept.history() == CertificateHistory()


def test_it_is_time_when_the_file_says_so_and_at_once_for_another_order() -> None:
    history = CertificateHistory(ORDER.directory, ORDER.names, tried_at=1_000, look_at=2_000, failures=3)
    assert history.due_at(ORDER, 1_500) == 2_000
    assert history.due_at(replace(ORDER, names=(*ORDER.names, "www.example.org")), 1_500) == 0
    assert history.due_at(replace(ORDER, directory="https://other.example.org/"), 1_500) == 0
    assert history.due_at(ORDER, 500) == 0, "the clock was wrong when it was tried"
    assert CertificateHistory().due_at(ORDER, 1_500) == 0


def test_pauses_grow_and_obey_the_authority() -> None:
    refused = [pause_seconds(n, is_away=False, asked=0, chance=0) for n in range(1, 8)]
    assert refused == [120, 360, 1_080, 3_240, 9_720, 21_600, 21_600]
    away = [pause_seconds(n, is_away=True, asked=0, chance=0) for n in range(1, 9)]
    assert away == [60, 120, 240, 480, 960, 1_920, 3_600, 3_600]
    assert pause_seconds(9_999, is_away=True, asked=0, chance=0) == 3_600
    assert pause_seconds(1, is_away=False, asked=5_000, chance=0) == 5_000
    assert pause_seconds(1, is_away=False, asked=0, chance=1) == 150
    first_hour = [sum(refused[:tries]) for tries in range(len(refused)) if sum(refused[:tries]) < 3_600]
    assert len(first_hour) <= 5, "Let's Encrypt allows five refusals an hour"


# What the site makes itself


def test_a_site_without_a_certificate_makes_one_that_nobody_else_can_read(kept: KeptCertificate) -> None:
    made = have_certificate(kept, ["live.example.org", "www.example.org"])
    assert (made.is_own, made.names) == (True, frozenset(("live.example.org", "www.example.org")))
    assert kept.file.stat().st_mode & 0o777 == 0o600
    assert have_certificate(kept, ["live.example.org"]) == made, "it is kept"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(kept.file)


def test_one_that_has_expired_makes_way_and_an_authority_is_asked_at_once(kept: KeptCertificate) -> None:
    key, expired = certificate(kept.folder.parent, days=(-9, -1), names=ORDER.names)
    kept.write(key.read_text() + expired.read_text())
    history = CertificateHistory(ORDER.directory, ORDER.names, tried_at=1, look_at=time.time() + 9_999)
    kept.write_history(history)
    assert have_certificate(kept, ORDER.names).ends_at > time.time()
    assert kept.history().due_at(ORDER, time.time()) == 0
    # But not before it wants to be.
    kept.write(key.read_text() + expired.read_text())
    kept.write_history(replace(history, failures=1))
    have_certificate(kept, ORDER.names)
    assert kept.history().due_at(ORDER, time.time()) == history.look_at


def test_text_that_is_no_certificate_makes_way(kept: KeptCertificate) -> None:
    kept.write("no certificate")
    assert read_certificate(kept.file) is None
    assert have_certificate(kept, ORDER.names).is_own


# An authority that is none, or that has wishes


@dataclass
class Pretended:
    """A server that answers as it is told: path -> status, headers, JSON. `asked`: the paths so far."""

    url: str
    trust: Path
    answers: dict[str, tuple[int, dict[str, str], object]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def look_after(self, kept: KeptCertificate) -> list[str]:
        """Look after the certificate; return what was said."""
        order = CertificateOrder(f"{self.url}/directory", ORDER.names)
        said: list[str] = []
        authority = CertificateAuthority(order, kept, email="", trust=self.trust, agent="test")
        look_after(order, kept, authority, say=said.append)
        return said


@pytest.fixture
def pretended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pretended]:
    monkeypatch.setenv("NO_PROXY", "*")
    folder = tmp_path / "pretended"
    folder.mkdir()
    key, own = certificate(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked.append(self.path)
            fitting = [path for path in made.answers if self.path.startswith(path)]
            status, headers, answer = made.answers[fitting[0]] if fitting else (404, {}, "none")
            body = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body)), "Replay-Nonce": "bm9uY2U"}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Nobody reads that."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own, key)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        made = Pretended(f"https://127.0.0.1:{server.server_port}", own)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield made
        server.shutdown()
        thread.join()


def directory(url: str) -> dict[str, str]:
    return {name: f"{url}/{name}" for name in ("newNonce", "newAccount", "newOrder", "renewalInfo")}


def keep_good(kept: KeptCertificate, *, days: tuple[int, int] = (-1, 89)) -> float:
    """Keep a certificate that somebody has signed; return when it ends."""
    kept.write(signed_certificate(names=ORDER.names, days=days))
    found = read_certificate(kept.file)
    assert found is not None
    assert found.is_good(ORDER.names, time.time())
    return found.ends_at


def test_a_site_that_has_lost_its_notes_keeps_its_certificate(pretended: Pretended, kept: KeptCertificate) -> None:
    ends_at = keep_good(kept)
    pretended.answers["/directory"] = (200, {}, {"newOrder": f"{pretended.url}/newOrder"})
    assert pretended.look_after(kept) == []
    history = kept.history()
    left = (ends_at - history.renew_at) / 86_400
    assert 30 <= left <= 31, "a third of ninety days"
    assert history.look_at == history.renew_at
    assert pretended.asked == ["/directory"]


def test_the_authority_has_a_say_in_when_to_renew(pretended: Pretended, kept: KeptCertificate) -> None:
    """Before it takes certificates back it says so, and most sites would have renewed weeks too late (RFC 9773)."""
    keep_good(kept)
    start, end = time.time() + 40_000, time.time() + 50_000
    window = {name: datetime.fromtimestamp(at, UTC).isoformat() for name, at in (("start", start), ("end", end))}
    pretended.answers["/directory"] = (200, {}, directory(pretended.url))
    pretended.answers["/renewalInfo/"] = (200, {"Retry-After": "3600"}, {"suggestedWindow": window})
    assert pretended.look_after(kept) == []
    history = kept.history()
    assert start - 1 <= history.renew_at <= end + 1
    assert time.time() + 3_500 < history.look_at <= time.time() + 3_600


def test_an_authority_without_an_opinion_for_now_is_asked_again(pretended: Pretended, kept: KeptCertificate) -> None:
    keep_good(kept)
    pretended.answers["/directory"] = (200, {}, directory(pretended.url))
    pretended.answers["/renewalInfo/"] = (500, {}, "none")
    assert pretended.look_after(kept) == []
    history = kept.history()
    assert history.failures == 0
    assert time.time() < history.look_at <= time.time() + 6 * 3_600 < history.renew_at


@pytest.mark.parametrize("wish", ["86400", "{date}"])
def test_an_authority_that_has_had_enough_is_left_alone(pretended: Pretended, kept: KeptCertificate, wish: str) -> None:
    wish = wish.format(date=format_datetime(datetime.now(UTC) + timedelta(days=1, seconds=5), usegmt=True))
    pretended.answers["/directory"] = (200, {}, directory(pretended.url))
    pretended.answers["/newNonce"] = (200, {}, "")
    problem = {"type": "urn:ietf:params:acme:error:rateLimited", "detail": "too many\ncertificates"}
    pretended.answers["/newAccount"] = (429, {"Retry-After": wish}, problem)
    [said] = pretended.look_after(kept)
    assert "refuses: too many certificates. The site has none that browsers trust" in said
    history = kept.history()
    assert history.look_at >= history.tried_at + 86_400


def test_a_lost_key_of_the_account_makes_a_new_one(pretended: Pretended, kept: KeptCertificate) -> None:
    pretended.answers["/directory"] = (200, {}, directory(pretended.url))
    pretended.look_after(kept)
    kept.account.write_text("no key")
    pretended.look_after(kept)
    assert kept.account.read_text().startswith("-----BEGIN PRIVATE KEY-----")
    assert kept.account.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((200, {}, "<html>hello"), "does not answer as an authority (ACME) does"),
        ((200, {}, {}), "does not answer as an authority (ACME) does"),
        ((502, {}, "bad gateway"), "does not answer as an authority (ACME) does"),
        ((200, {}, {"newNonce": "ftp://x"}), "does not answer"),
    ],
)
def test_what_is_no_authority_is_said_in_one_line(
    pretended: Pretended, kept: KeptCertificate, answer: tuple[int, dict[str, str], object], words: str
) -> None:
    pretended.answers["/directory"] = answer
    [said] = pretended.look_after(kept)
    assert words in said
    assert "\n" not in said
    assert kept.history().failures == 1


def test_an_authority_whose_own_certificate_nobody_trusts_is_not_asked(
    pretended: Pretended, kept: KeptCertificate
) -> None:
    (kept.folder.parent / "other").mkdir()
    _, pretended.trust = certificate(kept.folder.parent / "other")
    [said] = pretended.look_after(kept)
    assert "certificate verify failed" in said
    assert pretended.asked == []


# Ports


def test_a_port_that_needs_a_right_says_which(tmp_path: Path) -> None:
    """`Permission denied` told nobody what to do. Root without that right is as everybody else."""
    code = (
        "from host.site import listen\nfrom django.core.exceptions import ImproperlyConfigured\n"
        "try:\n    listen('127.0.0.1', 80)\nexcept ImproperlyConfigured as error:\n    print(error)"
    )
    command = [sys.executable, "-c", code]
    without = ["setpriv", "--inh-caps=-net_bind_service", "--bounding-set=-net_bind_service", "--"]
    with contextlib.ExitStack():
        done = subprocess.run(
            ["unshare", "--net", *without, *command], cwd=CHECKOUT, capture_output=True, text=True, check=False
        )
    if "unshare" in done.stderr or "setpriv" in done.stderr:
        pytest.skip(f"needs rights to make a network namespace: {done.stderr}")
    assert done.stdout.startswith("PORT: cannot listen on 127.0.0.1:80: Permission denied. Ports below 1024 need a")
    assert "net.ipv4.ip_unprivileged_port_start=80" in done.stdout
    assert done.stdout.count("\n") == 1
