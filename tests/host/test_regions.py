"""`manage.py regions`: one command starts several regions, and a like crosses from page to page."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.host.conftest import Command, alive
from tests.host.prepared import prepare
from tests.sites import free_port
from tests.watching import eventually

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

Manage = Callable[..., Command]


@pytest.fixture
def ports() -> Iterator[int]:
    """Return a port that is free together with the next one, for pages; the relays' are 100 above.

    Below those that embedded servers and the kernel take by chance.
    """
    for port in range(12_000, 19_000, 7):
        with ExitStack() as stack:
            try:
                for number in (port, port + 1, port + 100, port + 101):
                    listening = stack.enter_context(socket.socket())
                    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    listening.bind(("127.0.0.1", number))
            except OSError:
                continue
        yield port
        return
    pytest.fail("no four ports are free")


async def test_like_crosses_from_one_regions_page_to_the_others(
    manage: Manage, folder: Path, ports: int, browser: Browser
) -> None:
    prepare(folder)
    regions = manage("regions", "--regions", "eu,us", "--link-ms", "20", PORT=str(ports), LIVE_NODES="1")
    for word in ("Ready:", "All regions serve"):
        await asyncio.to_thread(regions.wait_for_line, word)
    ready = [line.split() for line in regions.output.splitlines() if "Ready:" in line]
    assert ready == [["eu", "Ready:", f"http://localhost:{ports}/"], ["us", "Ready:", f"http://localhost:{ports + 1}/"]]

    ada, bo = [await browser.new_page(), await browser.new_page()]
    await ada.goto(f"http://localhost:{ports}/")
    path = await ada.locator("a[href^='/videos/']").first.get_attribute("href")
    await _join(ada, f"http://localhost:{ports}{path}")
    await bo.goto(f"http://localhost:{ports + 1}{path}")
    await _has_text(bo, "#viewers", "2")
    before = await _likes(bo)
    await ada.locator("#like").click()

    async def has_crossed() -> bool:
        """The guests of the demo like too. If Ada's like did not cross, the pages would never say the same."""
        at_ada, at_bo = await _likes(ada), await _likes(bo)
        return at_ada == at_bo > before

    await eventually(has_crossed, "the like at the other page")
    # The operator of the one sees the other.
    await ada.context.clear_cookies()
    await ada.goto(f"http://localhost:{ports}/accounts/login/?next=/operator/")
    password = Path(regions.wait_for_line("with the password").split()[-1]).read_text().strip()
    await ada.locator("[name=username]").fill("admin")
    await ada.locator("[name=password]").fill(password)
    await ada.locator("[name=password]").press("Enter")
    await _has_text(ada, "#peers th", "us")
    await _has_text(ada, "#peers td >> nth=0", "answers")
    await ada.close()
    await bo.close()

    pids = regions.pids()
    assert len(pids) >= 12
    assert await asyncio.to_thread(regions.interrupt) == 0
    assert not any(map(alive, pids))
    stops = [line for line in regions.output.splitlines() if "site" in line and "stopping" in line]
    assert [line.split()[1] for line in stops] == ["site", "us", "eu"], "whose database it is goes last"


async def _join(page: Page, url: str) -> None:
    """Open the page as somebody with a name."""
    await page.goto(url)
    await page.evaluate(
        """async () => fetch("/api/v1/guests", {
            method: "POST", headers: {"Content-Type": "application/json"}, body: '{"name": "Ada"}',
        }).then((answer) => { if (!answer.ok) throw new Error(answer.status); })"""
    )
    await page.reload()


async def _likes(page: Page) -> int:
    return int((await page.locator("#likes").inner_text()).replace(",", ""))


async def _has_text(page: Page, place: str, text: str) -> None:
    from playwright.async_api import expect

    await expect(page.locator(place)).to_have_text(text, timeout=60_000)


def test_region_that_does_not_start_is_one_line(manage: Manage, folder: Path, ports: int) -> None:
    """It came with a traceback. Here the second region cannot use its data folder."""
    prepare(folder)
    (folder / "regions").mkdir(mode=0o711)
    (folder / "regions" / "us").touch()
    regions = manage("regions", PORT=str(ports), LIVE_NODES="1", LIVE_DEMO="off")
    assert regions.wait() == 2
    assert regions.errors == "liveplatform: the region us does not start\n"


def test_regions_have_no_certificate(manage: Manage) -> None:
    """Each had asked for one of its own, at ports that no authority comes to."""
    regions = manage("regions", DOMAIN="live.example.org", PORT=str(free_port()))
    assert regions.wait() == 2
    assert regions.errors == (
        "liveplatform: DOMAIN must not be set: regions on one machine are for a look, and speak HTTP\n"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("--regions", ""),
        ("--regions", "eu"),
        ("--regions", "eu,eu"),
        ("--regions", "eu, us"),
        ("--regions", "eu,u-s"),
        ("--regions", "a,b,c,d,e,f"),
        ("--link-ms", "-1"),
        ("--link-ms", "soon"),
    ],
)
def test_regions_that_make_no_sense_are_one_line(
    arguments: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    from django.core.management import call_command

    with pytest.raises(SystemExit) as ended:
        call_command("regions", *arguments)
    assert ended.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == "" and len(printed.err.splitlines()) == 1
    assert printed.err.startswith(f"liveplatform: {arguments[0]} ")


def test_regions_with_one_redis_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Their tasks would go to each other's dispatchers. The tests themselves have REDIS_URL set."""
    from django.core.management import call_command

    with pytest.raises(SystemExit) as ended:
        call_command("regions")
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("liveplatform: REDIS_URL ")
