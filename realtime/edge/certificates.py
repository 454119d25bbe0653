"""The certificate of a server, from two files, and the new one when they have changed.

Made by realtime.serving, and looked at by what starts a site before it does. A certificate that cannot be used is
refused in one line when the server starts. Later the one before stays, also when it has expired meanwhile.
"""

from __future__ import annotations

import logging
import os
import ssl
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from realtime import metrics

logger = logging.getLogger(__name__)

PROTOCOLS = ("h2", "http/1.1")
TICKETS = 1
"""A browser comes back with one: each costs the handshake a write."""


class CertificateError(ValueError):
    """A certificate or key that cannot be used. `setting`: which of the two files is at fault."""

    def __init__(self, setting: str, detail: str) -> None:
        super().__init__(f"{setting}: {detail}")


class Certificate:
    """`chain` and `key`: PEM files. In `chain` the server's own certificate comes first, then that of its issuer."""

    def __init__(self, chain: Path, key: Path, *, may_have_expired: bool = False) -> None:
        """Raises CertificateError."""
        self.chain = chain
        self.key = key
        self._read_at = self._stamp()
        self.context = self._load(may_have_expired=may_have_expired)

    def refresh(self) -> None:
        """Use what is in the files now, if that is another one that can be used."""
        stamp = self._stamp()
        if stamp == self._read_at:
            return
        self._read_at = stamp
        try:
            self.context = self._load()
        except CertificateError as error:
            logger.error("the certificate of before stays: %s", error)
        else:
            logger.info("there is a new certificate: %s", self.chain)

    def _stamp(self) -> object:
        try:
            return [(found.st_mtime_ns, found.st_size, found.st_ino) for found in map(os.stat, (self.chain, self.key))]
        except OSError:
            return None

    def _load(self, *, may_have_expired: bool = False) -> ssl.SSLContext:
        found = _check(_read(self.chain, "LIVE_TLS_CERT"), _read(self.key, "LIVE_TLS_KEY"), self.chain, self.key)
        if (ends := found.not_valid_after_utc) < datetime.now(UTC):
            if not may_have_expired:
                raise CertificateError("LIVE_TLS_CERT", f"{self.chain} has expired on {ends:%Y-%m-%d}")
            logger.error("the certificate in %s has expired on %s: browsers refuse it", self.chain, f"{ends:%Y-%m-%d}")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        # All that may be chosen is good, and the client knows which of them its processor has instructions for.
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
        context.num_tickets = TICKETS
        context.set_alpn_protocols(list(PROTOCOLS))
        try:
            context.load_cert_chain(self.chain, self.key)
        except (OSError, ssl.SSLError) as error:  # changed since it was checked, or of a kind that OpenSSL refuses
            raise CertificateError("LIVE_TLS_CERT", f"{self.chain} cannot be used: {error}") from error
        self.is_self_made = found.issuer == found.subject
        metrics.tls_certificate_end.clear()
        metrics.tls_certificate_end.labels("itself" if self.is_self_made else "authority").set(ends.timestamp())
        return context


def own_certificate(*, may_have_expired: bool = False) -> Certificate:
    """Return the certificate that the settings name. Raises ImproperlyConfigured: one line."""
    chain, key = settings.LIVE_TLS_CERT, settings.LIVE_TLS_KEY
    if chain is None or key is None:
        raise ImproperlyConfigured("LIVE_TLS_CERT and LIVE_TLS_KEY must be set where a node speaks HTTPS")
    try:
        return Certificate(chain, key, may_have_expired=may_have_expired)
    except CertificateError as error:
        raise ImproperlyConfigured(str(error)) from error


def _read(path: Path, setting: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CertificateError(setting, f"{path} cannot be read: {error.strerror}") from error


def _check(chain_pem: bytes, key_pem: bytes, chain_path: Path, key_path: Path) -> x509.Certificate:
    """Return the server's own certificate. Raises CertificateError for the wrong files, or in the wrong order."""
    try:
        chain = x509.load_pem_x509_certificates(chain_pem)
    except ValueError as error:
        raise CertificateError("LIVE_TLS_CERT", f"{chain_path} holds no certificate in PEM form") from error
    try:
        key = load_pem_private_key(key_pem, password=None)
    except (ValueError, TypeError) as error:
        raise CertificateError("LIVE_TLS_KEY", f"{key_path} holds no key in PEM form without a password") from error
    fitting = [one.public_key() == key.public_key() for one in chain]
    if not any(fitting):
        raise CertificateError("LIVE_TLS_KEY", f"the key in {key_path} does not fit the certificate in {chain_path}")
    if not fitting[0] or any(one.issuer != its_issuer.subject for one, its_issuer in pairwise(chain)):
        raise CertificateError(
            "LIVE_TLS_CERT", f"the certificates in {chain_path} are in the wrong order: your own first, then its issuer"
        )
    if (begins := chain[0].not_valid_before_utc) > datetime.now(UTC):
        raise CertificateError("LIVE_TLS_CERT", f"{chain_path} is valid from {begins:%Y-%m-%d}")
    return chain[0]
