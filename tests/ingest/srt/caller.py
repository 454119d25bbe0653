"""An encoder's half of a handshake by SRT, made by hand. Source: draft-sharabayko-srt-01, 3.2 and 6.1."""

from __future__ import annotations

import hashlib
import os
import struct
from dataclasses import replace

from cryptography.hazmat.primitives.keywrap import aes_key_unwrap, aes_key_wrap

from ingest.srt.packet import HandshakePhase, SrtHandshake

SOCKET = 77
SEQUENCE = 1234
CONNECT, KEY, STREAM_ID = 1, 3, 5
STREAM_KEY = bytes(range(16))


def kek(passphrase: str, material: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha1", passphrase.encode(), material[24:32], 2048, 4 * material[15])


def material(passphrase: str, *, key: bytes = STREAM_KEY) -> bytes:
    """The key of a stream, encrypted with a passphrase."""
    head = bytes((0x12, 0x20, 0x29, 1, 0, 0, 0, 0, 2, 0, 2, 0, 0, 0, 4, len(key) // 4)) + os.urandom(16)
    return head + aes_key_wrap(kek(passphrase, head), key)


def opened(locked: bytes, passphrase: str) -> bytes:
    return aes_key_unwrap(kek(passphrase, locked), locked[32:])


def extension(kind: int, content: bytes) -> bytes:
    return struct.pack(">HH", kind, len(content) // 4) + content


def backwards(text: str) -> bytes:
    """A text as SRT sends it: in words of 4 bytes, each from its end."""
    padded = text.encode() + bytes(-len(text.encode()) % 4)
    return b"".join(padded[at : at + 4][::-1] for at in range(0, len(padded), 4))


def induction() -> SrtHandshake:
    return SrtHandshake(4, 0, 2, SEQUENCE, 1500, 8192, HandshakePhase.INDUCTION, SOCKET, 0, bytes(16))


def conclusion(cookie: int, *, stream_id: str = "", key: bytes = b"", socket: int = SOCKET) -> SrtHandshake:
    said = extension(CONNECT, bytes(12))
    said += extension(KEY, key) if key else b""
    said += extension(STREAM_ID, backwards(stream_id)) if stream_id else b""
    plain = SrtHandshake(5, 2, 7, SEQUENCE, 1500, 8192, HandshakePhase.CONCLUSION, socket, cookie, bytes(16))
    return replace(plain, at_us=250_000, extensions=said)
