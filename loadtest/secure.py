"""TLS of the generator's connections. Called by `viewers` and `requests`, for addresses that begin with `https://`."""

from __future__ import annotations

import functools
import socket
import ssl
from typing import Any

from loadtest.machine import Address


@functools.cache
def context() -> ssl.SSLContext:
    """Return what all connections of this process use.

    It trusts what the system trusts. `SSL_CERT_FILE` names a file with other certificates, as for OpenSSL.
    """
    made = ssl.create_default_context()
    made.set_alpn_protocols(["http/1.1"])
    return made


def options_of(address: Address) -> dict[str, Any]:
    """Return what asyncio's `create_connection` needs to speak TLS with the address; nothing without TLS."""
    return {"ssl": context(), "server_hostname": address.host} if address.is_secure else {}


def secured(descriptor: int, address: Address) -> ssl.SSLSocket:
    """Return a connected socket as one that speaks TLS, before its handshake. It has the descriptor from now on."""
    plain = socket.socket(fileno=descriptor)
    return context().wrap_socket(plain, server_hostname=address.host, do_handshake_on_connect=False)


def reason(error: Exception) -> str:
    """Return what is wrong with a connection, in words."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the certificate is not trusted: {cause.verify_message} (SSL_CERT_FILE names a file of others)"
        cause = cause.__cause__ or cause.__context__
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
