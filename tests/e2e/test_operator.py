"""The operator's page: who may see it, and that it shows what the processes of a real site tell."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Route, expect

from tests.e2e.conftest import PASSWORD, PHONE, Broadcaster, OpenWindow, signed_in
from tests.rooms import Room, open_room
from tests.sites import Site
from tests.watching import SseWatcher, watching

MAKE_STAFF = f"""
from accounts.models import Viewer
Viewer.objects.create_user("opal", password="{PASSWORD}", name="Opal", is_staff=True, is_superuser=True)
"""


@pytest.fixture(scope="module")
def staff(site: Site) -> Broadcaster:
    site.manage("shell", "--command", MAKE_STAFF)
    return Broadcaster(site, token="", username="opal")


@pytest_asyncio.fixture(loop_scope="session")
async def room(site: Site) -> AsyncIterator[Room]:
    async with open_room(site) as room:
        yield room


async def test_page_shows_what_the_site_does(
    site: Site, staff: Broadcaster, room: Room, open_window: OpenWindow
) -> None:
    """On a phone, where nothing may be wider than the screen."""
    async with watching(SseWatcher(site.urls[1], room.topic)) as (viewer,):
        await room.comment("seen by the operator")
        await viewer.sees_comment("seen by the operator")
        window = await signed_in(open_window, staff, "/operator/", size=PHONE)
        written = window.page.locator('[data-hop="written"]')
        await expect(written.locator('[data-quantile="p90"]')).to_contain_text("ms", timeout=30_000)
        await expect(window.page.locator('[data-tile="connections"]')).not_to_have_text("–", timeout=30_000)
        await expect(window.page.locator("#processes tr")).not_to_have_count(0)
        processes = await window.page.locator("#processes th").all_inner_texts()
        assert {name.partition("-")[0] for name in processes} >= {"node", "dispatcher"}
        await window.page.locator("#event").select_option("comment")
        await expect(window.page.locator(".plot canvas")).to_have_count(9)
        await expect(window.page.locator("#trouble")).to_be_hidden()
        await window.looks_right(PHONE, scrolls=True)
        assert window.problems == []


async def test_page_keeps_what_it_knows_and_says_when_redis_is_away(
    site: Site, staff: Broadcaster, open_window: OpenWindow
) -> None:
    window = await signed_in(open_window, staff, "/operator/")
    await expect(window.page.locator("#processes tr").first).to_be_visible(timeout=30_000)

    async def away(route: Route) -> None:
        await route.fulfill(status=503, json={"code": "redis_away", "detail": "Redis does not answer."})

    await window.page.route("**/operator/figures?*", away)
    await expect(window.page.locator("#trouble")).to_contain_text("Redis does not answer", timeout=30_000)
    await expect(window.page.locator("#processes tr").first).to_be_visible()
    await window.page.unroute("**/operator/figures?*")
    await expect(window.page.locator("#trouble")).to_be_hidden(timeout=30_000)


async def test_staff_find_the_page_in_the_menu_and_in_the_admin(
    site: Site, staff: Broadcaster, open_window: OpenWindow
) -> None:
    window = await signed_in(open_window, staff, "/operator/")
    await window.page.goto(f"{site.urls[0]}/")
    await window.page.get_by_role("button", name="Account and appearance").click()
    await window.page.get_by_role("link", name="Operations").click()
    await expect(window.page.get_by_role("heading", name="Operations", exact=False).first).to_be_visible()
    await window.page.goto(f"{site.urls[0]}/admin/")
    await window.page.get_by_role("link", name="Operations").click()
    await window.page.wait_for_url("**/operator/")


async def test_page_is_for_staff_alone(site: Site, broadcaster: Broadcaster, open_window: OpenWindow) -> None:
    nobody = httpx.get(f"{site.urls[0]}/operator/")
    assert (nobody.status_code, nobody.headers["location"]) == (302, "/accounts/login/?next=/operator/")
    refused = httpx.get(f"{site.urls[0]}/operator/figures")
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
    window = await signed_in(open_window, broadcaster, "/operator/")
    await expect(window.page.get_by_role("heading", name="This page is not for this account")).to_be_visible()
    answer = await window.page.request.get(f"{site.urls[0]}/operator/figures")
    assert (answer.status, (await answer.json())["code"]) == (403, "forbidden")
    await window.page.goto(f"{site.urls[0]}/")
    await window.page.get_by_role("button", name="Account and appearance").click()
    await expect(window.page.get_by_role("link", name="Operations")).to_have_count(0)
