"""The demo broadcast, from its start until a moderator ends its video or the site stops. Called by host.site.

The video belongs to an app, which `DEMO_VIDEO` in the settings names; its picture is made here (host.picture). When the
video ends, the broadcast ends until the next start. A site that cannot have the demo runs without it.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

from django.conf import settings
from django.db.utils import OperationalError

from host import picture
from host.preparation import with_database
from host.supervisor import Supervisor

CHECK_SECONDS = 2.0
NAME = "demo"


class DemoVideo(Protocol):
    """What the demo needs from the app that has videos."""

    def open_broadcast(self) -> Any:
        """Return the id of the demo's live video; make one if there is none. The picture's folder has the id's name."""

    def close_broadcast(self) -> None:
        """End the demo's live video, if there is one."""

    def is_live(self, video_id: Any, /) -> bool: ...


class Demo:
    """The demo broadcast of one run of the site."""

    def __init__(self, supervisor: Supervisor, stop_asked: asyncio.Event) -> None:
        self._supervisor = supervisor
        self._stop_asked = stop_asked

    async def run(self) -> None:
        """Broadcast until the video is ended. Needs Django set up, and the tables."""
        video = cast("DemoVideo", import_module(settings.DEMO_VIDEO))
        try:
            if not settings.LIVE_DEMO:
                if not settings.LIVE_PEERS:  # otherwise it may belong to another region
                    await with_database(video.close_broadcast)
                return
            video_id = await with_database(video.open_broadcast)
            folder = Path(settings.MEDIA_ROOT) / str(video_id)
            program = await asyncio.to_thread(picture.program, folder)
            self._supervisor.start(program, again=functools.partial(picture.program, folder))
        except (OperationalError, OSError, RuntimeError) as error:
            self._supervisor.say(f"no demo broadcast: {error}")
            return
        posters = asyncio.create_task(self._take_posters(folder))
        try:
            while await _is_live(video, video_id):
                if await self._stops_within(CHECK_SECONDS):
                    return
        finally:
            posters.cancel()
        await self._supervisor.stop([NAME])
        picture.clear(folder)
        self._supervisor.say("the demo broadcast has been ended")

    async def _take_posters(self, folder: Path) -> None:
        # Until there is a first one, try more often.
        while not await self._stops_within(CHECK_SECONDS):
            await asyncio.to_thread(picture.take_poster, folder)
            if (folder / "poster.jpg").exists() and await self._stops_within(picture.POSTER_SECONDS):
                return

    async def _stops_within(self, seconds: float) -> bool:
        """Wait that long, or until the site is asked to stop. Returns whether it is."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop_asked.wait(), seconds)
        return self._stop_asked.is_set()


async def _is_live(video: DemoVideo, video_id: Any) -> bool:
    try:
        return await with_database(video.is_live, video_id)
    except OperationalError:
        # While the database is away nobody can end it.
        return True
