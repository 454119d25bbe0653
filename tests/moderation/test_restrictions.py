"""Who is kept out, of what, and for how long."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from accounts.models import Viewer
from moderation.models import Restriction
from realtime.log.threads import backend_threads
from tests.videos.acts import Stage
from videos import commands, held, likes, typists
from web.refusals import Forbidden

run = backend_threads.run


async def restrict(stage: Stage, viewer: Viewer, kind: str, **given: Any) -> Restriction:
    """Restrict somebody in the channel of the stage's broadcaster, unless another one is given."""
    given = {"channel": stage.owner, **given}
    if kind == "time_out":
        given = {"until": timezone.now() + timedelta(minutes=5), **given}
    made: Restriction = await run(Restriction.objects.create, viewer=viewer, kind=kind, **given)
    return made


Doing = Callable[[Stage, Viewer], Awaitable[object]]
ACTS: dict[str, Doing] = {
    "comment": lambda stage, who: likes.comment(stage.video.id, who, "hello"),
    "like": lambda stage, who: likes.like(stage.video.id, who, "like"),
    "react": lambda stage, who: commands.react(who, stage.video.id, "heart", 1),
    "typing": lambda stage, who: typists.type_at_video(stage.video.id, who, is_typing=True),
}


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize(("kind", "code"), [("ban", "banned"), ("time_out", "timed_out")])
@pytest.mark.parametrize("of_site", [False, True], ids=["channel", "site"])
async def test_no_act_passes(stage: Stage, act: str, kind: str, code: str, of_site: bool) -> None:
    await restrict(stage, stage.viewers[0], kind, **({"channel": None} if of_site else {}), reason="spam")
    with pytest.raises(Forbidden, match="spam") as refused:
        await ACTS[act](stage, stage.viewers[0])
    assert refused.value.code == code
    await ACTS[act](stage, stage.viewers[1])


async def test_it_ends_by_itself_or_when_somebody_lifts_it(stage: Stage) -> None:
    over = timezone.now() - timedelta(seconds=1)
    await restrict(stage, stage.viewers[0], "time_out", until=over)
    await restrict(stage, stage.viewers[1], "ban", lifted_at=over)
    for viewer in stage.viewers[:2]:
        await likes.comment(stage.video.id, viewer, "back")


async def test_other_channels_know_nothing_of_it(stage: Stage) -> None:
    await restrict(stage, stage.viewers[0], "ban", channel=stage.viewers[1])
    await likes.comment(stage.video.id, stage.viewers[0], "hello")


async def test_a_like_can_be_taken_back(stage: Stage) -> None:
    await likes.like(stage.video.id, stage.viewers[0], "like")
    await restrict(stage, stage.viewers[0], "ban")
    assert (await likes.unlike(stage.video.id, stage.viewers[0]))["total"] == 0


async def test_nobody_sees_the_taps_and_the_typing_under_a_shadow(stage: Stage) -> None:
    await restrict(stage, stage.viewers[0], "shadow")
    before = len(stage.events)
    for act in ("react", "typing"):
        await ACTS[act](stage, stage.viewers[0])
    assert len(stage.events) == before


@pytest.mark.parametrize(
    ("lasts", "text"), [({"seconds": 40}, "seconds"), ({"minutes": 14}, "14 minutes"), ({"days": 13}, "13 days")]
)
async def test_a_time_out_says_how_long(stage: Stage, lasts: dict[str, int], text: str) -> None:
    await restrict(stage, stage.viewers[0], "time_out", until=timezone.now() + timedelta(**lasts))
    with pytest.raises(Forbidden, match=text):
        await likes.comment(stage.video.id, stage.viewers[0], "hello")


async def test_a_comment_under_a_shadow_waits_and_its_author_sees_it_written(stage: Stage) -> None:
    await restrict(stage, stage.viewers[0], "shadow")
    before = len(stage.events)
    made = await likes.comment(stage.video.id, stage.viewers[0], "nobody hears", client_id="1")
    again = await likes.comment(stage.video.id, stage.viewers[0], "nobody hears", client_id="1")
    assert (made["body"], made["id"]) == ("nobody hears", again["id"])
    assert len(stage.events) == before
    [waiting] = await run(held.waiting_at, stage.video.id, stage.owner, 10)
    assert (waiting["id"], waiting["reason"]) == (made["id"], "shadow")
    approved = (await run(held.approve, stage.video.id, UUID(waiting["id"]), stage.owner)).data
    assert approved["body"] == "nobody hears"
