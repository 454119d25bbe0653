"""Who may watch, over real sockets: of another origin, a private video, with rights that end meanwhile, with a ticket.

Rows 45, 53, 56, 57, 68 and 79 of the list of bad inputs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest

from realtime.edge import tickets
from realtime.identity import ANONYMOUS, Identity
from tests import raw
from tests.realtime.edge.clients import FOREIGN, ban, closing_code, private_video, stream, ticket_of
from tests.rooms import Person, Room
from tests.sites import Site
from tests.watching import WebSocketWatcher, watching


@pytest.mark.parametrize("origin", FOREIGN)
async def test_page_of_another_origin_watches_for_itself_only(lobby: Room, origin: str) -> None:
    """Row 44: never on behalf of the cookie that the browser adds."""
    sent: list[tuple[str, str | bytes]] = [("Origin", origin.replace("HOST", urlsplit(lobby.site.urls[0]).netloc))]
    async with stream(lobby, headers=[*sent, ("Cookie", "sessionid=x")]) as viewer:
        assert "access-control-allow-origin" not in viewer.headers
        assert await viewer.error() == (403, "foreign_origin")
    async with stream(lobby, headers=sent) as viewer:
        assert viewer.status == 200
        assert viewer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in viewer.headers


async def test_private_video_streams_to_its_broadcaster_and_is_missing_for_others(lobby: Room) -> None:
    """Rows 21, 45: to the byte as one that there is not."""
    secret = await private_video(lobby)
    answers = []
    for video_id in (secret, str(uuid4())):
        for headers in ([], [("Authorization", f"Bearer {lobby.people[-1].token}")], [("Cookie", 'sessionid="; x')]):
            async with stream(lobby, f"topic=video:{video_id}", headers=headers) as viewer:
                answers.append((viewer.status, viewer.headers, await viewer.body()))
    assert all(answer == answers[0] for answer in answers)
    assert raw.Answer(*answers[0]).error == (404, "not_found")
    owner = [("Authorization", f"Bearer {lobby.people[0].token}")]
    async with stream(lobby, f"topic=video:{secret}", headers=owner) as viewer:
        snapshot = (await viewer.named("hello"))["topics"][f"video:{secret}"]["snapshot"]
        assert snapshot["video"]["title"] == "Secret plans"
    async with stream(lobby, f"topic={lobby.topic}&topic=video:{secret}") as viewer:
        assert await viewer.error() == (404, "not_found"), "not a part of what was asked for"


@pytest.mark.parametrize("header", ["Bearer x", "Basic YTpi", "Bearer", "Bearer " + "A" * 3_000])
async def test_credentials_that_are_none_for_a_private_video(lobby: Room, header: str) -> None:
    """Row 45."""
    secret = await private_video(lobby)
    async with stream(lobby, f"topic=video:{secret}", headers=[("Authorization", header)]) as viewer:
        assert await viewer.error() == (401, "unauthenticated")


async def test_video_that_ends_or_becomes_private_in_mid_stream(here: Room) -> None:
    """Row 53."""
    async with stream(here) as viewer, stream(here, node=1) as other:
        for one in (viewer, other):
            await one.named("hello")
        await here.call("POST", f"/videos/{here.video_id}/end", person=here.people[0])
        for one in (viewer, other):
            assert (await one.named("video"))["video"]["status"] == "ended"
        await here.call("PATCH", f"/videos/{here.video_id}", {"visibility": "private"}, person=here.people[0])
        for one in (viewer, other):
            assert (await one.named("bye"))["reason"] == "private"
            await one.ended()
    async with stream(here) as again:
        assert await again.error() == (404, "not_found")


def sign_out(here: Room, person: Person) -> None:
    """As django.contrib.auth.logout does: the session is gone, for all tabs."""
    with psycopg.connect(here.site.database_url) as connection:
        connection.execute("DELETE FROM django_session WHERE session_key = %s", [person.session])


def change_password(here: Room, person: Person) -> None:
    with psycopg.connect(here.site.database_url) as connection:
        connection.execute("UPDATE accounts_viewer SET password = %s WHERE id = %s", [f"!{uuid4()}", person.id])


@pytest.mark.parametrize("lose_rights", [ban, sign_out, change_password])
async def test_who_loses_the_rights_in_mid_stream_is_sent_away(
    here: Room, lose_rights: Callable[[Room, Person], None]
) -> None:
    """Rows 45, 68."""
    owner = here.people[0]
    secret = f"topic=video:{await private_video(here)}"
    cookie = [("Cookie", f"sessionid={owner.session}")]
    socket = WebSocketWatcher(here.site.urls[1], here.topic, headers={"Cookie": f"sessionid={owner.session}"})
    async with stream(here, secret, headers=cookie) as viewer, stream(here) as stranger, watching(socket):
        await viewer.named("hello")
        await stranger.named("hello")
        await socket.send({"op": "like", "video": here.video_id, "ref": 1})
        await socket.sees_likes(1)
        lose_rights(here, owner)
        assert (await viewer.named("bye"))["reason"] == "signed_out"
        await viewer.ended()
        await socket.is_closed()
        assert socket.close_code == 4401
        await here.like(person=here.people[-1])
        assert (await stranger.named("likes"))["total"] >= 1, "who has no rights to lose stays"
    async with stream(here, secret, headers=cookie) as again:
        assert await again.error() in ((404, "not_found"), (401, "unauthenticated"))


def forget(here: Room) -> None:
    """Delete the video as videos.removal does at last: its topic goes in the same transaction."""
    with psycopg.connect(here.site.database_url) as connection:
        # A node that is just writing down who has watched waits, and then finds no topic.
        connection.execute("SELECT 1 FROM realtime_topic WHERE name = %s FOR UPDATE", [here.topic])
        for table in ("comment", "like", "likecount"):
            connection.execute(f"DELETE FROM videos_{table} WHERE video_id = %s", [here.video_id])
        connection.execute("DELETE FROM videos_video WHERE id = %s", [here.video_id])
        for table in ("loggedevent", "seenviewer", "audience"):
            connection.execute(f"DELETE FROM realtime_{table} WHERE topic_id = %s", [here.topic])
        connection.execute("DELETE FROM realtime_topic WHERE name = %s", [here.topic])


async def test_deleted_video_says_goodbye_once(here: Room) -> None:
    """Rows 53, 79."""
    owner = [("Authorization", f"Bearer {here.people[0].token}")]
    async with (
        stream(here) as viewer,
        stream(here, headers=owner) as broadcaster,
        watching(WebSocketWatcher(here.site.urls[1], here.topic)) as (socket_viewer,),
    ):
        for one in (viewer, broadcaster):
            await one.named("hello")
        forget(here)
        for one in (viewer, broadcaster):
            await one.named("bye")
            await one.ended()
        await socket_viewer.is_closed()
        assert socket_viewer.names.count("bye") == 1
        assert socket_viewer.close_code == 4404
    async with stream(here) as again:
        assert await again.error() == (404, "not_found")


# Tickets


def old_ticket(monkeypatch: pytest.MonkeyPatch, seconds: int, topics: list[str], identity: Identity = ANONYMOUS) -> str:
    now = time.time()
    with monkeypatch.context() as then:
        then.setattr("django.core.signing.time.time", lambda: now - seconds)
        return tickets.issue(topics, identity)


async def test_tickets_that_are_none(lobby: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 57, for both transports: 401, close code 4401."""
    good = await ticket_of(lobby, lobby.topic)
    for ticket in (
        "x",
        "%00",
        "a:b:c",
        good[:-1],
        good[1:],
        good.swapcase(),
        "A" * 9_000,
        old_ticket(monkeypatch, tickets.EXPIRES_SECONDS + 5, [lobby.topic]),
    ):
        query = f"topic={lobby.topic}&ticket={ticket}"
        async with stream(lobby, query) as viewer:
            assert await viewer.error() == (401, "bad_ticket"), ticket
        assert await closing_code(lobby, f"/ws?{query}") == 4401, ticket


