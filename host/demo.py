"""The demo broadcast, from its start until a moderator ends its video or the site stops. Called by liveplatform.demo.

The video belongs to an app, which `DEMO_VIDEO` in the settings names. Its picture is made here (host.picture), and
comes in as any broadcaster's. When the video ends, the broadcast ends until the next start. A site that cannot have the
demo runs without it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import random
import signal
from collections.abc import Callable
from importlib import import_module
from typing import Any, ParamSpec, Protocol, TypeVar, cast

from django.conf import settings
from django.db import connections
from django.db.utils import OperationalError

from host import demo_guests, picture
from host.processes import Program
from host.supervisor import Supervisor, until_asked
from host.waiting import until
from realtime.background import end
from web.addresses import in_url, reachable

P = ParamSpec("P")
T = TypeVar("T")

CHECK_SECONDS = 2.0
NAME = "demo"


class DemoVideo(Protocol):
    """What the demo needs from the app that has videos."""

    def open_broadcast(self) -> Any:
        """Return the id of the demo's live video; make one if there is none."""

    def name_for_once(self) -> str:
        """Return with what its picture is sent, in place of its key: once, and soon."""

    def token(self) -> str:
        """Return a token of its broadcaster, for the API. It is good for some weeks."""

    def close_broadcast(self) -> None:
        """End the demo's live video, if there is one."""

    def is_live(self, video_id: Any, /) -> bool: ...


class _Printed:
    """The log of the demo's own supervisor: the site's adds time and name."""

    def line(self, _: str, text: str) -> None:
        print(text, flush=True)


async def broadcast() -> None:
    """Broadcast until the video is ended, or a signal asks to stop. Needs Django set up, and the tables."""
    stop_asked = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop_asked.set)
    async with Supervisor(_Printed()) as supervisor:
        try:
            await until_asked(_broadcast(supervisor), stop_asked)
        finally:
            await supervisor.stop([NAME])


async def _broadcast(supervisor: Supervisor) -> None:
    video = cast("DemoVideo", import_module(settings.DEMO_VIDEO))
    try:
        if not (settings.LIVE_DEMO and settings.LIVE_RTMP_PORT):
            if not settings.LIVE_PEERS:  # otherwise it may belong to another region
                await _with_database(video.close_broadcast)
            return
        video_id = await _with_database(video.open_broadcast)
        token = await _with_database(video.token)
        await until(_takes_pictures, every_seconds=CHECK_SECONDS / 10)
        await supervisor.start(await _picture(video))
    except (OperationalError, OSError, RuntimeError) as error:
        supervisor.say(f"no demo broadcast: {error}")
        return
    await _act(video, video_id, token)
    await supervisor.stop([NAME])
    supervisor.say("the demo broadcast has been ended")


async def _act(video: DemoVideo, video_id: Any, token: str) -> None:
    """Let guests act until the video ends."""
    host, is_secure = in_url(settings.HOST), settings.LIVE_TLS_CERT is not None
    address = f"https://{host}:{settings.LIVE_TLS_PORT}" if is_secure else f"http://{host}:{settings.PORT}"
    client = demo_guests.client_of(address, allowed_hosts=settings.ALLOWED_HOSTS)
    async with client:
        guests = demo_guests.DemoGuests(
            client, video_id, folder=settings.DATA_DIR, chance=random.Random(), host_token=token
        )
        acting = asyncio.create_task(guests.run(), name="demo guests")
        try:
            await until(lambda: _has_ended(video, video_id), every_seconds=CHECK_SECONDS)
        finally:
            await end(acting)


async def _picture(video: DemoVideo) -> Program:
    """Return the ffmpeg that sends the picture, with a name of its own. Raises OSError, RuntimeError (no ffmpeg)."""
    address = f"rtmp://{in_url(settings.LIVE_RTMP_HOST)}:{settings.LIVE_RTMP_PORT}/live"
    try:
        name = await _with_database(video.name_for_once)
    except OperationalError as error:
        raise OSError(f"the database is away: {error}") from error
    made = await asyncio.to_thread(picture.program, address, name)
    return dataclasses.replace(made, again=lambda: _picture(video))


async def _takes_pictures() -> bool:
    """Whether the ingest listens."""
    try:
        _, writer = await asyncio.open_connection(reachable(settings.LIVE_RTMP_HOST), settings.LIVE_RTMP_PORT)
    except OSError:
        return False
    writer.close()
    return True


async def _has_ended(video: DemoVideo, video_id: Any) -> bool:
    try:
        return not await _with_database(video.is_live, video_id)
    except OperationalError:
        # While the database is away nobody can end it.
        return False


async def _with_database(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do database work in a thread, and give its connection back."""

    def work_and_close() -> T:
        try:
            return work(*args, **kwargs)
        finally:
            connections.close_all()

    return await asyncio.to_thread(work_and_close)
