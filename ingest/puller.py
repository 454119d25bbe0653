"""Fetches the pictures of videos that have an address of RTSP or HLS, for as long as such a video waits or is live.

Made by the ingest's process (liveplatform.ingest). Each goes by an ffmpeg of its own to our own RTMP port, as an
encoder would: its states, recording and end are those of any picture. One that ends is fetched again, later each time.
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
import time
from collections.abc import Awaitable, Callable, Sequence

from ingest.feeder import COPIED, Feeder, codecs_after
from ingest.gate import AddressRange, opened
from realtime.background import BackgroundTasks, end
from realtime.log.store import StoreUnavailable
from realtime.log.threads import backend_threads
from videos import incoming
from videos.incoming import Pull

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 1.0, 60.0
STEADY_SECONDS = 60.0
"""After so long a fetch counts as good: the next wait is the first one."""
ENDED = "The picture at {} is not there, and is fetched again: {}"
_ADDRESS = re.compile(r"\w+://\S+")

Note = Callable[[str, str], Awaitable[None]]
"""From key and words: what is wrong, for its broadcaster."""


class Puller:
    """`rtmp`: host and port of our own RTMP server. `networks`: private ones that may be reached."""

    def __init__(self, note: Note, *, rtmp: tuple[str, int], networks: Sequence[AddressRange]) -> None:
        self._note = note
        self._rtmp_host, self._rtmp_port = rtmp
        self._networks = networks
        self._pulls: dict[Pull, asyncio.Task[None]] = {}
        self._tasks = BackgroundTasks("pulls")

    def start(self) -> None:
        self._tasks.repeat(self._look, LOOK_SECONDS, name="pulls")

    async def aclose(self) -> None:
        await self._tasks.aclose()

    async def _look(self) -> None:
        """Fetch what is wanted now, and stop what is not."""
        try:
            wanted = await backend_threads.run(incoming.pulls)
        except StoreUnavailable:
            return
        for pull in self._pulls.keys() - wanted:
            await end(self._pulls.pop(pull))
        for pull in wanted - self._pulls.keys():
            self._pulls[pull] = self._tasks.spawn(self._keep(pull), name=f"pull for {pull.video_id}")

    async def _keep(self, pull: Pull) -> None:
        wait_seconds = FIRST_WAIT_SECONDS
        codecs: tuple[str, ...] = COPIED
        while True:
            began = time.monotonic()
            words = await self._fetch(pull, codecs)
            before, codecs = codecs, codecs_after(words, codecs)
            if codecs != before:
                continue
            # ffmpeg names addresses with the passwords that are in them.
            said = ENDED.format(pull.shown, _ADDRESS.sub(pull.shown, words))
            logger.warning("video %s: %s", pull.video_id, said)
            await self._note(pull.key, said)
            if time.monotonic() - began > STEADY_SECONDS:
                wait_seconds = FIRST_WAIT_SECONDS
            await asyncio.sleep(wait_seconds * random.uniform(0.8, 1.2))
            wait_seconds = min(2 * wait_seconds, LONGEST_WAIT_SECONDS)

    async def _fetch(self, pull: Pull, codecs: tuple[str, ...]) -> str:
        """Fetch until it ends; return why it did."""
        async with opened(pull.source, self._networks) as door:
            feeder = Feeder(
                door.inputs,
                key=pull.key,
                host=self._rtmp_host,
                port=self._rtmp_port,
                codecs=codecs,
                app=f"live/{pull.video_id}",
            )
            try:
                await feeder.start()
                words = await feeder.wait()
            except (OSError, RuntimeError) as error:
                words = f"The site cannot start ffmpeg: {error}"
            finally:
                await feeder.aclose()
            return door.refusal or words
