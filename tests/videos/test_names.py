"""Names at a video: what a guest writes never stands under a name that somebody else has there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial
from typing import Any

import psycopg
import pytest
from django.db import connection

from accounts import profiles
from accounts.guests import create_guest
from accounts.models import Viewer
from accounts.taken import check_at, namesakes, numbered
from moderation.models import Role
from realtime.log.threads import backend_threads
from realtime.log.writer import connection_parameters
from realtime.table.subscriptions import SharedTable
from tests.videos.acts import Stage
from videos.actors import Actor, Names
from videos.likes import comment
from videos.models import Comment
from videos.watching import is_one_at
from web.refusals import Conflict

run = backend_threads.run


async def written_by(stage: Stage, who: Viewer, body: str = "Hello") -> str:
    """Write a comment; return the name that stands beside it."""
    return str((await comment(stage.video.id, who, body))["author"]["name"])


@pytest.mark.parametrize("name", ["Broadcaster", "BR0ADCASTER", "broad caster"])
async def test_guest_with_the_broadcasters_name_gets_a_number(stage: Stage, name: str) -> None:
    """Whose comment was deleted was back in 0.09 s, and looked like the broadcaster."""
    guest = await run(create_guest, name)
    shown = numbered(name, guest.id)
    assert await written_by(stage, guest) == shown
    assert stage.newest()[1]["comment"]["author"]["name"] == shown
    assert (await run(Viewer.objects.get, id=guest.id)).name == shown
    assert await written_by(stage, guest, "again") == shown, "once is enough"
    assert await written_by(stage, stage.owner) == "Broadcaster"


async def test_who_wrote_first_keeps_the_name(stage: Stage) -> None:
    first, second, helper = [await run(create_guest, name) for name in ("Ada", "ADA.", "Bo")]
    await Role.objects.acreate(channel=stage.owner, viewer=helper, kind=Role.Kind.HELPER)
    names = [await written_by(stage, who) for who in (first, second, first, await run(create_guest, "B0"))]
    assert names[0] == names[2] == "Ada"
    assert names[1] == numbered("ADA.", second.id)
    assert names[3].startswith("B0 ")
    [(_, told)] = [(name, data) for name, data in durable(stage) if name == "author"][:1]
    assert told["author"] == {"id": str(second.id), "name": names[1], "role": None}


def durable(stage: Stage) -> list[tuple[str, dict[str, Any]]]:
    from tests.console import durable

    return durable(stage)


async def test_of_guests_who_write_at_once_one_keeps_the_name(stage: Stage) -> None:
    """They are in one batch of the group commit, or in two: either way under the lock of the topic."""
    guests = [await run(create_guest, name) for name in ("Ada", "ada", "ADA", "A d a")]
    names = await asyncio.gather(*(written_by(stage, guest) for guest in guests))
    assert sum(name in ("Ada", "ada", "ADA", "A d a") for name in names) == 1
    assert len(await run(lambda: {*Comment.objects.values_list("author__name_key", flat=True)})) == 4


SLOW_ROWS = """
CREATE FUNCTION wait_a_moment() RETURNS trigger AS $$ BEGIN PERFORM pg_sleep(0.3); RETURN NEW; END $$ LANGUAGE plpgsql;
CREATE TRIGGER slow BEFORE UPDATE ON accounts_viewer FOR EACH ROW EXECUTE FUNCTION wait_a_moment()
"""


@pytest.fixture
def slow_rows(stage: Stage) -> Iterator[None]:
    """Each row of a viewer that is written takes a moment, in which it is locked."""
    with connection.cursor() as cursor:
        cursor.execute(SLOW_ROWS)
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION wait_a_moment CASCADE")


async def test_two_batches_that_rename_the_same_guests_do_not_wait_for_each_other(
    stage: Stage, slow_rows: None
) -> None:
    """Each had locked one guest and waited for the other one: PostgreSQL ended one of them, with all its comments."""
    guests = [await run(create_guest, name) for name in ("Ada", "Bea")]

    def rename(order: list[Viewer]) -> None:
        names = Names()
        for who in order:
            actor = Actor(who.id, who.name, who.name_key, who.picture, who.password, True, False, False)
            names.settled(actor, stage.video.id, is_taken=True)
        with psycopg.connect(**connection_parameters()) as own:
            # As in a table with many viewers.
            own.execute("SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_seqscan = off")
            names.write(own.execute)

    await asyncio.gather(run(rename, guests), run(rename, guests[::-1]))
    found = await run(lambda: sorted(Viewer.objects.filter(id__in=[who.id for who in guests]).values_list("name")))
    assert found == sorted((numbered(who.name, who.id),) for who in guests)


async def test_account_that_takes_a_guests_name_has_it_from_the_next_comment(stage: Stage) -> None:
    guest, account = stage.viewers[0], await run(Viewer.objects.create_user, "vera")
    assert await written_by(stage, guest) == "Viewer 0"
    await run(profiles.rename, account, "Viewer O")
    assert await written_by(stage, guest, "more") == numbered("Viewer 0", guest.id)
    assert await written_by(stage, account) == "Viewer O"


async def test_guest_who_comes_in_gets_no_name_of_somebody_there(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    video, guest = stage.video.id, await run(create_guest, "Ada")
    asked = partial(is_one_at, video)
    present: set[int] = set()

    async def found(*_: object) -> set[int]:
        return present

    monkeypatch.setattr(SharedTable, "present", found)
    assert await asked([stage.owner.id])
    assert not await asked([guest.id])
    await check_at(video, "Ada", await run(namesakes, "Ada"))
    present.add(1)  # they watch
    with pytest.raises(Conflict):
        await check_at(video, "Ada", await run(namesakes, "ADA"))
    present.clear()
    await comment(video, guest, "Hello")
    assert await asked([guest.id])
