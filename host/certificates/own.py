"""The certificates in a file: what one is good for, and one that the site makes itself until it has another.

Called before the nodes start, and by what renews. No browser trusts a certificate that nobody else has signed. But with
one the nodes can listen, and so the site stands while the authority is away.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from host.certificates.kept import KeptCertificate

OWN_DAYS = 3_650
"""It is replaced as soon as there is another."""


@dataclass(frozen=True, slots=True)
class FoundCertificate:
    """A certificate as its file has it. Times are seconds since 1970. `is_own`: the site has made it itself."""

    pem: bytes
    names: frozenset[str]
    begins_at: float
    ends_at: float
    is_own: bool

    def is_good(self, names: Sequence[str], now: float) -> bool:
        """Whether it is one that browsers take, for these names and no others."""
        return not self.is_own and {*names} == self.names and self.begins_at <= now < self.ends_at


def read_certificate(path: Path) -> FoundCertificate | None:
    """Return the first certificate in the file; None: there is none."""
    try:
        return parse_certificate(path.read_bytes())
    except OSError:
        return None


def parse_certificate(pem: bytes) -> FoundCertificate | None:
    """Return the first certificate in the text; None: there is none."""
    try:
        found = x509.load_pem_x509_certificates(pem)[0]
        alternatives = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return None
    names = frozenset(alternatives.get_values_for_type(x509.DNSName))
    begins, ends = found.not_valid_before_utc, found.not_valid_after_utc
    return FoundCertificate(pem, names, begins.timestamp(), ends.timestamp(), found.issuer == found.subject)


def new_key() -> tuple[ec.EllipticCurvePrivateKey, str]:
    """Return a new key (ECDSA P-256), and its PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def have_certificate(kept: KeptCertificate, names: Sequence[str]) -> FoundCertificate:
    """Return the certificate with which the nodes start. If there is none that could be used, make one.

    Raises OSError.
    """
    found = read_certificate(kept.file)
    if found is None or found.ends_at <= time.time():
        kept.write(_own(names))
        found = read_certificate(kept.file)
        assert found is not None
        if not (history := kept.history()).failures:
            kept.write_history(replace(history, look_at=0))
    return found


def _own(names: Sequence[str]) -> str:
    key, key_pem = new_key()
    # The field for the name has room for 64 characters.
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "liveplatform: no certificate yet")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=OWN_DAYS))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return key_pem + made.public_bytes(Encoding.PEM).decode()
