"""What a watch page shows everybody, read and drawn once for all who come: `Shown`. Called by videos.views.

Each page asks the database whether the topic has moved on since, together with what is its viewer's own. So what
somebody has done is on their next page, on every node. Numbers may be `SHARED_SECONDS` old; the stream brings those of
now. What is not for everybody is kept for nobody.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.utils.safestring import SafeString, mark_safe

from accounts.models import Viewer
from accounts.pages import SHARED_SECONDS
from realtime.log.epoch import epoch
from realtime.log.threads import backend_threads
from videos.reading import read_seq
from videos.thumbnails import picture_urls
from videos.topics import own_state, page_state
from web.refusals import NotFound
from web.script_json import script_json
from web.shared import Shared


@dataclass(slots=True)
class Shown:
    """A video at one moment. `state` is that of nobody in particular (`page_state`).

    `read_at`: monotonic. `drawn`: what is drawn of it already, by what it is (videos.templatetags.once).
    """

    state: dict[str, Any]
    poster: str
    read_at: float
    drawn: dict[Any, SafeString] = field(default_factory=dict)

    def is_current(self) -> bool:
        return time.monotonic() < self.read_at + SHARED_SECONDS


_kept: Shared[UUID, Shown] = Shared()


async def shown_to(viewer: Viewer | None, video_id: UUID) -> tuple[Shown, dict[str, Any]]:
    """Return the video, and the first state of its page for this viewer. Raises NotFound, StoreUnavailable."""
    asked_at = time.monotonic()
    while True:
        try:
            shown = await _current(video_id)
        except NotFound:
            return await _read(video_id, viewer)
        is_newest, own = await backend_threads.run(_own, shown.state, viewer)
        # In a flood the topic always moves on: what was read since this page was asked for is new enough.
        if is_newest or shown.read_at >= asked_at:
            return shown, {**shown.state, **own}
        _kept.drop(video_id, shown)


async def _current(video_id: UUID) -> Shown:
    """Return the video as it is shown to everybody. Raises NotFound, StoreUnavailable."""
    shown, is_first = await _kept.find(video_id)
    if shown is not None:
        return shown
    made = None
    try:
        made, _ = await _read(video_id, None)
    finally:
        if is_first:
            _kept.made(video_id, made)
    return made


async def _read(video_id: UUID, viewer: Viewer | None) -> tuple[Shown, dict[str, Any]]:
    read_at = time.monotonic()
    state = await page_state(video_id, viewer)
    video = state["snapshot"]["video"]
    posters = await asyncio.to_thread(picture_urls, [video])
    return Shown(state, posters.get(video["id"], ""), read_at), state


def _own(state: Mapping[str, Any], viewer: Viewer | None) -> tuple[bool, dict[str, Any]]:
    """Return whether the state is that of the video now, and what of it is the viewer's own."""
    video = state["snapshot"]["video"]
    is_newest = (epoch(), read_seq(state["topic"])) == (state["epoch"], state["seq"])
    return is_newest, own_state(UUID(video["id"]), UUID(video["broadcaster"]["id"]), viewer)


def island(shown: Shown, state: Mapping[str, Any]) -> SafeString:
    """Return the state as JSON for a page's scripts. What everybody reads of it is written once."""
    snapshot = shown.drawn.get("snapshot")
    if snapshot is None:
        snapshot = shown.drawn["snapshot"] = script_json(shown.state["snapshot"])
    own = script_json({key: value for key, value in state.items() if key != "snapshot"})
    return mark_safe(f'<script id="state" type="application/json">{{"snapshot":{snapshot},{own[1:]}</script>')
