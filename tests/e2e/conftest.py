"""Fixtures of the browser tests: a broadcaster, their videos, viewers in windows of their own, a live picture."""

from __future__ import annotations

import asyncio
import atexit
import dataclasses
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    ViewportSize,
    expect,
)

from tests.kit import HANG_SECONDS
from tests.sites import WAIT_SECONDS, Site, wait_for

PASSWORD = "a password of the tests"
MAKE_BROADCASTER = """
from accounts.tokens import issue_token
from accounts.models import Viewer
viewer = Viewer.objects.create_user("{username}", password="{password}", name="Nadia", is_broadcaster=True)
print("TOKEN", issue_token(viewer))
"""


EXTENT = "[document.documentElement.scrollWidth, innerWidth, document.documentElement.scrollHeight, innerHeight]"
AS_IT_STAYS = """async () => {
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    const transitions = document.getAnimations().filter((each) => each instanceof CSSTransition);
    await Promise.allSettled(transitions.map((each) => each.finished));
}"""
"""Wait until a page that has another size or scheme is drawn, and its colors have changed."""
LOOKS: tuple[tuple[Literal["light", "dark"], Sequence[str]], ...] = (("light", ()), ("dark", ["color-contrast"]))
"""The schemes, and the rules that axe goes by: colors are all that differs."""
PHONE, SIDEWAYS, DESKTOP = (390, 844), (844, 390), (1280, 800)


_client = httpx.Client(timeout=WAIT_SECONDS)
atexit.register(_client.close)
# A node looks every few seconds who may see what, and a busy machine takes its time.
expect.set_options(timeout=HANG_SECONDS * 1000)


@dataclasses.dataclass(frozen=True)
class Broadcaster:
    """An account that may broadcast, and what it does over REST."""

    site: Site
    token: str
    username: str
    password: str = PASSWORD

    def call(self, method: str, path: str, body: dict[str, Any] | None = None, *, token: str = "") -> Any:
        """Call the API on behalf of the broadcaster (or of whom the token is); return its answer."""
        headers = {"Authorization": f"Bearer {token or self.token}"}
        answer = _client.request(method, f"{self.site.urls[0]}/api/v1{path}", json=body, headers=headers)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def new_video(self, *, live: bool = True, **fields: Any) -> str:
        """Create a video, live unless told otherwise; return its id."""
        video = self.call("POST", "/videos", {"title": "A test broadcast", **fields})
        if live:
            self.call("POST", f"/videos/{video['id']}/start")
        return str(video["id"])

    def comment(self, video_id: str, body: str) -> dict[str, Any]:
        comment: dict[str, Any] = self.call("POST", f"/videos/{video_id}/comments", {"body": body})
        return comment


def make_broadcaster(site: Site, username: str = "nadia") -> Broadcaster:
    """Give the site an account that may broadcast."""
    code = MAKE_BROADCASTER.format(username=username, password=PASSWORD)
    printed = site.manage("shell", "--command", code).stdout
    return Broadcaster(site, printed.rpartition("TOKEN ")[2].strip(), username)


@pytest.fixture(scope="session")
def broadcaster(site: Site) -> Broadcaster:
    return make_broadcaster(site)


@pytest.fixture(scope="session")
def ingest(site: Site) -> None:
    """What takes pictures from encoders, at the shared site."""
    site.start_ingest()


@pytest.fixture
def picture(site: Site) -> Iterator[Callable[..., str]]:
    """Start a live picture with sound for a video; return its playlist's path once it can be played.

    `seconds_before`: so long has it been live already, and all of it is in the playlist.
    """
    with ExitStack() as stack:

        def start(video_id: str, *, seconds_before: int = 0) -> str:
            return stack.enter_context(_Picture(site.folder / "media" / video_id, seconds_before=seconds_before))

        yield start


class _Picture:
    def __init__(self, folder: Path, *, seconds_before: int) -> None:
        self._folder = folder
        self._before = seconds_before

    def __enter__(self) -> str:
        # Its import runs the binary once: only for a test that shows a picture.
        from imageio_ffmpeg import get_ffmpeg_exe

        self._folder.mkdir(parents=True)
        in_time = ["-readrate", "1", "-readrate_initial_burst", str(self._before)]
        command = [
            get_ffmpeg_exe(), "-nostdin", "-loglevel", "error",
            *in_time, "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=10",
            *in_time, "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000",
            "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-threads", "1", "-g", "10",
            "-c:a", "aac", "-f", "hls", "-hls_time", "1", "-hls_list_size", str(6 + self._before),
            "-hls_flags", "delete_segments+program_date_time+independent_segments+temp_file+omit_endlist",
            str(self._folder / "live.m3u8"),
        ]  # fmt: skip
        self._encoder = subprocess.Popen(command)
        playlist = self._folder / "live.m3u8"
        least = max(3, self._before)
        wait_for(lambda: playlist.exists() and playlist.read_text().count(".ts") >= least, f"{least} segments")
        return f"/media/{self._folder.name}/live.m3u8"

    def __exit__(self, *_: object) -> None:
        self._encoder.kill()
        self._encoder.wait()


