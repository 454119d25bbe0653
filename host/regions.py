"""Several complete regions on one machine, for a look. Called by `manage.py regions`.

Each region is a site of its own (`manage.py serve`), with its own Valkey, nodes, dispatcher and relay. The first has
the PostgreSQL that all share, and the demo broadcast; the others start when it serves. A line (host.line)
stands for the distance between two relays.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import re
import secrets
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import IO

from django.conf import settings

from host import embedded, site
from host.errors import ServersError, Unusable
from host.line import Line
from host.processes import Child, Program
from host.programs import CHECKOUT, PYTHON
from host.supervisor import LogStream, Supervisor, until_asked
from host.waiting import until

REGIONS_MAX = 5
RELAY_HOST = "127.0.0.1"
PORT_MAX = 65_535
STOP_SECONDS = 120.0
CHECK_SECONDS = 0.1
NAME_WIDTH = 16
_LINE = re.compile(r"[\d:]+Z (\S+) +\| (.*)")


def region_names(text: str) -> list[str]:
    """Return the regions of a command line, as in `eu,us`. Raises Unusable."""
    names = text.split(",")
    if not all(name.isidentifier() and name.isascii() and len(name) <= 16 for name in names):
        raise Unusable("--regions must be short names of letters, digits and _, like eu,us")
    if len(set(names)) < len(names) or not 2 <= len(names) <= REGIONS_MAX:
        raise Unusable(f"--regions must be 2 to {REGIONS_MAX} different names, like eu,us")
    return names


def run(names: Sequence[str], *, link_ms: int) -> None:
    """Start the regions and keep them running until a signal asks to stop. Raises Unusable, ServersError,
    ImproperlyConfigured.
    """
    if "REDIS_URL" in os.environ:
        raise Unusable("REDIS_URL must not be set: each region has a Redis of its own")
    if settings.LIVE_TLS_CERT is not None:
        name = "DOMAIN" if settings.DOMAIN else "LIVE_TLS_CERT"
        raise Unusable(f"{name} must not be set: regions on one machine are for a look, and speak HTTP")
    for number in range(len(names)):
        for host, port in ((settings.HOST, settings.PORT), (RELAY_HOST, settings.LIVE_RELAY_PORT)):
            if port + number > PORT_MAX:
                raise Unusable(f"PORT: there is no room for {len(names)} regions above {port}")
            # Checked here. Otherwise a region's site fails with this message again and again.
            site.listen(host, port + number).close()
    with (
        open(sys.stdout.fileno(), "wb", buffering=0, closefd=False) as output,
        contextlib.closing(_Stream(output, names)) as stream,
    ):
        asyncio.run(_Regions(names, link_ms, stream).run())


class _Stream(LogStream):
    """The logs of several sites as one: each line has its region and its process."""

    def __init__(self, output: IO[bytes], regions: Sequence[str]) -> None:
        super().__init__(output, coloured=output.isatty(), name_width=NAME_WIDTH)
        self.ready = {region: asyncio.Event() for region in regions}

    def line(self, name: str, text: str) -> None:
        if name not in self.ready:
            super().line(name, text)
        elif found := _LINE.match(text):
            super().line(f"{name} {found[1]}", found[2])
        else:
            self.plain(f"  {name:<{NAME_WIDTH}}{text}\n")
            if "Ready: " in text:
                self.ready[name].set()


class _Regions:
    """One run of all regions."""

    def __init__(self, names: Sequence[str], link_ms: int, stream: _Stream) -> None:
        self._names = names
        self._stream = stream
        self._link_seconds = link_ms / 1000
        self._lines: list[Line] = []
        self._children: list[Child] = []
        self._stop_asked = asyncio.Event()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._ask_to_stop)
        async with Supervisor(self._stream) as self._supervisor:
            try:
                await until_asked(self._work(), self._stop_asked)
            finally:
                # The first one has the database that the others still write to.
                await self._supervisor.stop(self._names[1:])
                await self._supervisor.stop(self._names[:1])
                for line in self._lines:
                    await line.aclose()

    def _ask_to_stop(self) -> None:
        if self._stop_asked.is_set():
            for child in self._children:
                child.ask_to_stop()  # asked twice: at once
        else:
            self._supervisor.say("stopping all regions (once more: at once)")
            self._stop_asked.set()

    async def _work(self) -> None:
        environments = await self._environments()
        first, *others = self._names
        await self._start(first, environments[first])
        if "DATABASE_URL" not in os.environ:  # only now: its port may have been taken, and changed
            for name in others:
                environments[name]["DATABASE_URL"] = embedded.database_url(settings.DATA_DIR)
        # No task group: it would wrap the error, which is one line for the person who has started us.
        await asyncio.gather(*(self._start(name, environments[name]) for name in others))
        self._stream.plain("\n  All regions serve. A like in one is seen in the others. Stop: Ctrl-C\n\n")
        await self._stop_asked.wait()

    async def _start(self, name: str, environment: Mapping[str, str]) -> None:
        """Start a region and return when it serves. Raises ServersError when it ends first."""
        argv = (*PYTHON, "manage.py", "serve")
        program = Program(
            name, argv, stop_signal=signal.SIGINT, stop_seconds=STOP_SECONDS, env=environment, cwd=CHECKOUT
        )
        child = await self._supervisor.start(program)
        self._children.append(child)

        async def serves_or_ended() -> bool:
            return self._stream.ready[name].is_set() or child.exit_code() is not None

        await until(serves_or_ended, every_seconds=CHECK_SECONDS)
        if child.exit_code() is not None:
            raise ServersError(f"the region {name} does not start")

    async def _environments(self) -> dict[str, dict[str, str]]:
        keys = {pair: secrets.token_urlsafe(32) for pair in itertools.combinations(sorted(self._names), 2)}
        relay_ports = {name: settings.LIVE_RELAY_PORT + number for number, name in enumerate(self._names)}
        environments = {}
        for number, name in enumerate(self._names):
            peers = [peer for peer in self._names if peer != name]
            addresses = {peer: await self._address_of(relay_ports[peer]) for peer in peers}
            environments[name] = {
                **os.environ,
                "PORT": str(settings.PORT + number),
                "SECRET_KEY": settings.SECRET_KEY,
                "LIVE_REGION": name,
                "LIVE_PEERS": ",".join(f"{peer}=http://{addresses[peer]}" for peer in peers),
                "LIVE_RELAY_KEYS": ",".join(f"{peer}:look:{keys[min(name, peer), max(name, peer)]}" for peer in peers),
                "LIVE_RELAY_HOST": RELAY_HOST,
                "LIVE_RELAY_PORT": str(relay_ports[name]),
                "LIVE_MEDIA_DIR": str(settings.MEDIA_ROOT),
                "LIVE_DATA_DIR": str(settings.DATA_DIR / "regions" / name if number else settings.DATA_DIR),
            }
            if number:
                environments[name]["LIVE_DEMO"] = "off"
        return environments

    async def _address_of(self, port: int) -> str:
        """Return the address of a relay: that of a line in front of it, if there is some distance."""
        if not self._link_seconds:
            return f"{RELAY_HOST}:{port}"
        line = Line((RELAY_HOST, port), delay_seconds=self._link_seconds)
        self._lines.append(line)
        host, own_port = await line.start()
        return f"{host}:{own_port}"
