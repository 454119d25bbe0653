"""From the camera to the viewer's screen, by a clock in the picture: `./run benchmarks/glass.py`.

A site of its own with one node and the ingest; ffmpeg sends 720p30 by RTMP, which the ingest copies; Chromium watches.
The clock is drawn as cells that glass_page.js reads from the frames that the browser shows: nothing but the picture
itself says how old it is. The encoder, the site and the browser share the machine and its clock.

Measured: the age of the picture; how long a viewer who waits, or comes, or whose encoder begins anew sees nothing; in a
replay, how far comments are from the frame of their moment, and how soon they are right after a jump.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from playwright.async_api import Browser, Page, async_playwright

from benchmarks.ingest_client import Parser, durable_site, write_figures
from ingest.encoder import ffmpeg
from tests import servers
from tests.e2e.conftest import Broadcaster, make_broadcaster
from tests.sites import Site, free_port

PAGE_SCRIPT = Path(__file__).with_name("glass_page.js")
WIDTH, HEIGHT, RATE, BITS = 1280, 720, 30, 20
SETTLE_SECONDS = 8.0
AWAY_SECONDS = 5.0
COMMENT_EVERY_SECONDS = 1.7
PATIENCE_SECONDS = 60.0
ARGUMENTS = ("--disable-gpu", "--disable-quic", "--no-sandbox", "--autoplay-policy=no-user-gesture-required")


def picture() -> str:
    """Return ffmpeg's filters for a picture with the time of day in its cells."""
    cell = WIDTH // BITS
    cells = (
        f"drawbox={bit * cell}:0:{cell}:{HEIGHT // 9}:white:fill:enable='gt(bitand(floor(t*1000),{2**bit}),0)'"
        for bit in range(BITS)
    )
    drawn = (f"drawbox=0:0:{WIDTH}:{HEIGHT // 9}:black:fill", *cells)
    # `-re` goes by the time of the frames, which is that of the clock here: it holds back none of them.
    source = f"testsrc2=s={WIDTH}x{HEIGHT}:r={RATE},realtime,settb=1/1000,setpts=RTCTIME/1000"
    return ",".join((source, *drawn, "setpts=PTS-STARTPTS"))


