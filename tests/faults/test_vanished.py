"""A phone that vanishes without a word: no FIN, no reset, nothing is answered any more."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from realtime.edge.handoff import USER_TIMEOUT_MS
from realtime.edge.sockets import PINGS_MAX
from realtime.node.connections import HEARTBEAT_SECONDS
from realtime.node.leases import VIEWERS_REST_MAX_SECONDS, VIEWERS_SETTLE_SECONDS
from tests.rooms import open_room
from tests.sites import CHECKOUT, Site
from tests.watching import SseWatcher, watching

VANISHED_SECONDS = 45  # what is promised


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A network of its own, one cable away from this machine's, which is `host` there."""

    name: str
    host: str

    def start(self, *command: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["ip", "netns", "exec", self.name, *command], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True
        )

    def vanish(self) -> None:
        """Whatever is sent from there to this machine goes nowhere, answers of the kernel included."""
        subprocess.run(["ip", "-n", self.name, "route", "add", "blackhole", self.host], check=True)


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    if shutil.which("ip") is None:
        pytest.skip("needs the command ip (iproute2)")
    name, number = f"live-{os.getpid()}", os.getpid() % 250
    host, phone = f"10.213.{number}.1", f"10.213.{number}.2"
    commands = (
        f"ip netns add {name}",
        f"ip link add lv{os.getpid()} type veth peer name phone netns {name}",
        f"ip addr add {host}/30 dev lv{os.getpid()}",
        f"ip link set lv{os.getpid()} up",
        f"ip -n {name} addr add {phone}/30 dev phone",
        f"ip -n {name} link set phone up",
    )
    try:
        for command in commands:
            done = subprocess.run(command.split(), capture_output=True, text=True)
            if done.returncode:
                pytest.skip(f"needs rights to make a network namespace: {command}: {done.stderr.strip()}")
        yield Elsewhere(name, host)
    finally:
        subprocess.run(["ip", "netns", "delete", name], capture_output=True)  # takes the cable along


async def test_vanished_phone_is_counted_out_and_its_connections_are_closed(
    start_site: Callable[..., Site], elsewhere: Elsewhere
) -> None:
    site = start_site(nodes=1, env={"ALLOWED_HOSTS": f"127.0.0.1,{elsewhere.host}"})
    url = site.start_node(host=elsewhere.host)
    site.wait_until_ready()
    async with open_room(site) as room, watching(SseWatcher(site.urls[0], room.topic)) as (viewer,):
        phone = elsewhere.start(sys.executable, "-m", "tests.faults.phone", url, room.topic)
        try:
            assert phone.stdout and phone.stdout.readline() == "watching\n"
            await viewer.sees_viewers(3)
            elsewhere.vanish()
            await viewer.wait_for(lambda: viewer.viewers["count"] < 3, "the first of its connections to be missed")
            await viewer.sees_viewers(1)
            assert await room.metric("live_connections", node=1) == 0
        finally:
            phone.kill()
            phone.wait()
            assert phone.stdout
            phone.stdout.close()


def test_the_times_add_up_to_what_is_promised() -> None:
    told = VIEWERS_SETTLE_SECONDS + VIEWERS_REST_MAX_SECONDS
    # The next heartbeat comes within so many seconds; then the kernel, or the one after, finds it unanswered.
    assert HEARTBEAT_SECONDS + USER_TIMEOUT_MS / 1000 + told <= VANISHED_SECONDS
    assert HEARTBEAT_SECONDS * (1 + PINGS_MAX) + told <= VANISHED_SECONDS
