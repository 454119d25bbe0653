"""Who may read figures: a scraper on this machine, or one that sends the site's token. Nodes and relays ask here.

Figures tell strangers how many people there are, what is in trouble and how the site is built.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from django.utils.crypto import constant_time_compare

FORWARDED = (b"x-forwarded-for", b"x-real-ip", b"forwarded")
REFUSAL = (
    "Figures are for this machine, and for scrapers that send LIVE_METRICS_TOKEN as `Authorization: Bearer <token>`.\n"
)


def may_scrape(address: str, headers: Iterable[tuple[bytes, bytes]], *, token: str) -> bool:
    """Return whether the asker may read figures. `token`: the site's; empty: there is none.

    What came through a proxy on this machine is not from this machine, whatever the address says.
    """
    sent = {name.lower(): value for name, value in headers}
    if token and constant_time_compare(sent.get(b"authorization", b""), f"Bearer {token}".encode()):
        return True
    return _is_loopback(address) and not any(name in sent for name in FORWARDED)


def _is_loopback(address: str) -> bool:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    return (getattr(ip, "ipv4_mapped", None) or ip).is_loopback