@pytest.mark.parametrize("seconds", [64, 600])
async def test_browser_comes_back_with_the_ticket_in_its_address(
    here: Room, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    """An EventSource comes back with the address that it was given. Cut after 64 s it got 401, and never came again."""
    broadcaster = here.people[0]
    topic = f"video:{await private_video(here)}"
    identity = tickets.read(await ticket_of(here, topic)).identity
    query = f"topic={topic}&ticket={old_ticket(monkeypatch, seconds, [topic], identity)}"
    await here.call("POST", f"/videos/{topic.partition(':')[2]}/comments", {"body": "missed"}, person=broadcaster)
    position = await here.position(1, topic=topic)
    async with stream(here, query, headers=[("Last-Event-ID", position)]) as viewer:
        assert (await viewer.named("hello"))["topics"][topic]["snapshot"] is None
        await viewer.named("comment")


async def test_ticket_opens_nothing_for_who_has_lost_their_rights(here: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is good for hours: a browser that is cut comes back every two seconds, and would read on in between."""
    topic = f"video:{await private_video(here)}"
    identity = tickets.read(await ticket_of(here, topic)).identity
    query = f"topic={topic}&ticket={old_ticket(monkeypatch, 64, [topic], identity)}"
    async with stream(here, query) as viewer:
        await viewer.named("hello")
        ban(here, here.people[0])
        assert (await viewer.named("bye"))["reason"] == "signed_out"
    async with stream(here, query) as viewer:
        assert await viewer.error() == (401, "bad_ticket")
    assert await closing_code(here, f"/ws?{query}") == 4401


async def test_caller_says_how_long_a_ticket_is_good(lobby: Room) -> None:
    async def ask(expires_in: object) -> Any:
        return await lobby.call("POST", "/tickets", {"topics": [lobby.topic], "expires_in": expires_in})

    for seconds in (tickets.EXPIRES_MIN_SECONDS, tickets.EXPIRES_MAX_SECONDS):
        assert (await ask(seconds)).raise_for_status().json()["expires_in"] == seconds
    for nonsense in (tickets.EXPIRES_MIN_SECONDS - 1, tickets.EXPIRES_MAX_SECONDS + 1, "60", None, 60.5, True):
        assert (await ask(nonsense)).status_code == 422, nonsense


async def test_ticket_opens_the_topics_that_it_names_and_no_other(lobby: Room) -> None:
    """Row 57."""
    secret, other = await private_video(lobby), await private_video(lobby)
    ticket = await ticket_of(lobby, f"video:{secret}")
    async with stream(lobby, f"topic=video:{secret}&ticket={ticket}") as viewer:
        await viewer.named("hello")
    guests = await ticket_of(lobby, lobby.topic, person=-1)
    for query in (f"topic=video:{other}&ticket={guests}", f"topic=video:{secret}&ticket={guests}"):
        async with stream(lobby, query) as viewer:
            assert await viewer.error() == (404, "not_found")
        assert await closing_code(lobby, f"/ws?{query}") == 4404


def test_no_request_of_this_file_left_a_traceback(site: Site) -> None:
    assert "SECRET_KEY" in os.environ  # the tickets of this file are signed with the site's own
    for name in ("node-1", "node-2"):
        assert "Traceback" not in site.log(name)