class Window:
    """A browser window of one person: a page, and what went wrong on it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.problems: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))

    def _heard(self, message: ConsoleMessage) -> None:
        # A violation of the Content-Security-Policy is reported as an error too.
        if message.type in ("error", "warning"):
            self.problems.append(f"{message.type}: {message.text} ({message.location.get('url', '')})")

    async def join(self, name: str) -> None:
        """Become a guest with the form beside the comments."""
        await self.page.get_by_placeholder("Your name").first.fill(name)
        await self.page.get_by_role("button", name="Join").first.click()
        await self.page.get_by_placeholder("Write a comment").wait_for()

    async def write(self, text: str) -> None:
        await self.page.get_by_placeholder("Write a comment").fill(text)
        await self.page.get_by_role("button", name="Send", exact=True).click()

    async def sees_comment(self, text: str) -> None:
        """Return when a comment with this text is there, acknowledged."""
        await self.page.locator(".comment:not(.sending):not(.failed)", has_text=text).first.wait_for()

    async def is_live(self) -> None:
        """Return when the page's stream is up."""
        await self.page.locator("#line-state[data-state=live]").wait_for(state="attached")

    async def until(self, script: str) -> None:
        """Return when the script's value is true. Playwright's own waiting needs `eval`, which the page forbids."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not await self.page.evaluate(script):
            assert time.monotonic() < deadline, f"waited in vain for {script}"
            await asyncio.sleep(0.05)

    async def looks_right(self, *sizes: tuple[int, int], scrolls: bool = False) -> None:
        """Assert for each width and height, light and dark, that nothing sticks out and axe finds nothing serious.

        `scrolls`: the page may be higher than the window.
        """
        for width, height in sizes:
            await self.page.set_viewport_size({"width": width, "height": height})
            await self.page.evaluate(AS_IT_STAYS)
            wide, inner_width, high, inner_height = await self.page.evaluate(EXTENT)
            assert wide <= inner_width and (scrolls or high <= inner_height), (width, height)
            for scheme, rules in LOOKS:
                await self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                await self.page.evaluate(AS_IT_STAYS)
                assert await self.serious_axe_findings(rules) == [], (width, height, scheme)

    async def serious_axe_findings(self, rules: Sequence[str] = ()) -> list[str]:
        return await self.axe_findings("serious", "critical", rules=rules)

    async def axe_findings(self, *impacts: str, rules: Sequence[str] = ()) -> list[str]:
        """Return what axe finds, of these impacts or of any, by these rules or by all."""
        from axe_playwright_python.async_playwright import Axe

        options: dict[str, Any] = {"resultTypes": ["violations"]}
        if rules:
            options["runOnly"] = {"type": "rule", "values": rules}
        if not await self.page.evaluate("'axe' in window"):
            await self.page.evaluate(Axe().axe_script)
        violations = await self.page.evaluate("async (options) => (await axe.run(options)).violations", options)
        return [
            f"{found['id']}: {[node['html'][:200] for node in found['nodes'][:3]]}"
            for found in violations
            if not impacts or found["impact"] in impacts
        ]


async def act_on(comment: Locator, act: str) -> None:
    """Do something with a comment: a mouse finds the way to all that can be done beside its name."""
    await comment.hover()
    await comment.get_by_role("button", name="More").click()
    await comment.page.locator("#comment-menu").get_by_role("button", name=act, exact=True).click()


OpenWindow = Callable[..., Awaitable[Window]]


async def signed_in(open_window: OpenWindow, who: Broadcaster, path: str, **options: Any) -> Window:
    """Open a page of the site as an account, by the form of sign-in."""
    window = await open_window(f"{who.site.urls[0]}/accounts/login/?next={path}", **options)
    await window.page.get_by_label("Username").fill(who.username)
    await window.page.get_by_label("Password").fill(who.password)
    await window.page.get_by_role("main").get_by_role("button", name="Sign in", exact=True).click()
    await window.page.wait_for_url(f"**{path}")
    return window


@pytest_asyncio.fixture(loop_scope="session")
async def open_window(browser: Browser) -> AsyncIterator[OpenWindow]:
    """Open a URL as somebody new: `await open_window(url, size=PHONE)`. Options and time limits are Playwright's."""
    async with AsyncExitStack() as stack:

        async def open_it(url: str, *, size: tuple[int, int] = DESKTOP, **options: Any) -> Window:
            viewport = ViewportSize(width=size[0], height=size[1])
            context: BrowserContext = await browser.new_context(viewport=viewport, **options)
            context.set_default_timeout(WAIT_SECONDS * 1000)
            stack.push_async_callback(context.close)
            window = Window(await context.new_page())
            await window.page.goto(url)
            return window

        yield open_it
