"""The settings of the site's own addresses: its data, its name, where it listens, and HTTPS.

A part of liveplatform.settings.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from host import embedded
from host.certificates.kept import KeptCertificate
from liveplatform.variables import env, integer, read, switch

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = embedded.data_dir(BASE_DIR, env.str("LIVE_DATA_DIR", ""))

# A site with a name gets its certificate by itself (host/certificates). It has the machine to itself.

_LABEL = r"[a-z\d]([a-z\d-]{0,61}[a-z\d])?"
_HOST_NAME = re.compile(rf"(?=.{{1,253}}$)({_LABEL}\.)*(?!\d+$){_LABEL}")
NAMES_MAX = 100
"""Let's Encrypt takes no more names in one certificate."""


def _why_no_name(name: str) -> str:
    """Return why no authority makes a certificate for that text; "" if one may."""
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        pass
    else:
        return "is an address of a machine, and certificates are for names"
    if "://" in name:
        return "has a scheme: write the name alone"
    if re.search(r":\d*$", name):
        return "has a port: write the name alone (LIVE_TLS_PORT is the setting for a port)"
    if "*" in name:
        return "is a wildcard, which this way of asking (http-01) does not give: write each name"
    if not name.isascii():
        return "must be written in ASCII: its form begins with xn--"
    return "" if _HOST_NAME.fullmatch(name) else "is no host name like live.example.org"


def _domain() -> list[str]:
    given: list[str] = env.list("DOMAIN", [])
    names = [name.strip().lower() for name in given]
    for name in names:
        if why := _why_no_name(name):
            raise ImproperlyConfigured(f"DOMAIN: {name!r} {why}")
    if len(names := list(dict.fromkeys(names))) > NAMES_MAX:
        raise ImproperlyConfigured(f"DOMAIN: {len(names)} names are too many for one certificate: {NAMES_MAX} at most")
    return names


def _every_address() -> str:
    """Return the host that means all addresses of this machine, of IPv6 too where it has them."""
    try:
        with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True):
            return "::"
    except (OSError, ValueError):
        return "0.0.0.0"


DOMAIN = _domain()
HOST = env.str("HOST", "") or (_every_address() if DOMAIN else "127.0.0.1")
PORT = integer("PORT", 80 if DOMAIN else 8000, 1, 65535)
ALONE = bool(DOMAIN) or PORT == 8000
"""Whether the other ports are the usual ones, which are for one site a machine."""

LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
LIVE_ACME_DIRECTORY = read(
    "LIVE_ACME_DIRECTORY",
    env.str,
    LETS_ENCRYPT,
    lambda url: re.fullmatch(r"https://[^/\s@]+/\S*", url) is not None,
    f"the address of an authority's directory, like {LETS_ENCRYPT}",
)
if LIVE_ACME_DIRECTORY == LETS_ENCRYPT and (local := [name for name in DOMAIN if "." not in name]):
    raise ImproperlyConfigured(
        f"DOMAIN: {local[0]!r} is a name for this network alone, of which Let's Encrypt gives no certificate. An"
        " authority of your own is named by LIVE_ACME_DIRECTORY"
    )
LIVE_ACME_EMAIL = read(
    "LIVE_ACME_EMAIL",
    env.str,
    "",
    lambda address: not address or re.fullmatch(r"[^@\s,:]+@[^@\s,:]+", address) is not None,
    "an e-mail address",
)


def _file(name: str) -> Path | None:
    path = env.str(name, "")
    return Path(path).expanduser() if path else None


LIVE_ACME_CA = _file("LIVE_ACME_CA")
if LIVE_ACME_CA is not None and not os.access(LIVE_ACME_CA, os.R_OK):
    raise ImproperlyConfigured(f"LIVE_ACME_CA: {LIVE_ACME_CA} cannot be read")

# HTTPS in the nodes. Without it there is none, or a proxy that speaks it.

LIVE_TLS_CERT, LIVE_TLS_KEY = _file("LIVE_TLS_CERT"), _file("LIVE_TLS_KEY")
if DOMAIN and (LIVE_TLS_CERT or LIVE_TLS_KEY):
    raise ImproperlyConfigured(
        "DOMAIN and LIVE_TLS_CERT exclude each other: with DOMAIN the site gets a certificate by itself, for one of"
        " your own set LIVE_TLS_CERT, LIVE_TLS_KEY and ALLOWED_HOSTS"
    )
if (LIVE_TLS_CERT is None) != (LIVE_TLS_KEY is None):
    raise ImproperlyConfigured("LIVE_TLS_CERT and LIVE_TLS_KEY belong together: a certificate and its key")
if DOMAIN:
    # Both in one file: so a new certificate never stands beside the key of the one before.
    LIVE_TLS_CERT = LIVE_TLS_KEY = KeptCertificate(DATA_DIR).file
LIVE_TLS_PORT = integer("LIVE_TLS_PORT", {8000: 8443, 80: 443}.get(PORT, min(PORT + 400, 65535)), 1, 65535)
if LIVE_TLS_CERT is not None and LIVE_TLS_PORT == PORT:
    raise ImproperlyConfigured("LIVE_TLS_PORT and PORT are the same: HTTPS and HTTP need a port each")
SECURE_COOKIES = switch("SECURE_COOKIES", LIVE_TLS_CERT is not None)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_COOKIES
# A browser that holds to HTTPS asks the port of plain HTTP by HTTPS, but for port 80, of which it makes 443.
_may_promise = SECURE_COOKIES and (LIVE_TLS_CERT is None or (PORT, LIVE_TLS_PORT) == (80, 443))
# Sent by web.middleware. It begins with a month, because browsers hold to it that long.
SECURE_HSTS_SECONDS = integer("LIVE_HSTS_SECONDS", 30 * 86_400 if _may_promise else 0, 0, 10 * 366 * 86_400)

# For links in mails.
LIVE_URL = read(
    "LIVE_URL",
    env.str,
    f"https://{DOMAIN[0]}{'' if LIVE_TLS_PORT == 443 else f':{LIVE_TLS_PORT}'}" if DOMAIN else "",
    lambda url: not url or re.fullmatch(r"https?://[^/\s@]+/?", url) is not None,
    "the address of the site, like https://live.example.org",
).rstrip("/")
