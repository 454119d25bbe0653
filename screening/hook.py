"""Automatic moderation by a program of yours: a callable that LIVE_SCREENING names.

Called by videos.likes before a comment is stored, outside every transaction. The callable gets the text and the ids of
author and video, in a database thread, and returns a Verdict, or None to let the comment be. It has a second: what is
late or fails changes nothing, and is logged.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import cache
from uuid import UUID

from django.conf import settings
from django.utils.module_loading import import_string

from realtime.log.threads import backend_threads
from screening.rules import ALLOWED, Verdict

logger = logging.getLogger(__name__)

WAIT_SECONDS = 1.0

Hook = Callable[[str, UUID, UUID], Verdict | None]


@cache
def _hook(name: str) -> Hook:
    found: Hook = import_string(name)
    return found


async def ask(body: str, *, author_id: UUID, video_id: UUID) -> Verdict:
    """Return what the site's own program says of a comment."""
    if not settings.LIVE_SCREENING:
        return ALLOWED
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            return await backend_threads.run(_hook(settings.LIVE_SCREENING), body, author_id, video_id) or ALLOWED
    except Exception as error:
        logger.warning("LIVE_SCREENING: a comment was not looked at: %s: %s", type(error).__name__, error)
        return ALLOWED
