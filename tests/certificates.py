"""Keys and certificates for servers of tests that speak TLS: one that nobody has signed, and one that somebody has."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PEM = serialization.Encoding.PEM
ADDRESS = "127.0.0.1"


def certificate(folder: Path, *, days: tuple[int, int] = (-1, 1), names: Sequence[str] = ()) -> tuple[Path, Path]:
    """Make a key and a certificate of its own for 127.0.0.1 and `names`, valid from the one day to the other, counted
    from now.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    key_path, certificate_path = folder / "key.pem", folder / "certificate.pem"
    key_path.write_bytes(_pem(key))
    certificate_path.write_bytes(_made(key, by=key, issuer=ADDRESS, days=days, names=names))
    return key_path, certificate_path


def signed_certificate(*, days: tuple[int, int], names: Sequence[str]) -> str:
    """Return a key and a certificate, in PEM, which a key of another name has signed."""
    key, other = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    return (_pem(key) + _made(key, by=other, issuer="somebody else", days=days, names=names)).decode()


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _made(
    key: ec.EllipticCurvePrivateKey,
    *,
    by: ec.EllipticCurvePrivateKey,
    issuer: str,
    days: tuple[int, int],
    names: Sequence[str],
) -> bytes:
    now = datetime.datetime.now(datetime.UTC)
    alternatives = [x509.IPAddress(ipaddress.ip_address(ADDRESS)), *map(x509.DNSName, names)]
    made = (
        x509.CertificateBuilder()
        .subject_name(_name(ADDRESS))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=days[0]))
        .not_valid_after(now + datetime.timedelta(days=days[1]))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
        .sign(by, hashes.SHA256())
    )
    return made.public_bytes(PEM)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
