"""Who may read figures: a scraper on this machine, or one that sends the site's token. Nodes and relays ask here.

They are not for strangers: figures show how many people there are, what is in trouble and how the site is built.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from django.conf import settings
from django.http.request import split_domain_port, validate_host
from django.utils.crypto import constant_time_compare

FORWARDED = (b"x-forwarded-for", b"x-real-ip", b"forwarded")
REFUSAL = (
    "Figures are for this machine, and for scrapers that send LIVE_METRICS_TOKEN as `Authorization: Bearer <token>`.\n"
)


def may_scrape(address: str, headers: Iterable[tuple[bytes, bytes]], *, token: str) -> bool:
    """Return whether this request may read figures. `token`: the site's token, empty if it has none.

    A request through a proxy on this machine does not count as local, whatever its address says. Neither does a request
    by a name that is not the site's: a page of another site can make its own name lead to a browser's machine.
    """
    sent = {name.lower(): value for name, value in headers}
    scheme, _, given = sent.get(b"authorization", b"").partition(b" ")
    if token and scheme.lower() == b"bearer" and constant_time_compare(given.strip(b" "), token.encode()):
        return True
    if not _is_loopback(address) or any(name in sent for name in FORWARDED):
        return False
    return _is_name_of_ours(sent.get(b"host", b"").decode("latin1"))


def _is_name_of_ours(host: str) -> bool:
    domain, _ = split_domain_port(host)
    return (
        not host
        or _address(domain.strip("[]")) is not None
        or validate_host(domain, ["localhost", *settings.ALLOWED_HOSTS])
    )


def _is_loopback(address: str) -> bool:
    ip = _address(address)
    return ip is not None and bool((getattr(ip, "ipv4_mapped", None) or ip).is_loopback)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
