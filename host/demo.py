"""The demo broadcast, from its start until a moderator ends its video or the site stops. Called by host.site.

The video belongs to an app, which `DEMO_VIDEO` in the settings names. Its picture is made here (host.picture), and
comes in as any broadcaster's. When the video ends, the broadcast ends until the next start. A site that cannot have the
demo runs without it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from importlib import import_module
from typing import Any, Protocol, cast

from django.conf import settings
from django.db.utils import OperationalError

from host import demo_guests, picture
from host.preparation import with_database
from host.supervisor import Supervisor
from host.waiting import until
from realtime.background import end
from web.addresses import in_url, reachable

CHECK_SECONDS = 2.0
NAME = "demo"


class DemoVideo(Protocol):
    """What the demo needs from the app that has videos."""

    def open_broadcast(self) -> Any:
        """Return the id of the demo's live video; make one if there is none."""

    def stream_key(self) -> str:
        """Return the key with which its picture is sent."""

    def token(self) -> str:
        """Return a token of its broadcaster, for the API. It is good for some weeks."""

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
            if not (settings.LIVE_DEMO and settings.LIVE_RTMP_PORT):
                if not settings.LIVE_PEERS:  # otherwise it may belong to another region
                    await with_database(video.close_broadcast)
                return
            video_id = await with_database(video.open_broadcast)
            address = f"rtmp://{in_url(settings.LIVE_RTMP_HOST)}:{settings.LIVE_RTMP_PORT}/live"
            key, token = await with_database(video.stream_key), await with_database(video.token)
            await until(_takes_pictures, every_seconds=CHECK_SECONDS / 10)
            self._supervisor.start(await asyncio.to_thread(picture.program, address, key))
        except (OperationalError, OSError, RuntimeError) as error:
            self._supervisor.say(f"no demo broadcast: {error}")
            return
        if await self._goes_on(video, video_id, token):
            return
        await self._supervisor.stop([NAME])
        self._supervisor.say("the demo broadcast has been ended")

    async def _goes_on(self, video: DemoVideo, video_id: Any, token: str) -> bool:
        """Let guests act until the video ends or the site stops. Return True if it is the site that stops."""
        host, is_secure = in_url(settings.HOST), settings.LIVE_TLS_CERT is not None
        address = f"https://{host}:{settings.LIVE_TLS_PORT}" if is_secure else f"http://{host}:{settings.PORT}"
        client = demo_guests.client_of(address, allowed_hosts=settings.ALLOWED_HOSTS)
        async with client:
            guests = demo_guests.DemoGuests(
                client, video_id, folder=settings.DATA_DIR, chance=random.Random(), host_token=token
            )
            acting = asyncio.create_task(guests.run(), name="demo guests")
            try:
                while await _is_live(video, video_id):
                    if await self._stops_within(CHECK_SECONDS):
                        return True
                return False
            finally:
                await end(acting)

    async def _stops_within(self, seconds: float) -> bool:
        """Wait that long, or until the site is asked to stop. Returns whether it is."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop_asked.wait(), seconds)
        return self._stop_asked.is_set()


async def _takes_pictures() -> bool:
    """Whether the ingest listens."""
    try:
        _, writer = await asyncio.open_connection(reachable(settings.LIVE_RTMP_HOST), settings.LIVE_RTMP_PORT)
    except OSError:
        return False
    writer.close()
    return True


async def _is_live(video: DemoVideo, video_id: Any) -> bool:
    try:
        return await with_database(video.is_live, video_id)
    except OperationalError:
        # While the database is away nobody can end it.
        return True
