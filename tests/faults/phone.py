"""A phone for tests: watches over both protocols from wherever it is started, and answers pings.

python -m tests.faults.phone http://10.0.0.1:8000 video:<id>
"""

from __future__ import annotations

import asyncio
import sys

from tests.watching import SseWatcher, WebSocketWatcher, watching


async def main(url: str, topic: str) -> None:
    async with watching(SseWatcher(url, topic), WebSocketWatcher(url, topic)):
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
