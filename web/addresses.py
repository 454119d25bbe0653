"""Where programs of one machine reach each other. Called by what sends to the ingest: the demo, the nodes, itself."""

from __future__ import annotations


def reachable(host: str) -> str:
    """Return where a program on this machine reaches what listens on the host."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def in_url(host: str) -> str:
    """Return the same as an address has it."""
    found = reachable(host)
    return f"[{found}]" if ":" in found else found
