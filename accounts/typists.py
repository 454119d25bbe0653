"""Who is typing, wherever people write: checked and published. Nothing is stored.

Hop: called by the apps, each for its topics, and by the WebSocket command `typing`; realtime.dispatch.publisher takes
it from here. It is a signal: delivered at most once, and worth nothing after `EXPIRES_MS`. So a person who closes the
browser in the middle of a word stops typing then.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from accounts.commands import command, id_of, text_of
from accounts.models import Viewer
from accounts.representation import person
from accounts.tokens import Claim
from realtime.dispatch.publisher import publisher
from realtime.events import Signal, TopicName, now_ms
from realtime.log.threads import backend_threads
from web.refusals import Refused

TYPING_SECONDS = 2.0


@dataclass(slots=True)
class TypingLimit:
    """At most one "typing" per typist and topic in `TYPING_SECONDS`, and one "stopped" after it.

    The rest is dropped silently, because the next one comes in a moment. The least recently used typists are forgotten.
    """

    clock: Callable[[], float] = time.monotonic
    typists_max: int = 100_000
    _typists: OrderedDict[tuple[str, str], tuple[float, float]] = field(default_factory=OrderedDict)

    def passes(self, typist: str, topic: str, *, is_typing: bool) -> bool:
        key, now = (typist, topic), self.clock()
        typed_at, stopped_at = self._typists.pop(key, (float("-inf"), float("-inf")))
        if is_typing:
            passes = now - typed_at >= TYPING_SECONDS
        else:
            # Also without a "typing" before it, which may have gone through another node.
            passes = typed_at > stopped_at or now - stopped_at >= TYPING_SECONDS
        if passes:
            typed_at, stopped_at = (now, stopped_at) if is_typing else (typed_at, now)
        self._typists[key] = (typed_at, stopped_at)
        if len(self._typists) > self.typists_max:
            self._typists.popitem(last=False)
        return passes

    def forget(self, typist: str, topic: str) -> None:
        self._typists.pop((typist, topic), None)


TYPING = TypingLimit()

EXPIRES_MS = 6_000

PublishTyping = Callable[..., Awaitable[None]]
"""Called with the id in a topic's name, who types, and `is_typing`."""
places: dict[str, PublishTyping] = {}
"""Where people type, by the prefix of the topics. Apps add theirs in AppConfig.ready()."""


async def checked(
    topic: TopicName, who: Viewer | Claim, check: Callable[[], Viewer | None], *, is_typing: bool
) -> Viewer | None:
    """Return who types, if they may and it is time to publish it. An act that comes too soon costs no query."""
    typist = str(who.id)
    if settings.LIVE_LIMITS and not TYPING.passes(typist, topic, is_typing=is_typing):
        return None
    try:
        return await backend_threads.run(check)
    except Refused:
        TYPING.forget(typist, topic)  # so that the next one is refused too, and not dropped silently
        raise


def publish(topic: TopicName, typist: Viewer, *, is_typing: bool) -> None:
    data = {"viewer": person(typist), "is_typing": is_typing, "expires_ms": EXPIRES_MS}
    publisher.publish([Signal(topic, "typing", str(typist.id), data, now_ms() + EXPIRES_MS)])


async def _typing(who: Claim, message: dict[str, Any]) -> dict[str, Any]:
    prefix, _, id = text_of(message, "topic").partition(":")
    is_typing = message.get("is_typing", True)
    if prefix not in places or not isinstance(is_typing, bool):
        known = " or ".join(f'"{place}:<id>"' for place in sorted(places))
        raise Refused(f"Name the topic, {known}; is_typing is true or false.", code="invalid")
    await places[prefix](id_of(id, "There is no such topic."), who, is_typing=is_typing)
    return {}


typing = command(_typing)
