"""TLS of the generator's connections. Called by `viewers` and `requests`, for addresses that begin with `https://`."""

from __future__ import annotations

import functools
import os
import socket
import ssl
from typing import Any

from loadtest.machine import Address


@functools.cache
def context() -> ssl.SSLContext:
    """Return what all connections of this process use.

    It trusts what the system trusts, or the certificates in the file that `SSL_CERT_FILE` names. Raises OSError when
    that cannot be read.
    """
    made = ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE") or None)
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
        if isinstance(cause, ssl.SSLError) and cause.reason == "WRONG_VERSION_NUMBER":
            return "it speaks no TLS there"
        cause = cause.__cause__ or cause.__context__
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
