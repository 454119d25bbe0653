"""What the ingest's desk writes down of pictures, on the real database, without a site."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction
from redis.asyncio import Redis

from accounts.models import Viewer
from ingest.desk import Desk
from ingest.rtmp.server import RtmpServer
from realtime.log.threads import backend_threads
from tests.ingest.booth import Tag, endless, make_film, sending
from tests.ingest.packager.kit import Broadcast
from tests.ingest.packager.streams import FRAGMENTS, X264, ffmpeg, picture
from tests.kit import HANG_SECONDS, until
from tests.videos.acts import Stage
from tests.videos.conftest import stage  # noqa: F401  (a fixture)
from videos import broadcasts, incoming, removal, restarts
from videos.keys import key_of
from videos.models import Video
from web.store import Folder

run = backend_threads.run


async def playlist_becomes(video: Video, wanted: str) -> None:
    async with asyncio.timeout(HANG_SECONDS):
        while (await Video.objects.aget(id=video.id)).playlist != wanted:
            await asyncio.sleep(0.05)


async def picture_becomes(video: Video, wanted: str) -> None:
    async with asyncio.timeout(HANG_SECONDS):
        while (await Video.objects.aget(id=video.id)).picture != wanted:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("is_over", [True, False], ids=["ended meanwhile", "ends later"])
async def test_what_an_ingest_left_is_recorded_by_the_next(stage: Stage, tmp_path: Path, is_over: bool) -> None:  # noqa: F811
    """A video that ended while the ingest was away waited for its picture for ever, and what was listed live, but not
    yet in the list of the recording, was not recorded.
    """
    video = (await run(incoming.find, await run(key_of, stage.owner))).video_id
    await run(broadcasts.set_picture, video, stage.owner, "live")
    folder = tmp_path / str(video)
    Broadcast(Folder(folder)).send(ffmpeg(*picture(), "-t", "5", *X264, "-g", "60", *FRAGMENTS))
    if is_over:
        await run(broadcasts.end_video, video, stage.owner)
    desk = Desk(media=tmp_path, end_after_seconds=600, replaces=False)
    await desk.start()
    try:
        if not is_over:
            await run(broadcasts.end_video, video, stage.owner)
        await playlist_becomes(stage.video, f"/media/{video}/replay.m3u8")
    finally:
        await desk.aclose()
    assert (folder / "replay.m3u8").read_text().count("#EXTINF") >= 2


async def test_with_too_little_room_nothing_is_recorded(
    stage: Stage,  # noqa: F811
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The live picture has the rest of the disk."""
    video = (await run(incoming.find, await run(key_of, stage.owner))).video_id
    await run(broadcasts.set_picture, video, stage.owner, "live")
    Broadcast(Folder(tmp_path / str(video))).send(ffmpeg(*picture(), "-t", "5", *X264, "-g", "60", *FRAGMENTS))
    desk = Desk(media=tmp_path, end_after_seconds=600, replaces=False, reserve_bytes=1 << 60)
    await desk.start()
    try:
        assert "of the disk are free, so nothing more is recorded. The live picture goes on." in caplog.text
    finally:
        await desk.aclose()


async def test_a_recording_that_somebody_wants_is_made_one_file(
    stage: Stage,  # noqa: F811
    redis: Redis,
    tmp_path: Path,
) -> None:
    """A wish for what is not here waits for another ingest, and holds nothing up."""
    folder = tmp_path / str(stage.video.id)
    broadcast = Broadcast(Folder(folder), recording=True)
    broadcast.send(ffmpeg(*picture(), "-t", "5", *X264, "-g", "60", *FRAGMENTS))
    broadcast.packager.end()
    await redis.sadd(incoming.downloads_key(), str(uuid4()), str(stage.video.id))
    desk = Desk(media=tmp_path, end_after_seconds=600, replaces=False)
    await desk.start()
    try:
        async with asyncio.timeout(HANG_SECONDS):
            while await redis.scard(incoming.downloads_key()) > 1:
                await asyncio.sleep(0.05)
    finally:
        await desk.aclose()
        await redis.delete(incoming.downloads_key())
    assert (folder / "recording.mp4").exists()


@contextlib.asynccontextmanager
async def open_desk(media: Path) -> AsyncIterator[int]:
    """Take encoders on a port."""
    desk = Desk(media=media, end_after_seconds=600, replaces=False)
    server = RtmpServer(desk.admit, network_of=lambda address: address)
    await desk.start()
    try:
        yield await server.start("127.0.0.1", 0)
    finally:
        await server.aclose()
        await desk.aclose()


