"""Bursts of taps: published to those who watch, and counted for the timeline. No tap is stored."""

from __future__ import annotations

from realtime.dispatch.publisher import publisher
from realtime.events import Burst, TopicName, now_ms
from videos.models import Video
from videos.timeline import reaction_tally
from web.refusals import Invalid, NotFound

REACTION_KINDS = ("heart", "clap", "fire", "laugh", "wow")

REACTION_MAX = 50


def check_reaction(kind: str, count: int) -> None:
    """Raises Invalid."""
    if kind not in REACTION_KINDS:
        raise Invalid(f"kind must be one of {', '.join(REACTION_KINDS)}")
    if not 1 <= count <= REACTION_MAX:
        raise Invalid(f"count must be from 1 to {REACTION_MAX}")


def react(video: Video, kind: str, count: int) -> None:
    """Publish a burst of taps, and count it. On an event loop. Raises NotFound (it has ended), Invalid."""
    check_reaction(kind, count)
    if video.status == Video.Status.ENDED:
        raise NotFound("This broadcast has ended.", code="video_ended")
    at_ms = now_ms()
    publisher.publish([Burst(TopicName(video.topic), {kind: count}, at_ms)])
    reaction_tally.add(video.id, kind, count, at_ms=at_ms)
