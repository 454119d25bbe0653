"""What a page asks of the database: as many queries for many rows as for one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from django.db import connection
from django.db.models.sql.compiler import SQLCompiler
from django.template import Context, Node, TemplateSyntaxError, engines
from django.template.defaulttags import IfNode
from django.templatetags.i18n import TranslateNode
from django.templatetags.static import StaticNode
from django.test import AsyncClient

from realtime.log.threads import DatabaseThreads, backend_threads
from tests.kit import HANG_SECONDS
from tests.videos.acts import Stage
from videos import broadcasts, likes
from videos.cards import list_cards
from videos.topics import page_state
from web.shared import Shared


async def test_the_first_state_of_a_watch_page_takes_few_queries(stage: Stage) -> None:
    """Its video, how it stands, comments with their authors, pinned ones, emoji; a viewer's like, blocks, role."""
    for number in range(5):
        await likes.comment(stage.video.id, stage.viewers[0], f"Comment {number}")
    assert await queries_of(page_state(stage.video.id, None)) == 5
    viewer = stage.viewers[0]
    await backend_threads.run(viewer.get_all_permissions)  # read with the viewer, before the page's state
    assert await queries_of(page_state(stage.video.id, viewer)) == 8


async def test_who_is_signed_in_has_only_their_own_read_and_drawn(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each had the whole video read and drawn: 14 queries, and 16 ms of the node's processor."""
    monkeypatch.setattr("videos.shown.SHARED_SECONDS", HANG_SECONDS)
    for viewer in stage.viewers[:3]:
        await likes.comment(stage.video.id, viewer, f"A comment of {viewer.name}")
    client, path = AsyncClient(), f"/videos/{stage.video.id}/"
    await client.get(path)
    drawn = Counter[type[Node]]()
    monkeypatch.setattr(IfNode, "render", counting(IfNode, drawn))
    texts = []

    def noted(text: str, emoji: object) -> str:
        texts.append(text)
        return text

    monkeypatch.setattr("videos.templatetags.comments.linked", noted)
    await client.aforce_login(stage.viewers[0])
    # Session, viewer; position of the topic, like, blocks, role.
    assert await queries_of(client.get(path)) == 6
    assert texts == [f"A comment of {stage.viewers[0].name}"]
    first = drawn.total()
    await client.aforce_login(stage.viewers[4])
    assert await queries_of(client.get(path)) == 6
    assert len(texts) == 1
    assert drawn.total() - first < 40


async def test_home_takes_as_many_queries_for_many_videos_as_for_one(stage: Stage) -> None:
    """A list a status, and how all stand; it was three times that."""
    await backend_threads.run(broadcasts.create_video, stage.owner, title="Another")
    assert await queries_of(list_cards(24)) == 4


async def test_home_is_read_and_drawn_once_for_all_who_have_signed_in(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each had all cards read and drawn: 20 ms of the node's processor. Who broadcasts sees at once what they begin."""
    monkeypatch.setattr("videos.front.SHARED_SECONDS", HANG_SECONDS)
    monkeypatch.setattr("videos.front.kept_front", Shared())
    client = AsyncClient()
    await client.aforce_login(stage.viewers[0])
    page = (await client.get("/")).content.decode()
    assert f'data-video="{stage.video.id}"' in page
    drawn = Counter[type[Node]]()
    monkeypatch.setattr(IfNode, "render", counting(IfNode, drawn))
    await client.aforce_login(stage.viewers[1])
    # Session, viewer; channels that they follow. Nothing is live that friends could watch.
    assert await queries_of(client.get("/")) == 3
    assert drawn.total() < 60
    new = await backend_threads.run(broadcasts.create_video, stage.owner, title="Another")
    assert f'data-video="{new.id}"' not in (await client.get("/")).content.decode()
    await client.aforce_login(stage.owner)
    assert f'data-video="{new.id}"' in (await client.get("/")).content.decode()


async def test_django_makes_no_query_for_what_everybody_comes_to_see(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each query that it made of models took 2 ms of the node's processor, a watch page five of them."""
    await likes.comment(stage.video.id, stage.viewers[0], "A comment")
    make, made = SQLCompiler.execute_sql, []

    def counted(self: SQLCompiler, *args: Any, **kwargs: Any) -> Any:
        made.append(str(self.query))
        return make(self, *args, **kwargs)

    monkeypatch.setattr(SQLCompiler, "execute_sql", counted)
    viewer = stage.viewers[0]
    await backend_threads.run(viewer.get_all_permissions)  # read with the viewer, before the page's state
    made.clear()
    await page_state(stage.video.id, None)
    await page_state(stage.video.id, viewer)
    await list_cards(24)
    listed = await AsyncClient().get(f"/api/v1/videos/{stage.video.id}/comments")
    assert [item["body"] for item in listed.json()["items"]] == ["A comment"]
    assert made == []


async def test_a_page_draws_once_what_is_the_same_for_everybody(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A watch page looked up 30 addresses of files and 130 texts, each time the same: a third of its drawing."""
    drawn: Counter[type[Node]] = Counter()
    monkeypatch.setattr(StaticNode, "render", counting(StaticNode, drawn))
    monkeypatch.setattr(TranslateNode, "render", counting(TranslateNode, drawn))
    pages = []
    for _ in range(2):
        drawn.clear()
        pages.append((await AsyncClient().get(f"/videos/{stage.video.id}/")).content)
    assert drawn[StaticNode] <= 2
    assert drawn[TranslateNode] <= 50
    [first, second] = (re.sub(rb'value="[^"]+"|data-now-ms="\d+"', b"", page) for page in pages)
    assert first == second


@pytest.mark.parametrize("part", ["{{ viewer.name }}", "{% if viewer %}Hello{% endif %}"])
def test_what_is_drawn_once_has_nothing_of_a_request(part: str) -> None:
    with pytest.raises(TemplateSyntaxError):
        engines["django"].from_string(f"{{% load once %}}{{% once %}}<p>{part}</p>{{% endonce %}}")


def counting(kind: type[Node], drawn: Counter[type[Node]]) -> Callable[[Node, Context], str]:
    render = kind.render

    def counted(node: Node, context: Context) -> str:
        drawn[kind] += 1
        return render(node, context)

    return counted


async def queries_of(work: Awaitable[object]) -> int:
    """Return how many queries of rows the work asks: not what begins a transaction, nor the epoch, read each second."""

    def switch() -> list[dict[str, str]]:
        found = list(connection.queries_log)
        connection.queries_log.clear()
        connection.force_debug_cursor = not connection.force_debug_cursor
        return found

    counted = DatabaseThreads(1, answer_seconds=30.0, name="counted")
    with pytest.MonkeyPatch.context() as patch:
        for module in (
            "videos.topics",
            "videos.cards",
            "videos.shown",
            "videos.friends",
            "following.pages",
            "accounts.pages",
        ):
            patch.setattr(f"{module}.backend_threads", counted)
        await counted.run(switch)
        await work
        log = await counted.run(switch)
    return sum(query["sql"].lstrip().startswith("SELECT") and "drawnepoch" not in query["sql"] for query in log)
