"""Twisted's reactor, which runs on asyncio. The edge imports it from here only.

Daphne installs it when its server is imported, and throws away the one that an earlier import has made.
"""

from __future__ import annotations

from typing import Any

from daphne import server

reactor: Any = server.reactor  # Twisted's stubs know it as a module
