"""A real S3 server for tests: moto's, over HTTP, in a process of its own."""

from __future__ import annotations

import contextlib
import itertools
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import httpx

from tests.sites import free_port, wait_for
from web.store import BucketAddress

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class S3Server:
    port: int

    def new_bucket(self) -> BucketAddress:
        """Make an empty bucket."""
        address = BucketAddress(
            f"recordings-{next(_numbers)}", "live", f"http://127.0.0.1:{self.port}", "", "key", "secret"
        )
        httpx.put(f"{address.endpoint}/{address.name}").raise_for_status()
        return address

    def is_up(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@contextlib.contextmanager
def s3_server(port: int | None = None) -> Iterator[S3Server]:
    """Have one for the length of the block. What it holds goes with it."""
    server = S3Server(port or free_port())
    argv = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(server.port)]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(server.is_up, "the S3 server")
            yield server
        finally:
            process.kill()


def settings_of(address: BucketAddress) -> dict[str, str]:
    """Return the environment of a site whose recordings are there."""
    return {
        "LIVE_MEDIA_STORAGE": f"s3://{address.name}/{address.prefix}",
        "LIVE_STORAGE_ENDPOINT": address.endpoint,
        "LIVE_STORAGE_KEY": address.key,
        "LIVE_STORAGE_SECRET": address.secret,
    }
