"""A frontend node: `python -m auction.node --port 8000`. Any number may run."""

from __future__ import annotations

import sys

import auction.asgi  # noqa: F401  (sets Django up)
from realtime.serving import serve_node

if __name__ == "__main__":
    serve_node("auction.asgi:application", sys.argv[1:])