class Encoder:
    """A program that sends the picture, as OBS does."""

    def __init__(self, address: str) -> None:
        self.started_ms = time.time() * 1000
        self._process = subprocess.Popen(
            [
                *(ffmpeg(), "-nostdin", "-loglevel", "error"),
                *("-f", "lavfi", "-i", picture(), "-re", "-f", "lavfi", "-i", "sine=r=48000"),
                *("-fps_mode", "passthrough", "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency"),
                *("-pix_fmt", "yuv420p", "-g", str(2 * RATE), "-b:v", "3M", "-c:a", "aac", "-f", "flv", address),
            ],
            stdin=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


class Studio:
    """A broadcaster with an encoder."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._broadcaster: Broadcaster = make_broadcaster(site)
        key = self._broadcaster.call("GET", "/me/stream-key")["key"]
        self._address = f"rtmp://127.0.0.1:{site.env['LIVE_RTMP_PORT']}/live/{key}"
        self._encoder: Encoder | None = None
        self.video = ""

    @property
    def url(self) -> str:
        return f"{self.site.urls[0]}/videos/{self.video}/"

    def announce(self) -> None:
        self.video = self._broadcaster.new_video(live=True)

    def send(self) -> float:
        """Start an encoder; return when, in epoch ms."""
        self._encoder = Encoder(self._address)
        return self._encoder.started_ms

    def kill(self) -> None:
        if self._encoder:
            self._encoder.kill()
            self._encoder = None

    def comment(self, text: str) -> int:
        return int(self._broadcaster.comment(self.video, text)["at_ms"])

    def end(self) -> None:
        self._broadcaster.call("POST", f"/videos/{self.video}/end")
        self.kill()


@contextlib.asynccontextmanager
async def viewer(browser: Browser, url: str) -> AsyncIterator[Page]:
    """A browser that has never been here."""
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    await context.add_init_script(path=PAGE_SCRIPT)
    page = await context.new_page()
    await page.goto(url, wait_until="commit")
    try:
        yield page
    finally:
        await context.close()


async def until(read: Callable[[], Awaitable[Any]]) -> Any:
    """Return the first value that is one."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := await read()):
        if time.monotonic() > deadline:
            raise SystemExit("glass: waited in vain")
        await asyncio.sleep(0.02)
    return found


async def frames(page: Page) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = await page.evaluate("globalThis.glass ? glass.frames : []")
    return found


async def first_frame(page: Page, since_ms: float) -> float:
    """Return when the first frame was shown that was taken since then."""

    async def look() -> float:
        return next((shown for shown, taken in await frames(page) if taken >= since_ms), 0.0)

    return float(await until(look))


async def waiting(studio: Studio, browser: Browser, rounds: int) -> list[float]:
    """A viewer is there before the encoder: from its start to the first frame on the screen."""
    found = []
    for number in range(rounds):
        studio.announce()
        async with viewer(browser, studio.url) as page:
            await page.locator("#line-state[data-state=live]").wait_for(state="attached")
            started = studio.send()
            found.append(await first_frame(page, started) - started)
        if number < rounds - 1:
            studio.end()
    return found


async def coming(studio: Studio, browser: Browser, rounds: int) -> list[float]:
    """A viewer comes while the video is live: from the address to the first frame."""
    found = []
    for _ in range(rounds):
        async with viewer(browser, studio.url) as page:
            shown = await first_frame(page, 0.0)
            found.append(shown - await page.evaluate("performance.timeOrigin"))
    return found


async def watching(studio: Studio, page: Page, seconds: float) -> tuple[list[float], list[int]]:
    """The age of each frame that is read; and when comments were written meanwhile."""
    await first_frame(page, 0.0)
    await asyncio.sleep(SETTLE_SECONDS)
    written: list[int] = []
    seen, until_s = len(await frames(page)), time.monotonic() + seconds
    while time.monotonic() < until_s:
        text = f"Comment {len(written)}"
        written.append(await asyncio.to_thread(studio.comment, text))
        await asyncio.sleep(COMMENT_EVERY_SECONDS)
    return [shown - taken for shown, taken in (await frames(page))[seen:]], written


async def restarts(studio: Studio, page: Page, rounds: int) -> tuple[list[float], int]:
    """The encoder is killed and comes back; also how many frames were older than one shown before."""
    found = []
    for _ in range(rounds):
        studio.kill()
        await asyncio.sleep(AWAY_SECONDS)
        started = studio.send()
        found.append(await first_frame(page, started) - started)
        await asyncio.sleep(SETTLE_SECONDS)
    taken = [taken for _, taken in await frames(page)]
    return found, sum(later < earlier for earlier, later in pairwise(taken))


async def replay(page: Page, written: Sequence[int], rounds: int) -> dict[str, list[float]]:
    """How far each comment came from the frame of its moment, at 1x and 2x; how long it took after jumps."""
    await page.reload()
    await page.locator("#watch-replay").click(timeout=PATIENCE_SECONDS * 1000)
    await first_frame(page, 0.0)
    length = await until(lambda: page.evaluate("document.querySelector('#picture').duration || 0"))
    found: dict[str, list[float]] = {}
    for speed in (1, 2):
        await page.evaluate("([times, speed]) => glass.playFrom(1, times, speed)", [list(written), speed])
        await asyncio.sleep(min(length - 2, 30.0) / speed)
        seen = await page.evaluate("glass.comments")
        found[f"replay, {speed}x"] = [taken - at for taken, at in seen]
    chance = random.Random(1)
    places = [chance.uniform(length * 0.2, length * 0.9) for _ in range(rounds)]
    script = "([second, times]) => glass.goTo(second, times)"
    jumps = [await page.evaluate(script, [place, list(written)]) for place in places]
    if None in jumps:
        raise SystemExit("glass: comments were not right after a jump")
    return {**found, "replay, after a jump": jumps}


@contextlib.contextmanager
def broadcasting() -> Iterator[Studio]:
    env = {"LIVE_RTMP_PORT": str(free_port()), "LIVE_RTMP_HOST": "127.0.0.1"}
    with durable_site(nodes=1, env=env) as site:
        site.start_ingest()
        studio = Studio(site)
        try:
            yield studio
        finally:
            studio.kill()


async def measure(studio: Studio, seconds: float, rounds: int) -> dict[str, list[float]]:
    executable = servers.chromium(servers.WINDOWED)
    if not executable:
        raise SystemExit(f"glass: {servers.NO_CHROMIUM}")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=list(ARGUMENTS))
        found = {"first picture of who waits": await waiting(studio, browser, rounds)}
        async with viewer(browser, studio.url) as page:
            ages, written = await watching(studio, page, seconds)
            found["glass to glass"] = ages
            found["first picture of who comes"] = await coming(studio, browser, rounds)
            found["picture after a restart"], older = await restarts(studio, page, rounds)
            print(f"{older} frames were older than one that was shown before")
            await asyncio.to_thread(studio.end)
            found |= await replay(page, written, rounds * 4)
        await browser.close()
    return found


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def main() -> int:
    parser = Parser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the live picture is watched")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", metavar="FILE", help="write the figures there; - is standard output")
    options = parser.parse_args()
    if options.seconds <= 0 or options.rounds < 1:
        parser.error("every number must be at least 1")
    with broadcasting() as studio:
        found = asyncio.run(measure(studio, options.seconds, options.rounds))
    table = sys.stderr if options.json == "-" else sys.stdout
    print(f"{'milliseconds':28} {'p50':>7} {'p90':>7} {'least':>7} {'most':>7} {'of':>5}", file=table)
    for name, values in found.items():
        p50, p90 = statistics.median(values), percentile(values, 0.9)
        print(f"{name:28} {p50:7.0f} {p90:7.0f} {min(values):7.0f} {max(values):7.0f} {len(values):5}", file=table)
    write_figures({name: [round(value, 1) for value in values] for name, values in found.items()}, options.json)
    return 0


if __name__ == "__main__":
    os.environ.setdefault("LIVE_LIMITS", "off")
    sys.exit(main())
