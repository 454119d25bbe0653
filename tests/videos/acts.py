"""Random acts on a video, through the real interactions, and what was published of them."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import orjson
import pytest
from django.contrib.auth.models import Permission

from accounts import portraits
from accounts.guests import create_guest
from accounts.models import Viewer
from moderation import acts as roles
from realtime.events import Durable, Event
from realtime.log.threads import backend_threads
from videos import broadcasts, channel_emoji, likes, moderation, purges
from videos.models import Comment, LikeKind, Video
from web.refusals import Refused


def allow(who: Viewer, *codenames: str) -> None:
    """Give somebody permissions of the apps."""
    found = Permission.objects.filter(content_type__app_label__in=("accounts", "videos"), codename__in=codenames)
    assert len(found) == len(codenames)
    who.user_permissions.add(*found)


def as_account(viewer: Viewer) -> Viewer:
    """Make a guest an account, for what only accounts have."""
    Viewer.objects.filter(pk=viewer.pk).update(is_guest=False)
    viewer.is_guest = False
    return viewer


class Stage:
    """A video with its people. `events` is what the backend published of the video, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.events: list[Event] = []
        self.told: list[Event] = []  # its moderators
        monkeypatch.setattr("realtime.dispatch.publisher.publisher.publish", self._take)
        self.owner = create_guest("Broadcaster")
        self.owner.is_broadcaster = True
        self.owner.save()
        self.viewers = [create_guest(f"Viewer {number}") for number in range(5)]
        self.video = broadcasts.create_video(self.owner, title="A video")

    def _take(self, events: Sequence[Event]) -> None:
        for event in events:
            (self.told if event.topic.startswith("moderation:") else self.events).append(event)

    def newest(self) -> tuple[str, dict[str, Any]]:
        event = self.events[-1]
        assert isinstance(event, Durable)
        return event.name, orjson.loads(event.body)

    async def act(self, chance: random.Random) -> None:
        """Do one thing, as chance will have it; one that is refused changes nothing."""
        acts: list[Callable[[random.Random], Awaitable[None]]] = [
            *[self._comment] * 8,
            *[self._like] * 5,
            self._edit,
            self._edit,
            self._delete,
            self._delete,
            self._pin,
            self._pin,
            self._unpin,
            self._restore,
            self._purge,
            self._role,
            self._picture,
            self._emoji,
            self._change,
            self._start,
        ]
        with contextlib.suppress(Refused):
            await chance.choice(acts)(chance)

    async def end(self) -> None:
        await backend_threads.run(broadcasts.end_video, self.video.id, self.owner)

    async def _comment(self, chance: random.Random) -> None:
        reply_to = await self._some_comment(chance) if chance.random() < 0.3 else None
        author = chance.choice([self.owner, *self.viewers])
        await likes.comment(
            self.video.id, author, f"{chance.random()} <b>ü🎉\u202e", reply_to=reply_to.id if reply_to else None
        )

    async def _like(self, chance: random.Random) -> None:
        viewer = chance.choice(self.viewers)
        if chance.random() < 0.3:
            await likes.unlike(self.video.id, viewer)
        else:
            await likes.like(self.video.id, viewer, chance.choice(LikeKind.values))

    async def _edit(self, chance: random.Random) -> None:
        if found := await self._some_comment(chance):
            author = next(each for each in (self.owner, *self.viewers) if each.id == found.author_id)
            await likes.edit_comment(self.video.id, author, found.id, f"Rather {chance.randrange(3)}")

    async def _delete(self, chance: random.Random) -> None:
        await self._moderate(chance, moderation.delete_comment)

    async def _pin(self, chance: random.Random) -> None:
        await self._moderate(chance, moderation.pin_comment)

    async def _unpin(self, chance: random.Random) -> None:
        await self._moderate(chance, moderation.unpin_comment)

    async def _restore(self, chance: random.Random) -> None:
        await self._moderate(chance, purges.restore_comment)

    async def _purge(self, chance: random.Random) -> None:
        """Delete all of one person, seldom: else little is left to look at."""
        if chance.random() < 0.2:
            await backend_threads.run(
                purges.delete_comments_of, self.owner.id, chance.choice(self.viewers).id, self.owner
            )

    async def _role(self, chance: random.Random) -> None:
        viewer = chance.choice(self.viewers)
        if chance.random() < 0.5:
            kind = chance.choice(["moderator", "helper"])
            await backend_threads.run(as_account, viewer)
            await backend_threads.run(roles.give_role, self.owner.id, viewer.id, self.owner, kind)
        else:
            await backend_threads.run(roles.take_role, self.owner.id, viewer.id, self.owner)

    async def _picture(self, chance: random.Random) -> None:
        viewer = chance.choice([self.owner, *self.viewers])
        if chance.random() < 0.6:
            await backend_threads.run(portraits.keep, viewer, b"a picture")
        else:
            await backend_threads.run(portraits.remove, viewer)

    async def _emoji(self, chance: random.Random) -> None:
        code = chance.choice(["wave", "smile", "cat_2"])
        if chance.random() < 0.6:
            await backend_threads.run(channel_emoji.keep, self.owner.id, self.owner, code, b"a picture")
        else:
            await backend_threads.run(channel_emoji.delete, self.owner.id, self.owner, code)

    async def _moderate(self, chance: random.Random, act: Callable[[Any, Any, Viewer], object]) -> None:
        if found := await self._some_comment(chance):
            await backend_threads.run(act, self.video.id, found.id, self.owner)

    async def _change(self, chance: random.Random) -> None:
        title = f"Title {chance.randrange(5)}"
        await backend_threads.run(
            broadcasts.update_video, self.video.id, self.owner, title=title, comments_enabled=chance.random() < 0.8
        )

    async def _start(self, chance: random.Random) -> None:
        await backend_threads.run(broadcasts.start_video, self.video.id, self.owner)

    async def _some_comment(self, chance: random.Random) -> Comment | None:
        def choose() -> Comment | None:
            found = list(Comment.objects.filter(video=self.video).order_by("-seq")[:60])
            return chance.choice(found) if found else None

        return await backend_threads.run(choose)

    def refreshed(self) -> Video:
        return Video.objects.select_related("owner").get(id=self.video.id)
