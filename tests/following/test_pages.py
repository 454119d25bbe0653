"""The pages and calls of channels on a real site."""

from __future__ import annotations

import json

import httpx
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.rooms import Room


async def get(room: Room, path: str, *, session: str = "") -> httpx.Response:
    cookies = {"Cookie": f"sessionid={session}"} if session else {}
    return await room.client.get(f"{room.site.urls[0]}{path}", headers=cookies)


async def test_a_channel_has_one_address_and_shows_public_videos_alone(lobby: Room) -> None:
    nadia = lobby.people[0]
    secret = await lobby.new_video("Not for everybody")
    await lobby.call("PATCH", f"/videos/{secret}", {"visibility": "unlisted"}, person=nadia)
    described = {"handle": f"n{nadia.id[-12:]}", "about": "Mornings <b>at</b> the lake"}
    channel = (await lobby.call("PATCH", f"/channels/{nadia.id}", described, person=nadia)).json()

    for name in (nadia.id, described["handle"].upper()):
        moved = await get(lobby, f"/channels/{name}/")
        assert (moved.status_code, moved.headers["Location"]) == (302, channel["path"])
    page = await get(lobby, channel["path"])
    assert page.status_code == 200
    assert "Mornings &lt;b&gt;at&lt;/b&gt; the lake" in page.text
    assert f"/videos/{lobby.video_id}/" in page.text and secret not in page.text
    feed = await get(lobby, f"{channel['path']}feed.xml")
    assert feed.headers["Content-Type"].startswith("application/rss+xml")
    assert lobby.video_id in feed.text and secret not in feed.text


async def test_who_has_no_channel_looks_like_nobody(lobby: Room) -> None:
    viewer = lobby.people[1]
    for path in (f"/channels/{viewer.id}/", "/channels/nobody-at-all/", f"/channels/{viewer.id}/feed.xml"):
        assert (await get(lobby, path)).status_code == 404, path
    assert (await lobby.call("GET", f"/channels/{viewer.id}")).json()["code"] == "not_found"


async def test_home_shows_the_channels_that_one_follows(lobby: Room) -> None:
    nadia, fan = lobby.people[0], await lobby.join("Fan")
    assert "Channels you follow" not in (await get(lobby, "/", session=fan.session)).text
    await lobby.call("PUT", f"/channels/{nadia.id}/follow", {}, person=fan)
    home = (await get(lobby, "/", session=fan.session)).text
    assert "Channels you follow" in home
    assert f'class="followed-channel" href="/videos/{lobby.video_id}/"' in home
    assert "Channels you follow" not in (await get(lobby, "/")).text


async def test_search_finds_what_was_made_a_moment_ago(lobby: Room) -> None:
    id = await lobby.new_video("Zwölf Boxkämpfer")
    assert f"/videos/{id}/" in (await get(lobby, "/search/?q=zwolf+box")).text
    found = (await lobby.call("GET", "/search?q=boxkampfer")).json()
    assert [video["id"] for video in found["videos"]] == [id]
    assert "Nothing found" in (await get(lobby, "/search/?q=%3Cscript%3E+zwolfe")).text
    assert (await lobby.call("GET", "/search")).json() == {"channels": [], "videos": []}


async def test_channels_are_followed_on_a_websocket_as_over_rest(lobby: Room) -> None:
    nadia, fan = lobby.people[0], await lobby.join("Fan of sockets")
    url = f"{lobby.site.urls[0].replace('http', 'ws')}/ws?topic={lobby.topic}"
    headers = {"Authorization": f"Bearer {fan.token}"}
    with connect(url, subprotocols=[Subprotocol("live.v1.json")], additional_headers=headers) as socket:

        def send(**message: object) -> dict[str, object]:
            socket.send(json.dumps(message))
            while not {"ack", "error"} & (answer := json.loads(socket.recv())).keys():
                pass
            found: dict[str, object] = answer
            return found

        assert send(op="follow", ref=1, channel=nadia.id, alerts=True) == {"ack": 1, "alerts": True}
        assert send(op="follow", ref=2, channel=fan.id)["error"] == {
            "code": "not_found",
            "detail": "There is no such channel.",
        }
        following = (await lobby.call("GET", f"/channels/{nadia.id}", person=fan)).json()["following"]
        assert following == {"alerts": True}
        assert send(op="unfollow", ref=3, channel=nadia.id) == {"ack": 3}
        assert send(op="unfollow", ref=4, channel="x")["error"]["code"] == "invalid"  # type: ignore[index]
