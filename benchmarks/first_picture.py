"""How soon a newcomer with a slow line sees the picture: `./run benchmarks/first_picture.py --rounds 5`.

A site of its own with one node and the ingest; ffmpeg sends a picture by RTMP; Chromium comes to the watch page with an
empty cache, a line and a CPU slowed down by itself: 150 ms there and back, 1.6 Mbit/s, four times slower. This is what
Lighthouse calls slow 4G. Measured from the address to the first frame, with what was loaded until then, in its order.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from playwright.async_api import Browser, async_playwright

from benchmarks.ingest_client import Parser, durable_site, write_figures
from ingest.encoder import ffmpeg
from tests import servers
from tests.e2e.conftest import make_broadcaster
from tests.sites import Site, free_port

ARGUMENTS = ("--disable-gpu", "--disable-quic", "--no-sandbox", "--autoplay-policy=no-user-gesture-required")
PICTURE = "testsrc2=size=640x360:rate=25"
COMMENTS = 20
PATIENCE_MS = 120_000
# Notes when the first frame is shown, and what was loaded until then.
WATCHER = """
    (() => {
        const look = () => {
            const video = document.getElementById("picture");
            if (!video?.getVideoPlaybackQuality().totalVideoFrames) return requestAnimationFrame(look);
            const shownMs = performance.now();
            const entries = ["navigation", "resource"].flatMap((type) => performance.getEntriesByType(type));
            const loaded = entries.filter(({ responseEnd }) => responseEnd > 0 && responseEnd <= shownMs);
            void globalThis.firstShown({
                shownMs,
                paintMs: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? null,
                loaded: loaded.sort((one, other) => one.startTime - other.startTime).map((entry) => ({
                    path: new URL(entry.name).pathname, bytes: entry.transferSize,
                    fromMs: Math.round(entry.startTime), untilMs: Math.round(entry.responseEnd),
                })),
            });
        };
        look();
    })();
"""


def encoder(site: Site, key: str) -> subprocess.Popen[bytes]:
    """Send a picture of half a megabit a second, as OBS does."""
    command = [
        *(ffmpeg(), "-nostdin", "-loglevel", "error", "-re", "-f", "lavfi", "-i", PICTURE),
        *("-re", "-f", "lavfi", "-i", "sine=r=48000"),
        *("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency"),
        *("-pix_fmt", "yuv420p", "-g", "50", "-b:v", "500k", "-maxrate", "500k", "-bufsize", "500k", "-c:a", "aac"),
        *("-f", "flv", f"rtmp://127.0.0.1:{site.env['LIVE_RTMP_PORT']}/live/{key}"),
    ]
    return subprocess.Popen(command)


async def come(browser: Browser, url: str, slow: dict[str, float], slowdown: float) -> dict[str, Any]:
    """Return what somebody sees who has never been here."""
    context = await browser.new_context(viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    try:
        shown: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        await context.expose_function("firstShown", lambda found: shown.set_result(found))
        await context.add_init_script(WATCHER)
        page = await context.new_page()
        session = await context.new_cdp_session(page)
        await session.send("Network.enable")
        await session.send("Network.emulateNetworkConditions", {"offline": False, **slow})
        await session.send("Emulation.setCPUThrottlingRate", {"rate": slowdown})
        await page.goto(url, wait_until="commit", timeout=PATIENCE_MS)
        return await shown
    finally:
        await context.close()


async def measure(site: Site, rounds: int, slow: dict[str, float], slowdown: float) -> dict[str, Any]:
    executable = servers.chromium(servers.WINDOWED)
    if not executable:
        raise SystemExit(f"first_picture: {servers.NO_CHROMIUM}")
    broadcaster = make_broadcaster(site)
    video_id = broadcaster.new_video(title="A picture on a slow line")
    for number in range(COMMENTS):
        broadcaster.comment(video_id, f"Comment {number}, which is as long as comments often are")
    sender = encoder(site, broadcaster.call("GET", "/me/stream-key")["key"])
    try:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=executable, args=[*ARGUMENTS])
            url = f"{site.urls[0]}/videos/{video_id}/"
            async with asyncio.timeout(PATIENCE_MS / 1_000 * (rounds + 1)):
                await come(browser, url, slow, 1)  # the picture is there, and the node has met everything once
                found = [await come(browser, url, slow, slowdown) for _ in range(rounds)]
            await browser.close()
    finally:
        sender.kill()
        sender.wait()
    median = sorted(found, key=lambda each: each["shownMs"])[rounds // 2]
    is_picture = [each["path"].startswith("/media/") for each in median["loaded"]]
    sizes = [each["bytes"] for each in median["loaded"]]
    return {
        "first frame s, median": round(statistics.median(each["shownMs"] for each in found) / 1_000, 2),
        "first frame s": sorted(round(each["shownMs"] / 1_000, 2) for each in found),
        "first paint s": sorted(round((each["paintMs"] or 0) / 1_000, 2) for each in found),
        "KB before it, page and picture": [
            round(sum(size for size, there in zip(sizes, is_picture, strict=True) if there is kind) / 1024, 1)
            for kind in (False, True)
        ],
        "loaded before it": median["loaded"],
    }


def main() -> int:
    parser = Parser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--round-trip-ms", type=float, default=150.0, help="what each request waits")
    parser.add_argument("--mbits", type=float, default=1.6, help="what comes in a second")
    parser.add_argument("--slowdown", type=float, default=4.0, help="how many times slower the CPU is")
    parser.add_argument("--json", metavar="FILE", help="write the figures there; - is standard output")
    options = parser.parse_args()
    if min(options.rounds, options.mbits) <= 0 or options.round_trip_ms < 0 or options.slowdown < 1:
        parser.error("rounds and mbits are more than 0, slowdown is 1 at least")
    bytes_a_second = options.mbits * 1_000_000 / 8
    slow = {
        "latency": options.round_trip_ms,
        "downloadThroughput": bytes_a_second,
        "uploadThroughput": bytes_a_second / 2,
    }
    env = {"LIVE_RTMP_PORT": str(free_port()), "LIVE_RTMP_HOST": "127.0.0.1"}
    with durable_site(nodes=1, env=env) as site:
        site.start_dispatcher()
        site.start_ingest()
        found = asyncio.run(measure(site, options.rounds, slow, options.slowdown))
    table = sys.stderr if options.json == "-" else sys.stdout
    for name, value in found.items():
        if name != "loaded before it":
            print(f"{name:32} {value}", file=table)
            continue
        for each in value:
            print(f"  {each['fromMs']:6} to {each['untilMs']:6} ms {each['bytes']:8}  {each['path']}", file=table)
    write_figures(found, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
