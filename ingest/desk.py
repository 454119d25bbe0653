"""The ingest's desk: lets encoders in by their key, and keeps the database informed about what comes.

Hop: between encoders and videos. The RTMP server (ingest.rtmp.server) asks `admit`; the process (liveplatform.ingest)
starts it, and from then on it looks several times a second. What it publishes is a durable event of the video's topic.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import orjson
from redis.exceptions import RedisError

from ingest.archive import Archive
from ingest.broadcast import Broadcast, EncoderSink, PictureState
from ingest.download import make_download
from ingest.feeder import key_behind
from ingest.packager.recording import RECORDING, REPLAY
from ingest.packager.renditions import Renditions
from ingest.poster import take_poster
from ingest.rtmp.publish import Publish, RefusedStream
from realtime.background import BackgroundTasks
from realtime.log.store import StoreUnavailable
from realtime.log.threads import backend_threads
from realtime.table.redis import shared_redis
from videos import broadcasts, incoming, keys
from videos.incoming import Incoming, health_key, refusal_key
from videos.models import Video
from web.kept import BucketAway
from web.pictures import free_bytes
from web.refusals import Refused
from web.store import Folder

if TYPE_CHECKING:
    from web.bucket import Bucket

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.25
RIGHTS_SECONDS = 1.0
POSTER_SECONDS = 10.0
HEALTH_KEPT_SECONDS = 5
REFUSED, REFUSED_SECONDS = "An encoder was refused: {}", 60
SWEEP_SECONDS = 60.0
DISK_SECONDS = 10.0
ARCHIVE_SECONDS, BUCKET_SECONDS = 5.0, 2.0
SCARCE = "Only {:.1f} GB of the disk are free, so nothing more is recorded. The live picture goes on."
ENDED_SECONDS = 60.0
AWAY = "The site's database is away. Try again in a moment."
FINISHING = "The broadcast before is being finished. Try again in a moment."


class _Open:
    """A video with its broadcast, and what the database knows of it."""

    def __init__(self, video: Incoming, broadcast: Broadcast, store: Folder) -> None:
        self.video = video
        self.broadcast = broadcast
        self.store = store
        self.written: str | None = None
        self.is_ending = False


class Desk:
    """`replaces`: a second encoder with the same key takes the place of the first (ingest.broadcast). `reserve_bytes`:
    with less room on the disk nothing is recorded. `ladder`: heights of the smaller renditions that are made.
    `bucket`: recordings are moved there.
    """

    def __init__(
        self,
        *,
        media: Path,
        end_after_seconds: float,
        replaces: bool,
        reserve_bytes: int = 0,
        ladder: Sequence[int] = (),
        bucket: Bucket | None = None,
    ) -> None:
        self._media = media
        self._ladder = ladder
        self._bucket = bucket
        self._archive = None if bucket is None else Archive(media, bucket)
        self._reserve_bytes = reserve_bytes
        self._scarce = ""
        self._replaces = replaces
        self._end_after_seconds = end_after_seconds
        self._open: dict[UUID, _Open] = {}
        self._ended: dict[str, float] = {}
        self._tasks = BackgroundTasks("ingest")

    async def start(self) -> None:
        """Take up what an ingest that has ended left open, and begin to look."""
        await self._look_at_disk()
        for video in await backend_threads.run(incoming.left_open):
            # Else it is another ingest's, on another machine; or an encoder's that writes the playlist itself.
            mark = incoming.INGESTED if video.status == Video.Status.ENDED else ""
            if (self._media / str(video.video_id) / mark).exists():
                self._add(video, again=True, recorded=await self._recorded(video.video_id))
        self._tasks.repeat(self._write_states, LOOK_SECONDS, name="states")
        self._tasks.repeat(self._look_at_rights, RIGHTS_SECONDS, name="rights")
        self._tasks.repeat(self._publish_health, RIGHTS_SECONDS, name="health")
        self._tasks.repeat(self._look_at_disk, DISK_SECONDS, name="disk")
        self._tasks.repeat(self._make_downloads, RIGHTS_SECONDS, name="downloads")
        self._tasks.repeat(self._take_posters, POSTER_SECONDS, name="posters")
        self._tasks.repeat(self._move_recordings, ARCHIVE_SECONDS, name="archive")

    async def aclose(self) -> None:
        """Stop looking. The encoders have been cut: another ingest may take them up within the minute."""
        for entry in self._open.values():
            await entry.broadcast.wait_closed()
        if self._archive is not None:
            self._archive.close()
        await self._tasks.aclose()

    async def admit(self, publish: Publish) -> EncoderSink:
        """Let an encoder send, by its key. Raises RefusedStream."""
        publish = replace(publish, key=key_behind(publish.key))
        try:
            publish = replace(publish, key=await self._key_of(publish.key))
            return await self._admit(publish)
        except RefusedStream as refused:
            logger.warning("encoder from %s refused: %s", publish.address, refused)
            await self.note(publish.key, REFUSED.format(refused))
            raise

    async def _key_of(self, name: str) -> str:
        """Return the key that is meant, by itself or by a name for once. Raises RefusedStream."""
        return await self._found(keys.key_behind, name)

    async def find_key(self, stream_id: str) -> str:
        """Return the key that an encoder must know which calls itself so. Raises RefusedStream."""
        return await self._found(keys.key_named, stream_id)

    @staticmethod
    async def _found(find: Callable[[str], str], name: str) -> str:
        try:
            return await backend_threads.run(find, name)
        except Refused as refused:
            raise RefusedStream(refused.detail) from refused
        except StoreUnavailable as error:
            raise RefusedStream(AWAY) from error

    async def note(self, name: str, words: str) -> None:
        """Say in the studio of who is named, by key or stream id, why no picture was taken. Redis may be away."""
        try:
            if (viewer := await backend_threads.run(keys.named_by, name)) is not None:
                await shared_redis().set(refusal_key(viewer.id), words, ex=REFUSED_SECONDS)
        except (StoreUnavailable, RedisError, OSError) as error:
            logger.debug("a refusal is not published: %s", error)

    async def _admit(self, publish: Publish) -> EncoderSink:
        try:
            comes_back = self._has_ended(publish.key)
            video = await backend_threads.run(
                incoming.find, publish.key, video_id=publish.video_id, comes_back=comes_back
            )
        except Refused as refused:
            raise RefusedStream(refused.detail) from refused
        except StoreUnavailable as error:
            raise RefusedStream(AWAY) from error
        entry = self._open.get(video.video_id)
        if entry is not None and entry.is_ending:
            raise RefusedStream(FINISHING)
        recorded = None if entry is not None else await self._recorded(video.video_id)
        try:
            entry = self._open.get(video.video_id) or self._add(video, recorded=recorded)
        except OSError as error:
            logger.error("video %s: no folder for its picture: %s", video.video_id, error)
            raise RefusedStream(f"The site cannot keep the picture: {error.strerror}.") from error
        sink = await entry.broadcast.attach(publish)
        logger.info("video %s: picture from %s", video.video_id, publish.address)
        return sink

    def _has_ended(self, key: str) -> bool:
        """Whether the encoder with this key comes back by itself, not knowing that its broadcast was ended."""
        now = time.monotonic()
        self._ended = {one: at for one, at in self._ended.items() if now - at < ENDED_SECONDS}
        if key in self._ended:
            self._ended[key] = now
        return key in self._ended

    async def _recorded(self, video_id: UUID) -> bytes | None:
        """Return the list of a recording that is in the bucket: a broadcast may go on after its end."""
        if self._archive is None:
            return None
        try:
            async with asyncio.timeout(BUCKET_SECONDS):
                return await asyncio.to_thread(self._archive.list_of, str(video_id))
        except (BucketAway, TimeoutError) as away:
            logger.warning("video %s: nobody knows whether there is a recording to go on with: %s", video_id, away)
            return None

    def _add(self, video: Incoming, *, again: bool = False, recorded: bytes | None = None) -> _Open:
        store = Folder(self._media / str(video.video_id))
        if recorded is not None and store.read(RECORDING) is None:
            store.write(REPLAY, recorded)
        # What was live before an ingest ended is recorded, also where the list of the recording was behind.
        packager = Renditions(
            store,
            heights=self._ladder,
            recording=again and video.is_recorded and video.status != Video.Status.UPCOMING,
            report=lambda words: broadcast.fails(words),
        )
        broadcast = Broadcast(
            f"video {video.video_id}",
            packager,
            end_after_seconds=self._end_after_seconds,
            replaces=self._replaces,
            again=again,
        )
        entry = self._open[video.video_id] = _Open(video, broadcast, store)
        self._spare(entry)
        return entry

    # What is done again and again

    async def _write_states(self) -> None:
        for entry in list(self._open.values()):
            entry.broadcast.look()
            state = entry.broadcast.state
            if state is PictureState.OVER:
                self._begin_end(entry, stays_live=not entry.broadcast.had_picture)
            elif state.value != entry.written and await self._wrote(entry, state.value):
                entry.written = state.value

    async def _wrote(self, entry: _Open, state: str) -> bool:
        """Write a state down; return whether that is done: the database may be away."""
        try:
            await backend_threads.run(broadcasts.set_picture, entry.video.video_id, entry.video.owner, state)
        except Refused:
            self._begin_end(entry)  # the video was deleted, or is somebody else's
        except StoreUnavailable:
            return False
        return True

    async def _look_at_rights(self) -> None:
        """Cut who may send no more, record what is live, and finish the videos that have ended."""
        keys = {id: entry.broadcast.key for id, entry in self._open.items()}
        if not keys:
            return
        try:
            standings = await backend_threads.run(incoming.standings, keys)
        except StoreUnavailable:
            return
        for id, standing in standings.items():
            if (entry := self._open.get(id)) is None:
                continue
            if standing.refusal:
                entry.broadcast.cut(standing.refusal)
            if standing.picture != entry.written:
                entry.written = None  # the video ended and is live again: it is written anew
            if standing.status == Video.Status.ENDED:
                self._begin_end(entry, stays_live=True)
            elif standing.status == Video.Status.LIVE and entry.video.is_recorded:
                entry.broadcast.record()

    async def _look_at_disk(self) -> None:
        """Stop all recordings while there is room for the live pictures."""
        free = await asyncio.to_thread(free_bytes, self._media)
        self._scarce = SCARCE.format(free / 1e9) if free < self._reserve_bytes else ""
        for entry in self._open.values():
            self._spare(entry)

    def _spare(self, entry: _Open) -> None:
        if self._scarce and entry.video.is_recorded:
            entry.broadcast.stop_recording(self._scarce)

    async def _make_downloads(self) -> None:
        """Make the recordings that somebody wants as one file, one after the other."""
        redis = shared_redis()
        try:
            for found in await redis.smembers(incoming.downloads_key()):
                id = found.decode() if isinstance(found, bytes) else found
                folder = self._media / str(UUID(id))
                if not folder.exists():
                    continue  # it is another ingest's
                kept = self._bucket.folder(id) if self._bucket is not None else None
                made = await make_download(folder, kept, playlist=incoming.REPLAY_PLAYLIST, name=incoming.DOWNLOAD)
                await redis.srem(incoming.downloads_key(), id)
                logger.info("video %s: download %s", folder.name, "made" if made else "not made")
        except (RedisError, OSError, BucketAway) as error:
            logger.debug("no downloads are made: %s", error)

    async def _move_recordings(self) -> None:
        if self._archive is None:
            return
        there = await asyncio.to_thread(self._archive.look, {str(id) for id in self._open})
        for id, entry in self._open.items():
            entry.broadcast.let_go(there.get(str(id), frozenset()))

    def _begin_end(self, entry: _Open, *, stays_live: bool = False) -> None:
        if not entry.is_ending:
            entry.is_ending = True
            self._tasks.spawn(self._end(entry, stays_live=stays_live), name=f"end {entry.video.video_id}")

    async def _end(self, entry: _Open, *, stays_live: bool) -> None:
        """Finish it. `stays_live`: a video that is live waits for its next picture."""
        if key := entry.broadcast.key:
            self._ended[key] = time.monotonic()
        await entry.broadcast.end()
        has_recording = entry.store.read(incoming.REPLAY_PLAYLIST) is not None
        entry.store.delete(incoming.DOWNLOAD)  # of a broadcast that went on after its end
        finish = partial(incoming.finish, entry.video, has_recording=has_recording, stays_live=stays_live)
        while True:
            try:
                await backend_threads.run(finish)
                break
            except Refused:
                break  # deleted meanwhile
            except StoreUnavailable:
                await asyncio.sleep(RIGHTS_SECONDS)
        self._open.pop(entry.video.video_id, None)
        self._tasks.spawn(_sweep_later(entry.broadcast), name="sweep")
        logger.info("video %s: over, %s a recording", entry.video.video_id, "with" if has_recording else "without")

    async def _publish_health(self) -> None:
        """Say how each picture is doing, for the studio. Redis may be away: then it shows nothing."""
        pipe = shared_redis().pipeline(transaction=False)
        for id, entry in self._open.items():
            pipe.set(health_key(id), orjson.dumps(entry.broadcast.health()), ex=HEALTH_KEPT_SECONDS)
        try:
            await pipe.execute()
        except (RedisError, OSError) as error:
            logger.debug("health is not published: %s", error)

    async def _take_posters(self) -> None:
        for entry in list(self._open.values()):
            if entry.broadcast.state is PictureState.LIVE:
                await take_poster(entry.store)


async def _sweep_later(broadcast: Broadcast) -> None:
    await asyncio.sleep(SWEEP_SECONDS)
    broadcast.sweep()
