"""Going live from a page, from the WebSocket to the picture that viewers get: a real site with its ingest."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from ingest.encoder import ffmpeg
from tests.machines import needed
from tests.realtime.edge.clients import HANG_SECONDS, ban, end_of, ticket_of, websocket
from tests.rooms import Person, Room, is_told_of, open_room
from tests.sites import Site, SiteFactory, answers, free_port, wait_for
from tests.test_deploy import nginx_configuration
from tests.watching import SseWatcher, eventually, watching
from videos import sending
from videos.sending import BrowserRecording

H264 = "video/x-matroska;codecs=avc1,opus"
VP8 = "video/webm;codecs=vp8,opus"
CAMERA = (
    "-re", "-f", "lavfi", "-i", "testsrc2=s=160x90:r=10", "-re", "-f", "lavfi", "-i", "sine=r=48000",
    "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "10", "-threads", "1", "-c:a", "libopus",
    "-f", "matroska", "-live", "1", "-flush_packets", "1", "pipe:1",
)  # fmt: skip


@pytest.mark.parametrize(
    ("type", "expected"),
    [
        ("video/webm;codecs=h264,opus", BrowserRecording("webm", is_copied=True)),
        (H264, BrowserRecording("webm", is_copied=True)),
        (VP8, BrowserRecording("webm", is_copied=False)),
        ("video/webm", BrowserRecording("webm", is_copied=False)),
        ('video/mp4;codecs="avc1.42E01E, opus"', BrowserRecording("mp4", is_copied=True)),
        ("VIDEO/MP4; codecs=vp9,opus", BrowserRecording("mp4", is_copied=False)),
        ("video/mp4;codecs=av01.0.04M.08", BrowserRecording("mp4", is_copied=True)),
    ],
)
def test_what_browsers_record_is_known(type: str, expected: BrowserRecording) -> None:
    assert BrowserRecording.parse(type) == expected


@pytest.fixture(scope="module")
def taking(site_factory: SiteFactory) -> Iterator[Site]:
    """A site with an ingest."""
    site = site_factory.start(nodes=1, ingest=True, env={"LIVE_LIMITS": "off"})
    yield site
    site.close()


@pytest.fixture
async def room(taking: Site) -> AsyncIterator[Room]:
    async with open_room(taking) as found:
        yield found


def path(type: str = H264) -> str:
    return f"{sending.PATH}?type={quote(type)}"


@contextlib.asynccontextmanager
async def page(here: Room, person: Person | None = None, *, type: str = H264) -> AsyncIterator[ClientConnection]:
    """Open the socket for the broadcaster, as a browser with their session."""
    headers = {"Authorization": f"Bearer {(person or here.people[0]).token}"}
    async with websocket(here, path(type), additional_headers=headers, subprotocols=None) as opened:
        yield opened


async def event(opened: ClientConnection) -> tuple[str, dict[str, Any]]:
    async with asyncio.timeout(HANG_SECONDS):
        said = json.loads(await opened.recv())
    return said["event"], said["data"]


async def refusal(opened: ClientConnection) -> tuple[int, str, str]:
    """Return close code, code and detail of the end."""
    last: dict[str, Any] = {}
    while True:
        try:
            name, data = await event(opened)
        except ConnectionClosed as closed:
            assert closed.rcvd is not None
            return closed.rcvd.code, last.get("code", ""), last.get("detail", "")
        last = data if name == "refused" else last


@contextlib.asynccontextmanager
async def filming(opened: ClientConnection) -> AsyncIterator[None]:
    """Send a picture as a browser does: what it records, piece by piece."""

    async def pump(camera: asyncio.subprocess.Process) -> None:
        assert camera.stdout is not None
        with contextlib.suppress(ConnectionClosed):
            while piece := await camera.stdout.read(16_384):
                await opened.send(piece)

    assert await event(opened) == ("accepted", {"is_copied": True})
    camera = await asyncio.create_subprocess_exec(
        ffmpeg(), "-nostdin", "-loglevel", "error", *CAMERA, stdout=asyncio.subprocess.PIPE
    )
    pumping = asyncio.create_task(pump(camera))
    try:
        yield
    finally:
        camera.kill()
        await camera.wait()
        await pumping


def pictures(viewer: SseWatcher) -> list[str]:
    return [seen.data["video"]["picture"]["state"] for seen in viewer.named("video")]


def playlist(here: Room) -> str:
    found = here.site.folder / "media" / here.video_id / "live.m3u8"  # type: ignore[attr-defined]
    return found.read_text() if found.exists() else ""


async def test_a_picture_from_a_page_goes_live_and_goes_on_when_the_page_comes_back(room: Room) -> None:
    async with watching(SseWatcher(room.site.urls[0], room.topic)) as [viewer]:
        async with page(room) as opened, filming(opened):
            await viewer.wait_for(lambda: "live" in pictures(viewer), "the picture")
            name, data = await event(opened)
            assert (name, data["bytes"] > 0) == ("taken", True)
            await eventually(partial(is_told_of, room, ("avc1", "mp4a")), "the studio to know its codecs")
        await viewer.wait_for(lambda: pictures(viewer)[-1] == "stalled", "that it stops")
        async with page(room) as opened, filming(opened):
            await viewer.wait_for(lambda: pictures(viewer)[-1] == "live", "the picture again")
            wait_for(lambda: "#EXT-X-DISCONTINUITY\n" in playlist(room), "the second recording")
        assert viewer.problems == []


async def test_a_second_page_is_refused_while_the_first_sends(room: Room) -> None:
    async with page(room) as first, filming(first):
        await asyncio.to_thread(wait_for, lambda: "#EXTINF" in playlist(room), "the picture")
        async with page(room) as second, filming(second):
            code, _, detail = await refusal(second)
            assert (code, "Another encoder sends" in detail) == (sending.CUT, True)


async def test_a_broadcast_that_ends_ends_the_page_in_words(room: Room) -> None:
    async with page(room) as opened, filming(opened):
        await asyncio.to_thread(wait_for, lambda: "#EXTINF" in playlist(room), "the picture")
        (await room.call("POST", f"/videos/{room.video_id}/end", person=room.people[0])).raise_for_status()
        assert await refusal(opened) == (sending.CUT, "refused", "The broadcast has ended.")


async def test_who_signs_out_sends_no_more(room: Room) -> None:
    async with page(room) as opened, filming(opened):
        ban(room, room.people[0])
        code, _, _ = await refusal(opened)
        assert code in (4401, sending.CUT)  # the node or the ingest, who notices first


async def test_a_guest_may_not_send(room: Room) -> None:
    async with page(room, await room.join("Ada")) as opened:
        assert await refusal(opened) == (4403, "forbidden", "Only broadcasters can do this.")


async def test_nobody_in_particular_may_not_send(room: Room) -> None:
    async with websocket(room, path(), subprotocols=None) as opened:
        assert (await refusal(opened))[:2] == (4401, "unauthenticated")


async def test_pages_of_other_origins_need_a_ticket(room: Room) -> None:
    evil = {"origin": "http://evil.example", "subprotocols": None}
    with pytest.raises(InvalidStatus) as caught:
        async with websocket(room, path(), **evil):
            pass
    assert caught.value.response.status_code == 403
    ticket = await ticket_of(room, room.topic)
    async with websocket(room, f"{path()}&ticket={ticket}", **evil) as opened:
        assert (await event(opened))[0] == "accepted"


@pytest.mark.parametrize("type", ["", "video/avi", "text/html", "video/webm;codecs=<script>", "audio/webm"])
async def test_a_type_that_no_browser_records_is_refused(room: Room, type: str) -> None:
    async with page(room, type=type) as opened:
        assert (await refusal(opened))[:2] == (4422, "invalid")


@pytest.mark.parametrize(("message", "code"), [("text", 4400), (b"", 4400), (bytes(65_537), 1009)])
async def test_what_is_no_piece_of_a_recording_ends_it(room: Room, message: str | bytes, code: int) -> None:
    async with page(room) as opened:
        await opened.send(message)
        assert await end_of(opened) == code


async def test_garbage_ends_it_in_words(room: Room) -> None:
    async with page(room) as opened:
        with contextlib.suppress(ConnectionClosed):
            for _ in range(20):
                await opened.send(b"no recording at all " * 1_000)
        code, _, detail = await refusal(opened)
        assert (code, detail.startswith("The picture cannot be used")) == (sending.FAILED, True)


async def test_without_an_ingest_the_page_is_told(room: Room, taking: Site) -> None:
    assert taking.ingest is not None
    taking.ingest.stop()
    try:
        async with page(room) as opened:
            assert await refusal(opened) == (sending.DRAIN, "no_ingest", "The site's ingest does not run.")
    finally:
        taking.start_ingest()


@pytest.fixture
def proxy(taking: Site, checkout: Path, tmp_path: Path) -> Iterator[int]:
    """The port of an nginx before the site, with the settings of deploy/."""
    needed("nginx")
    port = free_port()
    changed = {"127.0.0.1:8000": urlsplit(taking.urls[0]).netloc, "listen 80 ": f"listen 127.0.0.1:{port} "}
    with subprocess.Popen(nginx_configuration(tmp_path / "nginx", checkout / "deploy", **changed)) as nginx:
        try:
            wait_for(lambda: answers(f"http://127.0.0.1:{port}/healthz"), "nginx")
            yield port
        finally:
            nginx.terminate()


async def test_nginx_passes_the_socket_on(room: Room, proxy: int) -> None:
    headers = {"Authorization": f"Bearer {room.people[0].token}"}
    async with connect(f"ws://127.0.0.1:{proxy}{path()}", additional_headers=headers, proxy=None) as opened:
        assert await event(opened) == ("accepted", {"is_copied": True})


async def test_a_plain_request_is_told_that_it_is_a_websocket(room: Room) -> None:
    assert (await room.client.get(f"{room.site.urls[0]}{sending.PATH}")).status_code == 426
