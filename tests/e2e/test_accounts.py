"""People with accounts at a browser: they sign up, add a passkey, and come back with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, expect

from tests.e2e.conftest import Broadcaster, Window
from tests.sites import Site

PASSWORD = "a fine password 7"


async def with_authenticator(page: Page) -> Any:
    """Give the page's browser a device that has passkeys, whose owner says yes."""
    session = await page.context.new_cdp_session(page)
    await session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    return await session.send("WebAuthn.addVirtualAuthenticator", {"options": options})


async def test_guest_signs_up_and_comes_back_with_a_passkey(
    site: Site, browser: Browser, broadcaster: Broadcaster, checkout: Path
) -> None:
    """By keyboard as far as there are forms. Passkeys need a name, not an address: localhost."""
    url = site.urls[0].replace("127.0.0.1", "localhost")
    context = await browser.new_context()
    page = await context.new_page()
    await with_authenticator(page)
    await page.request.post(f"{url}/api/v1/guests", data={"name": "Vera Guest"})
    await page.goto(f"{url}/accounts/signup/")
    assert await page.get_by_text("You are here as the guest").is_visible()
    await page.locator("#id_username").focus()
    for text in ("vera-passkey", "", PASSWORD):
        await page.keyboard.type(text)
        await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{url}/")
    await page.goto(f"{url}/accounts/passkeys/add/")
    await page.fill("#id_password", PASSWORD)
    await page.keyboard.press("Enter")
    await page.get_by_role("button", name="Add it").click()
    await page.wait_for_url(f"{url}/accounts/")
    await page.get_by_text("Another passkey").wait_for()
    await page.set_input_files("#portrait-file", checkout / "static" / "img" / "icon-512.png")
    await page.get_by_alt_text("Your picture").wait_for()
    await expect(page.locator("[data-viewer-face] img")).to_be_visible()
    assert await Window(page).serious_axe_findings() == []
    # Beside what they write, seen by others as soon as it changes.
    await page.goto(f"{url}/videos/{broadcaster.new_video()}/")
    await page.locator("#line-state[data-state=live]").wait_for(state="attached")
    await page.get_by_placeholder("Write a comment").fill("Here I am")
    await page.keyboard.press("Enter")
    face = page.locator(".comment .face")
    await expect(face.locator("img")).to_have_js_property("naturalWidth", 256)
    sizes = await face.evaluate("(face) => [face.offsetWidth, face.offsetHeight, face.firstChild.offsetWidth]")
    assert sizes == [32, 32, 32]
    await expect(page.locator("[data-viewer-face] img")).to_be_visible()
    cookies = {each["name"]: each["value"] for each in await context.cookies()}
    headers = {"X-CSRFToken": cookies["csrftoken"], "Origin": url}
    assert (await page.request.delete(f"{url}/api/v1/me/portrait", headers=headers)).status == 204
    await expect(face).to_have_text("V")
    await expect(page.locator("[data-viewer-face]")).to_have_text("V")
    await page.goto(f"{url}/accounts/")
    assert await page.locator("#id_name").input_value() == "Vera Guest", "the account has the guest's name"
    await page.locator("[popovertarget=menu]").click()
    await page.get_by_role("button", name="Log out").click()
    await page.wait_for_url(f"{url}/")
    await page.goto(f"{url}/accounts/login/?next=/accounts/")
    await page.get_by_role("button", name="Sign in with a passkey").click()
    await page.wait_for_url(f"{url}/accounts/")
    await page.get_by_role("link", name="Remove the passkey").click()
    await page.get_by_role("link", name="Show your passkey instead").click()
    await page.get_by_role("button", name="Show your passkey").click()
    await page.get_by_role("button", name="Remove it").click()
    await page.wait_for_url(f"{url}/accounts/")
    assert await page.get_by_role("link", name="Remove the passkey").count() == 0
    await page.goto(f"{url}/accounts/login/")
    await context.close()