async def test_an_encoder_is_cut_when_its_video_ends_and_begins_no_other(
    stage: Stage,  # noqa: F811
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Encoders come back by themselves: one that did not know of the end announced another video, which was live."""
    key = await run(key_of, stage.owner)
    film = await make_film()
    live = tmp_path / str(stage.video.id) / "live.m3u8"
    async with open_desk(tmp_path) as port:
        over = asyncio.Event()
        sent = asyncio.create_task(send(port, endless(film, over.is_set), key, is_taken=lambda: live.parent.exists()))
        await until(live.exists)
        await run(broadcasts.end_video, stage.video.id, stage.owner)
        await until(lambda: "over: The broadcast has ended." in caplog.text)
        over.set()
        await sent
        assert b"start it again a minute later" in await send(port, [], key, is_taken=lambda: True)
    assert await Video.objects.acount() == 1


async def test_a_live_video_waits_on_when_an_encoder_leaves_without_a_picture(
    stage: Stage,  # noqa: F811
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It ended, though its broadcaster had started it by a click and was still setting the encoder up."""
    key = await run(key_of, stage.owner)
    await run(broadcasts.start_video, stage.video.id, stage.owner)
    folder = tmp_path / str(stage.video.id)
    async with open_desk(tmp_path) as port:
        await send(port, [], key, is_taken=folder.exists)
        await until(lambda: "over, without a recording" in caplog.text)
        assert (await Video.objects.aget(id=stage.video.id)).picture == "waiting"
        film = await make_film()
        over = asyncio.Event()
        sent = asyncio.create_task(send(port, endless(film, over.is_set), key, is_taken=folder.exists))
        await picture_becomes(stage.video, "live")
        assert (await Video.objects.aget(id=stage.video.id)).status == "live"
        await run(broadcasts.end_video, stage.video.id, stage.owner)
        over.set()
        await sent


async def test_a_broadcast_goes_on_after_its_end_in_the_same_lists(stage: Stage, tmp_path: Path) -> None:  # noqa: F811
    """An encoder that was cut comes back by itself, and may do so before the desk has let go of the picture."""
    key = await run(key_of, stage.owner)
    await run(incoming.find, key)
    await run(broadcasts.set_picture, stage.video.id, stage.owner, "live")
    folder = tmp_path / str(stage.video.id)
    Broadcast(Folder(folder)).send(ffmpeg(*picture(), "-t", "5", *X264, "-g", "60", *FRAGMENTS))
    film = await make_film()
    async with open_desk(tmp_path) as port:
        await run(broadcasts.end_video, stage.video.id, stage.owner)
        await playlist_becomes(stage.video, f"/media/{stage.video.id}/replay.m3u8")
        before = (folder / "replay.m3u8").read_text()
        await run(restarts.restart_video, stage.video.id, stage.owner)
        over = asyncio.Event()
        sent = asyncio.create_task(send(port, endless(film, over.is_set), key, is_taken=lambda: True))
        await until(lambda: "#EXT-X-ENDLIST" not in (folder / "live.m3u8").read_text())
        await picture_becomes(stage.video, "live")
        await run(broadcasts.end_video, stage.video.id, stage.owner)
        await playlist_becomes(stage.video, f"/media/{stage.video.id}/replay.m3u8")
        over.set()
        await sent
    assert "#EXT-X-DISCONTINUITY\n" in (folder / "live.m3u8").read_text()
    assert (folder / "replay.m3u8").read_text().startswith(before.removesuffix("#EXT-X-ENDLIST\n"))


async def test_an_end_that_is_taken_back_at_once_cuts_no_encoder(stage: Stage, tmp_path: Path) -> None:  # noqa: F811
    """The desk had written down that the picture is live, and did not write it again."""

    def end_and_restart() -> None:
        with transaction.atomic():
            broadcasts.end_video(stage.video.id, stage.owner)
            restarts.restart_video(stage.video.id, stage.owner)

    key = await run(key_of, stage.owner)
    film = await make_film()
    folder = tmp_path / str(stage.video.id)
    async with open_desk(tmp_path) as port:
        over = asyncio.Event()
        sent = asyncio.create_task(send(port, endless(film, over.is_set), key, is_taken=folder.exists))
        await picture_becomes(stage.video, "live")
        await run(end_and_restart)
        await picture_becomes(stage.video, "live")
        assert not sent.done()
        await run(broadcasts.end_video, stage.video.id, stage.owner)
        over.set()
        await sent


async def test_an_encoder_is_cut_when_its_video_is_deleted(stage: Stage, settings: Any, tmp_path: Path) -> None:  # noqa: F811
    settings.MEDIA_ROOT = tmp_path
    key = await run(key_of, stage.owner)
    film = await make_film()
    live = tmp_path / str(stage.video.id) / "live.m3u8"
    root = await run(Viewer.objects.create_superuser, "root")
    async with open_desk(tmp_path) as port:
        over = asyncio.Event()
        sent = asyncio.create_task(send(port, endless(film, over.is_set), key, is_taken=lambda: live.parent.exists()))
        await until(live.exists)
        await run(removal.delete_video, stage.video.id, root)
        await until(lambda: not live.parent.exists())
        over.set()
        await sent
    assert not live.parent.exists()
    assert not await Video.objects.aexists()


async def send(port: int, stream: Iterable[Tag], key: str, *, is_taken: Callable[[], bool]) -> bytes:
    """Send it; return what the server said."""
    async with sending(port, stream, key=key, is_taken=is_taken, pause_seconds=0.001) as reader:
        with contextlib.suppress(ConnectionError):
            return await reader.read()
    return b""
