"""What is special about a node that speaks HTTPS itself. All that a server does besides holds too (test_server.py)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from realtime.edge.certificates import Certificate, CertificateError
from realtime.websocket import client_frame, websocket_frame
from tests.certificates import certificate, signed_certificate
from tests.realtime.edge.test_server import HANDSHAKE, Line, Running, deaf, secured
from tests.watching import HANG_SECONDS, eventually


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(**secured(tmp_path_factory.mktemp("tls")), REQUEST_SECONDS="2", RENEW_SECONDS="0.1")
    yield running
    running.kill()


def whom(server: Running, **options: object) -> tuple[bytes, str | None]:
    """Shake hands; return the certificate that the server shows, and the version of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for name, value in options.items():
        setattr(context, name, value)
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=HANG_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname="somebody.else.example") as tls,
    ):
        shown = tls.getpeercert(binary_form=True)
        assert shown
        return shown, tls.version()


def test_it_speaks_the_newest_tls_and_shows_its_certificate_to_whoever_asks_for_another_name(server: Running) -> None:
    assert whom(server)[1] == "TLSv1.3"
    assert whom(server, maximum_version=ssl.TLSVersion.TLSv1_2)[1] == "TLSv1.2"


def test_old_tls_is_refused(server: Running) -> None:
    with pytest.warns(DeprecationWarning), pytest.raises((ssl.SSLError, ConnectionResetError)):
        whom(server, minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)


async def test_plain_http_is_told_how_to_come(server: Running) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    line = Line(reader, writer)
    line.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    status, answer = await line.answer()
    assert (status, answer["code"]) == (400, "https_only")
    writer.close()


@pytest.mark.parametrize("beginning", [b"", b"\x16", b"\x16\x03\x01\x00\x80\x01\x00"])
async def test_half_a_handshake_is_dropped_in_time(server: Running, beginning: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(beginning)
    await Line(reader, writer).is_cut()
    await eventually(server.is_empty, "it to be forgotten")
    writer.close()


async def test_garbage_in_place_of_a_handshake_ends_that_connection_alone(server: Running) -> None:
    async with Line.to(server) as other:
        await other.stream()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"\x16\x03\x01\x00\x05hello" + os.urandom(200))
        async with asyncio.timeout(HANG_SECONDS):
            await reader.read()  # an alert, and the end
        writer.close()
        assert (await server.state())["streams"] == 1


async def test_a_viewer_who_reads_late_gets_every_byte_in_order(server: Running) -> None:
    """What the kernel did not take is given to OpenSSL again, in front of what came after it."""
    sent = [str(number).encode() * 3_000 for number in range(10, 60)]  # more than the kernels hold
    with contextlib.closing(deaf(server)) as peer:
        peer.settimeout(HANG_SECONDS)
        await asyncio.to_thread(peer.sendall, f"GET /echo HTTP/1.1\r\nHost: x\r\n{HANDSHAKE}\r\n".encode())
        await asyncio.to_thread(peer.sendall, b"".join(client_frame(message, opcode=2) for message in sent))

        async def waits() -> bool:
            return bool((await server.state())["pending"])

        await eventually(waits, "the kernels to be full")
        answers = b"".join(websocket_frame(message, opcode=2) for message in sent)
        got = b""
        while not got.endswith(answers):
            piece = await asyncio.to_thread(peer.recv, 65_536)
            assert piece, "cut"
            got += piece


async def test_an_end_is_told_from_a_cut(server: Running) -> None:
    """Without a goodbye of TLS a client takes the end of an answer for a broken connection."""
    trust = ssl.create_default_context(cafile=server.env["CERTIFICATE"])
    plain = socket.create_connection(("127.0.0.1", server.port), timeout=HANG_SECONDS)
    with trust.wrap_socket(plain, server_hostname="127.0.0.1", suppress_ragged_eofs=False) as tls:
        await asyncio.to_thread(tls.sendall, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        while await asyncio.to_thread(tls.recv, 65_536):  # raises SSLEOFError for a cut
            pass


async def test_a_new_certificate_is_shown_without_a_restart_and_who_is_there_stays(tmp_path: Path) -> None:
    key, own = certificate(tmp_path)
    trust = ssl.create_default_context(cafile=own)
    server = Running(trust, CERTIFICATE=str(own), KEY=str(key), RENEW_SECONDS="0.1")
    try:
        before, _ = await asyncio.to_thread(whom, server)
        async with Line.to(server) as line:
            await line.upgrade("/echo")
            (tmp_path / "next").mkdir()
            next_key, next_own = certificate(tmp_path / "next")
            shutil.copy(next_own, own)  # does not fit the key yet
            await asyncio.sleep(0)
            shutil.copy(next_key, key)

            async def is_new() -> bool:
                return (await asyncio.to_thread(whom, server))[0] != before

            await eventually(is_new, "the new certificate to be shown")
            line.send(client_frame(b"hello"))
            await line.until(b"hello")
    finally:
        server.kill()


def told(cert: Path, key: Path) -> str:
    with pytest.raises(CertificateError) as refusal:
        Certificate(cert, key)
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


def test_each_unusable_certificate_is_refused_in_words(tmp_path: Path) -> None:
    for name in ("own", "other", "old", "early"):
        (tmp_path / name).mkdir()
    key, own = certificate(tmp_path / "own")
    other_key, other = certificate(tmp_path / "other")
    old_key, old = certificate(tmp_path / "old", days=(-9, -1))
    early_key, early = certificate(tmp_path / "early", days=(1, 9))
    text = tmp_path / "text"
    text.write_text("hello")
    reversed_chain = tmp_path / "reversed"
    reversed_chain.write_bytes(other.read_bytes() + own.read_bytes())
    assert (
        told(tmp_path / "none", key) == f"LIVE_TLS_CERT: {tmp_path / 'none'} cannot be read: No such file or directory"
    )
    assert told(own, tmp_path) == f"LIVE_TLS_KEY: {tmp_path} cannot be read: Is a directory"
    assert "holds no certificate" in told(text, key)
    assert "holds no key" in told(own, text)
    assert "does not fit" in told(own, other_key)
    assert "has expired on" in told(old, old_key)
    assert "is valid from" in told(early, early_key)
    assert "wrong order" in told(reversed_chain, key)


def test_a_node_that_is_started_again_shows_what_has_expired_meanwhile(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It ended at once, again and again, and the site with it: the authority was away for some weeks."""
    key, old = certificate(tmp_path, days=(-9, -1))
    kept = Certificate(old, key, may_have_expired=True)
    assert kept.is_self_made
    [record] = caplog.records
    assert record.levelname == "ERROR"
    assert "has expired on" in caplog.text


def test_key_and_certificate_may_be_in_one_file(tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_text(signed_certificate(days=(-1, 9), names=["live.example.org"]))
    assert not Certificate(both, both).is_self_made


def test_a_certificate_that_cannot_be_used_leaves_the_one_before(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key, own = certificate(tmp_path)
    kept = Certificate(own, key)
    before = kept.context
    own.write_text("half a certificate")
    kept.refresh()
    kept.refresh()
    assert kept.context is before
    assert [record.levelname for record in caplog.records] == ["ERROR"], "said once"
    assert "the certificate of before stays" in caplog.text
