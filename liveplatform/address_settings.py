"""The settings of the site's own addresses: where it listens, and HTTPS. A part of liveplatform.settings."""

from __future__ import annotations

from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from liveplatform.variables import env, integer, switch

HOST = env.str("HOST", "127.0.0.1")
PORT = integer("PORT", 8000, 1, 65535)

# HTTPS in the nodes. Without it there is none, or a proxy that speaks it.


def _file(name: str) -> Path | None:
    path = env.str(name, "")
    return Path(path).expanduser() if path else None


LIVE_TLS_CERT, LIVE_TLS_KEY = _file("LIVE_TLS_CERT"), _file("LIVE_TLS_KEY")
if (LIVE_TLS_CERT is None) != (LIVE_TLS_KEY is None):
    raise ImproperlyConfigured("LIVE_TLS_CERT and LIVE_TLS_KEY belong together: a certificate and its key")
LIVE_TLS_PORT = integer("LIVE_TLS_PORT", {8000: 8443, 80: 443}.get(PORT, min(PORT + 400, 65535)), 1, 65535)
if LIVE_TLS_CERT is not None and LIVE_TLS_PORT == PORT:
    raise ImproperlyConfigured("LIVE_TLS_PORT and PORT are the same: HTTPS and HTTP need a port each")
SECURE_COOKIES = switch("SECURE_COOKIES", LIVE_TLS_CERT is not None)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_COOKIES
# A browser that holds to HTTPS asks the port of plain HTTP by HTTPS, but for port 80, of which it makes 443.
_may_promise = SECURE_COOKIES and (LIVE_TLS_CERT is None or (PORT, LIVE_TLS_PORT) == (80, 443))
# Sent by web.middleware. It begins with a month, because browsers hold to it that long.
SECURE_HSTS_SECONDS = integer("LIVE_HSTS_SECONDS", 30 * 86_400 if _may_promise else 0, 0, 10 * 366 * 86_400)
