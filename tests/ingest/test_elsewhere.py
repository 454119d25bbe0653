"""A picture that comes in on one machine and is watched on others, without a folder that they share."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.buckets import s3_server, settings_of
from tests.ingest.test_ingest import Encode, downloaded, encode, key_of, plays, replay, segments  # noqa: F401
from tests.kit import HANG_SECONDS
from tests.rooms import Room, open_room
from tests.sites import Site, SiteFactory, free_port, wait_for
from tests.watching import SseWatcher, watching


@pytest.fixture(scope="module")
def broadcasting(site_factory: SiteFactory) -> Iterator[Site]:
    """Where the ingest is. Its recordings go to a bucket."""
    env = {"LIVE_LIMITS": "off", "LIVE_RTMP_PORT": str(free_port()), "LIVE_RTMP_HOST": "127.0.0.1"}
    with s3_server() as server:
        site = site_factory.start(nodes=1, env={**env, **settings_of(server.new_bucket())})
        site.start_ingest()
        yield site
        site.close()


@pytest.fixture(scope="module")
def far(site_factory: SiteFactory, broadcasting: Site) -> Iterator[Site]:
    """A region without an ingest, with a folder, a Redis and nodes of its own. They share the database."""
    env = {name: broadcasting.env[name] for name in broadcasting.env if name.startswith("LIVE_STORAGE_")}
    env["LIVE_MEDIA_STORAGE"] = broadcasting.env["LIVE_MEDIA_STORAGE"]
    env |= {"LIVE_LIMITS": "off", "LIVE_MEDIA_FROM": broadcasting.urls[0]}
    site = site_factory.start(nodes=1, env=env, database_url=broadcasting.database_url)
    yield site
    site.close()


async def until_there(client: httpx.AsyncClient, url: str) -> httpx.Response:
    async with asyncio.timeout(HANG_SECONDS):
        while (answer := await client.get(url)).status_code != 200:
            await asyncio.sleep(0.05)
        return answer


async def test_a_picture_is_watched_where_the_ingest_is_not(
    broadcasting: Site,
    far: Site,
    encode: Encode,  # noqa: F811
    tmp_path: Path,
) -> None:
    async with open_room(broadcasting) as room:
        encode(await key_of(room))
        live = f"{far.urls[0]}/media/{room.video_id}/live.m3u8"
        async with watching(SseWatcher(broadcasting.urls[0], room.topic)) as [viewer]:
            text = (await until_there(room.client, live)).text
            newest = [int(line.partition("-")[2].partition(".")[0]) for line in segments(text)][-1]
            await crowd_gets_the_next_part_once(room, live, newest)
            assert not (far.folder / "media" / room.video_id).exists()
            await room.call("POST", f"/videos/{room.video_id}/end", person=room.people[0])
            await viewer.wait_for(lambda: replay(viewer) != "", "the replay")
        here = broadcasting.folder / "media" / room.video_id
        wait_for(lambda: not (here / "replay.m3u8").exists(), "the recording in its bucket")
        assert not list(here.glob("*-init.mp4"))
        for site in (far, broadcasting):
            whole = await fetched(room.client, f"{site.urls[0]}{replay(viewer)}", tmp_path / site.folder.name)
            assert plays(whole) == ""
        assert (await downloaded(room))[4:8] == b"ftyp"
        (await room.call("DELETE", f"/videos/{room.video_id}/recording", person=room.people[0])).raise_for_status()
        gone = await room.client.get(f"{far.urls[0]}{replay(viewer)}")
        assert gone.status_code in (200, 404)  # a node may have read the list a moment ago
        async with asyncio.timeout(HANG_SECONDS):
            while (await room.client.get(f"{far.urls[0]}{replay(viewer)}")).status_code != 404:
                await asyncio.sleep(0.05)


async def crowd_gets_the_next_part_once(room: Room, live: str, newest: int) -> None:
    """Fifty players ask for the playlist with the next segment, and for the part that comes: each is fetched once."""
    asked = {"_HLS_msn": str(newest + 2)}
    before = await room.metric("live_http_requests_total", kind="media")
    answers = await asyncio.gather(*(room.client.get(live, params=asked) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert {f"-{newest + 2}.m4s" in answer.text for answer in answers} == {True}
    [hint] = {line.partition('URI="')[2].strip('"') for line in answers[0].text.splitlines() if "PRELOAD-HINT" in line}
    parts = await asyncio.gather(*(room.client.get(f"{live.rpartition('/')[0]}/{hint}") for _ in range(50)))
    assert {part.status_code for part in parts} == {200}
    assert len({part.content for part in parts}) == 1
    assert parts[0].headers["Cache-Control"] == "public, max-age=31536000, immutable"
    # Those who ask a little later may find that the playlist is no longer new.
    assert await room.metric("live_http_requests_total", kind="media") - before < 20


async def fetched(client: httpx.AsyncClient, url: str, folder: Path) -> Path:
    """Fetch a recording; return its list."""
    folder.mkdir()
    text = (await client.get(url)).raise_for_status().text
    names = {line for line in text.splitlines() if line and not line.startswith("#")}
    names |= {line.partition('URI="')[2].strip('"') for line in text.splitlines() if line.startswith("#EXT-X-MAP")}
    for name in names:
        answer = (await client.get(f"{url.rpartition('/')[0]}/{name}")).raise_for_status()
        (folder / name).write_bytes(answer.content)
    (folder / "replay.m3u8").write_text(text)
    return folder / "replay.m3u8"


async def test_rights_hold_where_the_ingest_is_not(broadcasting: Site, far: Site) -> None:
    """A node asks another one with a pass. A viewer has none, and one of another video opens nothing."""
    async with open_room(broadcasting) as room:
        folder = broadcasting.folder / "media" / room.video_id
        folder.mkdir(parents=True)
        (folder / "1790000000000-0.m4s").write_bytes(b"segment")
        path = f"/media/{room.video_id}/1790000000000-0.m4s"
        nadia = {"Cookie": f"sessionid={room.people[0].session}"}

        async def statuses(**headers: str) -> set[int]:
            return {(await room.client.get(f"{site.urls[0]}{path}", headers=headers)).status_code for site in both}

        both = (broadcasting, far)
        assert await statuses() == {200}
        change = {"visibility": "private"}
        (await room.call("PATCH", f"/videos/{room.video_id}", change, person=room.people[0])).raise_for_status()
        async with asyncio.timeout(HANG_SECONDS):
            while await statuses() != {404}:
                await asyncio.sleep(0.1)
        assert await statuses(**nadia) == {200}
        assert await statuses(**{"Live-Media": f"{room.video_id}:1uAbCd:forged"}) == {404}


async def test_a_machine_that_is_away_is_said(broadcasting: Site, site_factory: SiteFactory) -> None:
    env = {"LIVE_LIMITS": "off", "LIVE_MEDIA_FROM": f"http://127.0.0.1:{free_port()}"}
    lonely = site_factory.start(nodes=1, env=env, database_url=broadcasting.database_url)
    try:
        async with open_room(broadcasting) as room:
            answer = await room.client.get(f"{lonely.urls[0]}/media/{room.video_id}/live.m3u8")
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
            assert answer.headers["Retry-After"]
    finally:
        lonely.close()
