"""A player in a frame of another site, and a moderator's dock, in a real browser: they show everything and count as
nobody."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from playwright.async_api import expect

from tests.e2e.conftest import Broadcaster, OpenWindow
from tests.sites import Site


@contextlib.asynccontextmanager
async def other_site(body: str, *, origin: str = "http://localhost:0") -> AsyncIterator[str]:
    """Have a page of a site that is not ours; return its address. Port 0: any that is free."""
    # With an icon of its own: else the browser asks for one.
    text = f'<!doctype html><link rel="icon" href="data:,">{body}'.encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(text)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head + text)
        await writer.drain()
        writer.close()

    parts = urlsplit(origin)
    async with await asyncio.start_server(serve, "127.0.0.1", parts.port) as server:
        yield f"http://{parts.hostname}:{server.sockets[0].getsockname()[1]}/"


async def test_player_in_a_frame_of_another_site_is_live_and_counts_as_nobody(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    video_id = broadcaster.new_video(title="In a frame")
    page = f"{site.urls[0]}/videos/{video_id}/"
    viewer = await open_window(page)
    await viewer.is_live()
    async with other_site(f'<iframe src="{page}?as=embed" width="560" height="315"></iframe>') as url:
        host = await open_window(url)
        frame = host.page.frame_locator("iframe")
        await frame.locator("#line-state[data-state=live]").wait_for(state="attached")
        await expect(frame.locator("h1")).to_have_text("In a frame")
        await expect(frame.locator("#viewers")).to_have_text("1")
        await expect(frame.locator("#comments")).to_be_hidden()
        await expect(frame.get_by_role("link", name="Watch on the site")).to_be_visible()
        await expect(viewer.page.locator("#viewers")).to_have_text("1")
        assert await host.page.context.cookies() == []
        assert host.problems == []


async def test_dock_shows_the_comments_alone_and_counts_as_nobody(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    video_id = broadcaster.new_video(title="In a dock")
    url = f"{site.urls[1]}/videos/{video_id}/?as=dock"
    dock = await open_window(url, size=(380, 700))
    await dock.is_live()
    broadcaster.comment(video_id, "Seen in the dock")
    await dock.sees_comment("Seen in the dock")
    await expect(dock.page.get_by_text("Seen in the dock").first).to_be_visible()
    answer = broadcaster.call("GET", f"/videos/{video_id}/viewers")
    assert (answer["count"], answer["peak"], answer["unique"]) == (0, 0, 0)
    await dock.join("Mona")
    await expect(dock.page.get_by_role("tab", name="Comments")).to_be_visible()
    await expect(dock.page.locator("#tab-messages")).to_be_hidden()
    await expect(dock.page.locator("[data-do=message]").first).to_be_hidden()
    for size in ((380, 700), (900, 480)):
        await dock.looks_right(size)
        await expect(dock.page.locator("#player")).to_be_hidden()
        await expect(dock.page.get_by_text("Seen in the dock").first).to_be_visible()
    assert dock.problems == []
