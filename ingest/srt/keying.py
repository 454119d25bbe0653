"""Passphrases of SRT: whether an encoder has the right one, and how ffmpeg gets another one for the same stream.

Called by ingest.srt.caller. An encoder sends the key of its stream encrypted with a key made of the passphrase. ffmpeg
takes a passphrase on its command line only, which other users of the machine can read. So it gets one that is good for
this stream alone, and key material that is encrypted with that.
Source: draft-sharabayko-srt-01, 3.2.2 and 6.1; RFC 3394 (key wrap), RFC 8018 (PBKDF2).
"""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from ingest.srt.packet import BadSrt

_SIGN = 0x2029
_FIXED_BYTES = 16
_SALT_BYTES = 16
_ROUNDS = 2048
_CHECK_BYTES = 8
_KEY_BYTES = (16, 24, 32)


class WrongPassphrase(Exception):
    """The key material is encrypted with another passphrase."""


def locked_again(material: bytes, *, passphrase: str, by: str) -> bytes:
    """Return the key material encrypted by another passphrase. Raises WrongPassphrase, BadSrt."""
    if len(material) < _FIXED_BYTES or int.from_bytes(material[1:3], "big") != _SIGN:
        raise BadSrt("The key material is none of SRT's.")
    salt_bytes, key_bytes = 4 * material[14], 4 * material[15]
    head, locked = material[: _FIXED_BYTES + salt_bytes], material[_FIXED_BYTES + salt_bytes :]
    keys = bin(material[3] & 3).count("1")
    if salt_bytes != _SALT_BYTES or key_bytes not in _KEY_BYTES or len(locked) != _CHECK_BYTES + keys * key_bytes:
        raise BadSrt("The key material is of another size than it says.")
    salt = head[-8:]
    try:
        opened = aes_key_unwrap(_lock(passphrase, salt, key_bytes), locked)
    except (InvalidUnwrap, ValueError) as error:
        raise WrongPassphrase from error
    return head + aes_key_wrap(_lock(by, salt, key_bytes), opened)


def _lock(passphrase: str, salt: bytes, key_bytes: int) -> bytes:
    return hashlib.pbkdf2_hmac("sha1", passphrase.encode(), salt, _ROUNDS, key_bytes)
