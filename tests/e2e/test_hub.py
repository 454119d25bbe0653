"""One connection for all tabs of a browser, seen from the node that holds it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.async_api import expect

from tests.conftest import watched
from tests.e2e.conftest import Broadcaster, OpenWindow, Window, make_broadcaster
from tests.sites import Site, SiteFactory, wait_for

WITHOUT_WORKERS = "delete globalThis.SharedWorker;"
# What an event stream brings can be given to it, too.
STREAM = """
    globalThis.EventSource = class extends EventSource {
        constructor(...given) { super(...given); globalThis.stream = this; }
    };
"""
BURST = 500
# Comments of a hundred a second, all at once, by many; the last by the broadcaster, who is always shown.
FLOOD = """([last, length, text]) => {
    const topic = `video:${location.pathname.split("/")[2]}`;
    for (let n = 1; n <= length; n += 1) {
        const [seq, at_ms] = [last.seq + n, last.at_ms + 10 * n];
        const guest = { ...last.author, id: `guest ${n % 50}`, name: `Guest ${n % 50}`, role: null };
        const told = n < length ? { author: guest, body: `Loud ${seq}` } : { author: last.author, body: text };
        const comment = { ...last, ...told, id: crypto.randomUUID(), client_id: null, seq, at_ms };
        stream.dispatchEvent(new MessageEvent("comment", { data: JSON.stringify({ topic, seq, at_ms, comment }) }));
    }
}"""


@pytest.fixture(scope="module")
def own_site(site_factory: SiteFactory) -> Iterator[Site]:
    with watched(site_factory.start(nodes=1)) as running:
        yield running


@pytest.fixture
def quiet(own_site: Site) -> Site:
    """A site of one node, where nobody else is connected."""
    wait_for(lambda: connections(own_site) == 0, "the viewers of the test before to have left")
    return own_site


@pytest.fixture(scope="module")
def host(own_site: Site) -> Broadcaster:
    return make_broadcaster(own_site)


async def work_of(window: Window) -> dict[str, float]:
    """Return how often the page was laid out and styled, and how many elements it has."""
    session = await window.page.context.new_cdp_session(window.page)
    await session.send("Performance.enable")
    metrics = (await session.send("Performance.getMetrics"))["metrics"]
    await session.detach()
    found = {each["name"]: each["value"] for each in metrics}
    elements = await window.page.evaluate("document.querySelectorAll('*').length")
    return {"layouts": found["LayoutCount"], "styles": found["RecalcStyleCount"], "elements": elements}


def connections(site: Site) -> int:
    """Return how many streams the node holds."""
    text = httpx.get(f"{site.urls[0]}/metrics").text
    return sum(map(int, re.findall(r"^live_connections\S* (\d+)", text, re.MULTILINE)))


async def tab_beside(window: Window, url: str) -> Window:
    """Open another tab of the same browser."""
    tab = Window(await window.page.context.new_page())
    await tab.page.goto(url)
    await tab.is_live()
    return tab


async def test_tabs_share_one_connection_and_outlive_the_one_that_opened_it(
    quiet: Site, host: Broadcaster, open_window: OpenWindow
) -> None:
    videos = [host.new_video(title=title) for title in ("One", "Two")]
    urls = [f"{quiet.urls[0]}/videos/{video}/" for video in videos]
    first = await open_window(urls[0])
    await first.is_live()
    same, other = await tab_beside(first, urls[0]), await tab_beside(first, urls[1])

    host.comment(videos[0], "For two tabs")
    host.comment(videos[1], "For the third")
    for tab in (first, same):
        await tab.sees_comment("For two tabs")
    await other.sees_comment("For the third")
    assert connections(quiet) == 1
    await expect(first.page.locator("html")).to_have_attribute("data-hub", "shared")

    await first.page.close()
    host.comment(videos[0], "Without the first")
    host.comment(videos[1], "Still there")
    await same.sees_comment("Without the first")
    await other.sees_comment("Still there")
    assert connections(quiet) == 1

    await same.page.close()
    await other.page.close()
    wait_for(lambda: connections(quiet) == 0, "the last tab to take the connection with it")
    assert same.problems == other.problems == []


async def test_a_tab_that_dies_without_a_word_is_given_up(
    quiet: Site, host: Broadcaster, open_window: OpenWindow
) -> None:
    videos = [host.new_video(title=title) for title in ("Crashes", "Stays")]
    first = await open_window(f"{quiet.urls[0]}/videos/{videos[0]}/")
    await first.is_live()
    other = await tab_beside(first, f"{quiet.urls[0]}/videos/{videos[1]}/")

    def watching(video: str) -> int:
        return int(host.call("GET", f"/videos/{video}")["viewers"]["count"])

    wait_for(lambda: [watching(video) for video in videos] == [1, 1], "a viewer for each")

    # Perhaps with the worker, which lives in the process of one of the two. A crash is never answered.
    devtools = await first.page.context.new_cdp_session(first.page)
    async with asyncio.TaskGroup() as tasks:
        crash = tasks.create_task(devtools.send("Page.crash"))
        await first.page.wait_for_event("crash")
        crash.cancel()

    wait_for(lambda: [watching(video) for video in videos] == [0, 1], "the dead tab not to count")
    host.comment(videos[1], "Life goes on")
    await other.sees_comment("Life goes on")


async def test_without_shared_workers_each_tab_has_a_connection(
    quiet: Site, host: Broadcaster, open_window: OpenWindow
) -> None:
    """Chrome on Android has none."""
    video = host.new_video(title="On a phone")
    url = f"{quiet.urls[0]}/videos/{video}/"
    first = await open_window("about:blank")
    await first.page.context.add_init_script(WITHOUT_WORKERS + STREAM)
    await first.page.goto(url)
    await first.is_live()
    second = await tab_beside(first, url)

    comment = host.comment(video, "Heard all the same")

    for tab in (first, second):
        await tab.sees_comment("Heard all the same")
        await expect(tab.page.locator("html")).to_have_attribute("data-hub", "page")
        assert tab.problems == []
    assert connections(quiet) == 2
    await of_a_flood_a_page_keeps_and_draws_little(first, comment)


async def of_a_flood_a_page_keeps_and_draws_little(window: Window, last: dict[str, Any]) -> None:
    """Of 3,000 comments, as many are drawn after the third thousand as after the first, in few layouts."""
    found = []
    for number in range(3_000 // BURST):
        text = f"Burst {number}"
        await window.page.evaluate(FLOOD, [last, BURST, text])
        await window.sees_comment(text)
        last = {**last, "seq": last["seq"] + BURST, "at_ms": last["at_ms"] + 10 * BURST}
        found.append(await work_of(window))
    early, late = found[1], found[-1]
    assert await window.page.locator(".comment").count() < 250
    assert late["elements"] < 1.2 * early["elements"]
    bundles = len(found) - 2
    assert late["layouts"] - early["layouts"] <= 10 * bundles, found
    assert late["styles"] - early["styles"] <= 20 * bundles, found
    assert window.problems == []


async def test_a_worker_that_cannot_be_loaded_is_done_without(
    quiet: Site, host: Broadcaster, open_window: OpenWindow
) -> None:
    video = host.new_video(title="An old browser")
    window = await open_window("about:blank")
    # As a browser that knows no modules in workers.
    await window.page.context.add_init_script(
        "const Real = SharedWorker;"
        "globalThis.SharedWorker = class extends Real { constructor() { super('/nowhere.js'); } };"
    )
    await window.page.goto(f"{quiet.urls[0]}/videos/{video}/")
    await window.is_live()

    host.comment(video, "Heard all the same")

    await window.sees_comment("Heard all the same")
    await expect(window.page.locator("html")).to_have_attribute("data-hub", "page")


async def test_whoever_joins_or_likes_in_one_tab_has_done_so_in_all(
    quiet: Site, host: Broadcaster, open_window: OpenWindow
) -> None:
    video = host.new_video(title="Twice the same person")
    url = f"{quiet.urls[0]}/videos/{video}/"
    first = await open_window(url)
    await first.is_live()
    second = await tab_beside(first, url)

    await first.join("Ada")
    await expect(second.page.get_by_placeholder("Write a comment")).to_be_visible()
    await second.page.get_by_role("button", name="Like", exact=True).click()
    await expect(first.page.locator("#like")).to_have_attribute("aria-pressed", "true")

    # And takes it back in the other.
    await first.page.get_by_role("button", name="Like", exact=True).click()
    await expect(second.page.locator("#like")).to_have_attribute("aria-pressed", "false")
    await expect(second.page.locator("#likes")).to_have_text("0")
    assert connections(quiet) == 1
    assert first.problems == second.problems == []


@asynccontextmanager
async def holding_back(site: Site) -> AsyncIterator[str]:
    """A proxy that passes an answer on when it is complete, as some antivirus programs do, and knows no WebSocket.

    It lets the pages wait for less time. Yields its URL.
    """
    node = urlsplit(site.urls[0])

    async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"\r\nupgrade: websocket" in head.lower():
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        head = re.sub(rb"(?i)\r\n(connection|accept-encoding): [^\r]*", b"", head)
        size = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        body = await reader.readexactly(int(size[1])) if size else b""
        upper, lower = await asyncio.open_connection(node.hostname, node.port)
        try:
            lower.write(head[:-2] + b"Connection: close\r\n\r\n" + body)
            async with asyncio.TaskGroup() as tasks:
                whole = tasks.create_task(upper.read())
                left = tasks.create_task(reader.read())
                await asyncio.wait((whole, left), return_when=asyncio.FIRST_COMPLETED)
                if whole.done():
                    answer = whole.result().replace(b"POLL_SECONDS = 4", b"POLL_SECONDS = 1")
                    writer.write(answer.replace(b"STREAM_HELLO_MS = 8_000", b"STREAM_HELLO_MS =   700"))
                whole.cancel()
                left.cancel()
        finally:
            lower.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await exchange(reader, writer)
        except* (OSError, asyncio.IncompleteReadError):
            pass  # one of the two has gone
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_page_whose_event_streams_are_held_back_polls(
    quiet: Site, host: Broadcaster, open_window: OpenWindow
) -> None:
    """Behind a proxy that waits for the end of an answer the page read "Connection lost" for ever."""
    video = host.new_video(title="Behind an antivirus")
    async with holding_back(quiet) as url:
        window = await open_window("about:blank")
        await window.page.context.add_init_script(
            "globalThis.said = [];"
            "new MutationObserver(() => { const line = document.querySelector('#line-state');"
            " if (line) said.push(line.dataset.state); }).observe(document, { subtree: true, attributes: true });"
        )
        await window.page.goto(f"{url}/videos/{video}/")
        await window.is_live()

        host.comment(video, "Comes through")
        host.call("PUT", f"/videos/{video}/like", {"kind": "like"})
        await window.sees_comment("Comes through")
        await expect(window.page.locator("#likes")).to_have_text("1")
        host.comment(video, "And goes on")
        await window.sees_comment("And goes on")

        assert not {"lost", "refused"} & set(await window.page.evaluate("said"))
        assert await window.page.evaluate("sessionStorage.transport") == "2"
        await window.page.close()
