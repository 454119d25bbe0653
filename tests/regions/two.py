"""Two regions of real processes, eu and us, on one database, with lines between them that can be slow and be cut."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx

from host.line import Line
from tests.rooms import counted
from tests.sites import Site, SiteFactory, free_port

SECRET = "a-secret-of-eu-and-us-that-nobody-else-has"


class Lines:
    """Lines on a loop of their own, in a thread: they outlive the tests' loops."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="lines", daemon=True)
        self._thread.start()
        self._lines: list[Line] = []

    def start(self, to: tuple[str, int], delay_seconds: float) -> tuple[Line, tuple[str, int]]:
        line = Line(to, delay_seconds=delay_seconds)
        self._lines.append(line)
        return line, asyncio.run_coroutine_threadsafe(line.start(), self._loop).result()

    def do(self, *acts: Callable[[], None]) -> None:
        """Do something to lines, on their loop."""

        async def on_loop() -> None:
            for act in acts:
                act()

        asyncio.run_coroutine_threadsafe(on_loop(), self._loop).result()

    def close(self) -> None:
        for line in self._lines:
            asyncio.run_coroutine_threadsafe(line.aclose(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@dataclass(slots=True)
class Regions:
    """`eu` is where things are done, `us` where they are watched. Each has a line to the other's relay.

    `database` is the line from us to the database, which stands in eu.
    """

    eu: Site
    us: Site
    to_us: Line
    to_eu: Line
    database: Line
    lines: Lines

    def cut(self, *lines: Line, there: bool = True, back: bool = True) -> None:
        self.lines.do(*(partial(line.cut, there=there, back=back) for line in lines))

    def mend(self) -> None:
        self.lines.do(*(line.mend for line in (self.to_us, self.to_eu, self.database)))

    async def relay_metric(self, site: Site, name: str, **labels: str) -> float:
        """Return what the site's relay has counted under this name."""
        url = f"http://{site.env['LIVE_RELAY_HOST']}:{site.env['LIVE_RELAY_PORT']}/metrics"
        async with httpx.AsyncClient(verify=False, trust_env=False) as client:
            return counted(await client.get(url), name, **labels)


@contextlib.contextmanager
def two_regions(
    factory: SiteFactory,
    keep: Callable[[Site], contextlib.AbstractContextManager[Site]],
    *,
    us_nodes: int = 2,
    delay_seconds: float = 0.0,
    database_url: str | None = None,
    env: dict[str, str] | None = None,
) -> Iterator[Regions]:
    """Have two regions for the length of the block. `keep` closes a site in the end."""
    with contextlib.ExitStack() as stack:
        lines = stack.enter_context(contextlib.closing(Lines()))
        ports = {"eu": free_port(), "us": free_port()}
        to_us, us_address = lines.start(("127.0.0.1", ports["us"]), delay_seconds)
        to_eu, eu_address = lines.start(("127.0.0.1", ports["eu"]), delay_seconds)

        def start(region: str, peer: str, address: tuple[str, int], **more: Any) -> Site:
            variables = {
                "LIVE_REGION": region,
                "LIVE_PEERS": f"{peer}=http://{address[0]}:{address[1]}",
                "LIVE_RELAY_KEYS": f"{peer}:1:{SECRET}",
                "LIVE_RELAY_HOST": "127.0.0.1",
                "LIVE_RELAY_PORT": str(ports[region]),
                "LIVE_LIMITS": "off",
                **(env or {}),
            }
            return stack.enter_context(keep(factory.start(env=variables, **more)))

        eu = start("eu", "us", us_address, nodes=1, database_url=database_url)
        parts = urlsplit(eu.database_url)
        assert parts.hostname and parts.port
        database, there = lines.start((parts.hostname, parts.port), delay_seconds)
        user = parts.netloc.rpartition("@")[0]
        far = urlunsplit(parts._replace(netloc=f"{user}@{there[0]}:{there[1]}"))
        us = start("us", "eu", eu_address, nodes=us_nodes, database_url=far)
        yield Regions(eu, us, to_us, to_eu, database, lines)
