"""A page in a flood of comments: `./run benchmarks/flood.py --rate 100 --seconds 60`.

A site of its own with one node; guests write at the given rate over REST; Chromium watches as a desktop and as a phone,
its CPU slowed down, while somebody types, opens what can be done with a comment, and scrolls. Site, writers and browser
share the machine.

Measured by the browser itself (flood_page.js): INP (how late it answers, the worst of up to 50 interactions), CLS (what
moves by itself: the worst 5 seconds), the share of the time in tasks of over 50 ms, items and heap at the end; from a
trace (flood_trace.py) what the page's main thread does, and its long tasks without what other programs take from it.

`--minutes 30` measures what it keeps instead: heap, nodes and listeners after a collection, each half minute, and by
how much they grow a minute after the first two.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import os
import random
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import httpx
from playwright.async_api import Browser, CDPSession, Page, async_playwright
from playwright.async_api import TimeoutError as NotYet

from benchmarks import flood_trace
from benchmarks.ingest_client import Parser, durable_site, write_figures
from tests import servers
from tests.e2e.conftest import make_broadcaster
from tests.sites import Site

PAGE_SCRIPT = Path(__file__).with_name("flood_page.js")
DEVICES: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1280, "height": 800}},
    "phone": {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True},
}
GUESTS = 60
WINDOW_MORE_PX = 200
SENDERS = 16
ACT_EVERY_SECONDS = 1.0
SESSION_MS, GAP_MS = 5_000, 1_000
KEPT = ("JSHeapUsedSize", "Nodes", "JSEventListeners", "elements")
SAMPLE_SECONDS = 30.0
# What the page keeps is as much as it may be by then.
WARM_MINUTES = 2.0
WORDS = ["what", "a", "goal", "?", "I", "cannot", "believe", "it", "❤️", "where", "is", "that", "played", "Köln"]


class Writers:
    """Guests who comment, one after the other, at a rate that does not depend on how fast the answers come."""

    def __init__(self, site: Site, video_id: str, rate: float) -> None:
        self._url = f"{site.urls[0]}/api/v1"
        self._video_id = video_id
        self._rate = rate
        self.written = 0

    async def write(self) -> None:
        """Write until cancelled."""
        limits = httpx.Limits(max_connections=SENDERS, max_keepalive_connections=SENDERS)
        async with httpx.AsyncClient(verify=False, timeout=60, trust_env=False, limits=limits) as client:
            tokens = []
            for number in range(GUESTS):
                answer = await client.post(f"{self._url}/guests", json={"name": f"Guest {number}"})
                tokens.append(answer.raise_for_status().json()["token"])
                client.cookies.clear()
            started, numbers = time.monotonic(), itertools.count()

            async def send() -> None:
                for number in numbers:
                    await asyncio.sleep(max(0.0, started + number / self._rate - time.monotonic()))
                    body = f"{number}: {' '.join(random.choices(WORDS, k=random.randint(2, 18)))}"
                    headers = {"Authorization": f"Bearer {random.choice(tokens)}"}
                    path = f"{self._url}/videos/{self._video_id}/comments"
                    (await client.post(path, json={"body": body}, headers=headers)).raise_for_status()
                    self.written += 1

            async with asyncio.TaskGroup() as group:
                for _ in range(SENDERS):
                    group.create_task(send())


async def make_room(session: CDPSession) -> None:
    """Have the browser's window hold all of the page.

    Playwright makes it as high as the page, with the browser's own bars in it. What is at the foot is not drawn then: a
    key in the field for a comment counts as answered when something else is drawn, 400 ms later in a flood.
    """
    window = await session.send("Browser.getWindowForTarget")
    bounds = {"width": 1280 + WINDOW_MORE_PX, "height": 844 + WINDOW_MORE_PX}
    await session.send("Browser.setWindowBounds", {"windowId": window["windowId"], "bounds": bounds})


@contextlib.asynccontextmanager
async def viewer(browser: Browser, url: str, device: str, slowdown: float) -> AsyncIterator[Page]:
    """A guest on that device, whose CPU is slowed down once the page stands."""
    context = await browser.new_context(**DEVICES[device])
    await context.add_init_script(path=PAGE_SCRIPT)
    page = await context.new_page()
    await page.goto(url)
    await page.get_by_placeholder("Your name").first.fill(f"Reader at a {device}")
    await page.get_by_role("button", name="Join").first.click()
    await page.locator("#line-state[data-state=live]").wait_for(state="attached")
    await page.get_by_placeholder("Write a comment").wait_for()
    session = await context.new_cdp_session(page)
    await make_room(session)
    await session.send("Emulation.setCPUThrottlingRate", {"rate": slowdown})
    try:
        yield page
    finally:
        await context.close()


async def point_at_a_comment(page: Page) -> None:
    """Move the mouse upwards from the end of the list until it is over a comment: between two of them is room."""
    await page.locator(".comment").last.wait_for()
    box = await page.locator("#scroller").bounding_box()
    assert box
    for step in range(40):
        await page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 20 - 7 * step)
        if await page.locator(".comment:hover").count():
            return
    raise SystemExit("flood: no comment under the mouse")


async def tap_a_comment(page: Page) -> None:
    """Tap on the newest comment until its menu is open: the list may move under the finger."""
    for _ in range(20):
        await page.locator(".comment").last.tap()
        with contextlib.suppress(NotYet):
            await page.locator("#comment-menu").wait_for(state="visible", timeout=500)
            return
    raise SystemExit("flood: no comment's menu opens")


async def act(page: Page, turn: int, *, has_mouse: bool) -> None:
    """Do one thing that viewers do."""
    match turn % 4:
        case 0:
            await page.locator("#body").press_sequentially("hi ", delay=60)
        case 1 if has_mouse:
            await point_at_a_comment(page)
            # The list may move under the mouse, too.
            with contextlib.suppress(NotYet):
                await page.locator(".comment:hover [data-do=more]").click(timeout=5_000)
            await page.keyboard.press("Escape")
        case 1:
            await tap_a_comment(page)
            await page.locator("#comment-menu [data-do=reply]").tap()
            await page.locator("#reply-stop").tap()
        case 2:
            await page.locator("#scroller").evaluate("(element) => { element.scrollTop -= 400; }")
            await page.locator("#like").click()
        case _:
            if await page.locator("#newest").is_visible():
                await page.locator("#newest").click()
            await page.mouse.move(5, 5)


def worst_session(shifts: list[list[Any]]) -> float:
    """Return the CLS: the largest sum of shifts in a session window (at most 5 s, gaps under 1 s)."""
    worst = current = 0.0
    first = last = float("-inf")
    for at, value, _ in shifts:
        if at - last > GAP_MS or at - first > SESSION_MS:
            first, current = at, 0.0
        last, current = at, current + value
        worst = max(worst, current)
    return worst


async def act_until(page: Page, device: str, seconds: float) -> None:
    """Do what viewers do, one thing a second, for so long."""
    deadline = time.monotonic() + seconds
    for turn in itertools.count():
        if time.monotonic() > deadline:
            return
        await act(page, turn, has_mouse=device == "desktop")
        await asyncio.sleep(ACT_EVERY_SECONDS)


async def watch(browser: Browser, url: str, device: str, slowdown: float, seconds: float) -> dict[str, Any]:
    async with viewer(browser, url, device, slowdown) as page:
        # What was before the flood, and the slowing down itself, is not measured.
        await page.evaluate(
            "Object.assign(flood, { interactions: {}, shifts: [], tasks: [], since: performance.now() })"
        )
        heap_before = await heap(page)
        await browser.start_tracing(page=page, categories=flood_trace.CATEGORIES)
        await act_until(page, device, seconds)
        trace = await browser.stop_tracing()
        found = await page.evaluate("({ ...flood, ms: performance.now() - flood.since })")
        counts = await page.evaluate(
            "[document.querySelectorAll('#list > *').length, document.querySelector('#sample-text').innerText]"
        )
        interactions = sorted(found["interactions"].values(), key=lambda each: -each["duration"])
        return {
            "INP ms": interactions[len(interactions) // 50]["duration"] if interactions else 0,
            "interactions over 16 ms": len(interactions),
            "CLS": round(worst_session(found["shifts"]), 4),
            "long tasks %": round(100 * sum(duration for _, duration in found["tasks"]) / found["ms"], 2),
            **flood_trace.main_thread(trace),
            "items": counts[0],
            "said": counts[1],
            "heap MB before": heap_before,
            "heap MB after": await heap(page),
            "slowest": interactions[:3],
            "largest shifts": sorted(found["shifts"], key=lambda each: -each[1])[:3],
        }


async def heap(page: Page) -> float:
    """Return what the scripts of the page hold, after a collection, in MB."""
    return round((await kept(page))["JSHeapUsedSize"] / 1e6, 1)


async def kept(page: Page) -> dict[str, float]:
    """Return what the page keeps after a collection: bytes, nodes, listeners; and the elements that it shows."""
    session = await page.context.new_cdp_session(page)
    await session.send("Performance.enable")
    await session.send("HeapProfiler.collectGarbage")
    metrics = (await session.send("Performance.getMetrics"))["metrics"]
    await session.detach()
    found = {each["name"]: each["value"] for each in metrics if each["name"] in KEPT}
    return {**found, "elements": await page.evaluate("document.querySelectorAll('*').length")}


def slope(points: list[tuple[float, float]]) -> float:
    """Return by how much a value grows a minute: the line through [minutes, value] by least squares."""
    line = statistics.linear_regression(*zip(*points, strict=True))
    return round(line.slope, 3)


async def remember(browser: Browser, url: str, device: str, slowdown: float, minutes: float) -> dict[str, Any]:
    async with viewer(browser, url, device, slowdown) as page:
        started, samples = time.monotonic(), []
        while (minute := (time.monotonic() - started) / 60) < minutes:
            samples.append((minute, await kept(page)))
            await act_until(page, device, SAMPLE_SECONDS)
        later = [sample for sample in samples if sample[0] >= WARM_MINUTES]
        grows = {name: slope([(minute, sample[name]) for minute, sample in later]) for name in KEPT}
        return {
            "grows a minute": grows,
            **{name: [round(sample[name]) for _, sample in samples] for name in KEPT},
        }


async def measure(site: Site, devices: list[str], rate: float, work: Callable[..., Any]) -> dict[str, Any]:
    """Return what `work(browser, url, device)` finds in the flood, by device."""
    video_id = make_broadcaster(site).new_video(title="A flood")
    executable = servers.chromium(servers.WINDOWED)
    if not executable:
        raise SystemExit(f"flood: {servers.NO_CHROMIUM}")
    writers = Writers(site, video_id, rate)
    found: dict[str, Any] = {}
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        writing = asyncio.create_task(writers.write())
        for device in devices:
            before, started = writers.written, time.monotonic()
            found[device] = await work(browser, f"{site.urls[0]}/videos/{video_id}/", device)
            found[device]["written a second"] = round((writers.written - before) / (time.monotonic() - started), 1)
        if writing.done():
            writing.result()
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await browser.close()
    return found


def main() -> int:
    parser = Parser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--rate", type=float, default=100.0, help="comments a second")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long each device watches")
    parser.add_argument("--slowdown", type=float, default=4.0, help="how many times slower its CPU is")
    parser.add_argument(
        "--minutes", type=float, default=0.0, help="how long each watches, for what it keeps: 3 or more"
    )
    parser.add_argument("--only", choices=sorted(DEVICES))
    parser.add_argument("--json", metavar="FILE", help="write the figures there; - is standard output")
    options = parser.parse_args()
    if min(options.rate, options.seconds) <= 0 or options.slowdown < 1:
        parser.error("rate and seconds are more than 0, slowdown is 1 at least")
    if options.minutes and options.minutes <= WARM_MINUTES + 2 * SAMPLE_SECONDS / 60:
        parser.error("minutes are more than 3")
    if options.minutes:
        work = functools.partial(remember, slowdown=options.slowdown, minutes=options.minutes)
    else:
        work = functools.partial(watch, slowdown=options.slowdown, seconds=options.seconds)
    devices = [options.only] if options.only else list(DEVICES)
    with durable_site(nodes=1) as site:
        site.start_dispatcher()
        found = asyncio.run(measure(site, devices, options.rate, work))
    table = sys.stderr if options.json == "-" else sys.stdout
    for device, figures in found.items():
        print(device, file=table)
        for name, value in figures.items():
            print(f"  {name:24} {value}", file=table)
    write_figures(found, options.json)
    return 0


if __name__ == "__main__":
    os.environ.setdefault("LIVE_LIMITS", "off")
    sys.exit(main())
