"""Three people at a video: a moderator with keys and taps, a troll, and a viewer who sees what becomes of it."""

from __future__ import annotations

from playwright.async_api import expect

from tests.e2e.conftest import PHONE, OpenWindow, make_broadcaster, signed_in
from tests.sites import Site


async def test_a_moderator_clears_a_room_by_keys_and_takes_it_back(site: Site, open_window: OpenWindow) -> None:
    nadia = make_broadcaster(site, "nadia-of-keys")
    moderator, video_id = make_broadcaster(site, "mona"), nadia.new_video()
    channel = nadia.call("GET", "/me")["viewer"]["id"]
    owner = await signed_in(open_window, nadia, f"/people/{channel}/")
    await owner.page.get_by_label("Username of an account").fill("mona")
    await owner.page.get_by_role("button", name="Give the role").click()
    await expect(owner.page.get_by_role("status")).to_contain_text("has the role now")
    assert await owner.serious_axe_findings() == []

    troll = await open_window(f"{site.urls[0]}/videos/{video_id}/")
    await troll.join("Troll")
    await troll.write("A rude word")
    viewer = await open_window(f"{site.urls[1]}/videos/{video_id}/")
    await viewer.sees_comment("A rude word")

    mona = await signed_in(open_window, moderator, f"/videos/{video_id}/")
    await mona.is_live()
    await mona.page.locator(".comment .tools").wait_for(state="attached")  # what the server drew has no keys
    comment = mona.page.locator(".comment")
    await comment.focus()
    await mona.page.keyboard.press("d")
    await expect(viewer.page.locator(".comment")).to_have_count(0)
    await expect(mona.page.locator("#undo-bar")).to_contain_text("a comment by Troll")
    await mona.page.keyboard.press("u")
    await viewer.sees_comment("A rude word")

    await comment.focus()
    await mona.page.keyboard.press("b")
    await expect(mona.page.locator("#undo-bar")).to_contain_text("Troll is banned")
    await troll.write("And another one")
    await expect(troll.page.get_by_text("You are banned here.")).to_be_visible()
    await expect(viewer.page.locator(".comment")).to_have_count(1)
    assert await mona.serious_axe_findings() == []
    assert [*owner.problems, *viewer.problems, *mona.problems] == []


async def test_a_time_out_with_a_reason_takes_a_few_taps(site: Site, open_window: OpenWindow) -> None:
    nadia = make_broadcaster(site, "nadia-of-taps")
    video_id = nadia.new_video()
    token = nadia.call("POST", "/guests", {"name": "Troll"})["token"]
    for number in range(3):
        nadia.call("POST", f"/videos/{video_id}/comments", {"body": f"Rude {number}"}, token=token)
    phone = await signed_in(open_window, nadia, f"/videos/{video_id}/", size=PHONE, has_touch=True)
    await phone.is_live()
    await phone.page.locator(".comment", has_text="Rude 2").tap()
    await phone.page.get_by_role("button", name="More about this person").tap()
    await expect(phone.page.locator("#moderate-history")).to_contain_text("0 acts so far")
    assert await phone.serious_axe_findings() == []
    dialog = phone.page.get_by_role("dialog").filter(has=phone.page.locator("#moderate-history"))
    box = await dialog.bounding_box()
    assert box and box["x"] >= 0 and box["x"] + box["width"] <= PHONE[0] and box["y"] + box["height"] <= PHONE[1]
    assert await dialog.evaluate("(dialog) => dialog.scrollWidth <= dialog.clientWidth"), "nothing is cut at its side"
    await phone.page.get_by_label("Notes, for those who moderate here").fill("Was warned twice")
    await phone.page.get_by_role("button", name="Add", exact=True).tap()
    await expect(phone.page.locator("#moderate-notes li")).to_contain_text("Was warned twice")
    await expect(phone.page.locator("#moderate-note-body")).to_have_value("")
    await phone.page.get_by_label("Reason").fill("Spam")
    await phone.page.get_by_role("button", name="Delete all they have written").tap()
    await expect(phone.page.locator(".comment")).to_have_count(0)
    await phone.page.get_by_role("button", name="Undo").tap()
    await expect(phone.page.locator(".comment")).to_have_count(3)
    assert phone.problems == []


async def test_a_helper_is_offered_what_helpers_may_do(site: Site, open_window: OpenWindow) -> None:
    """The menu had pins and bans, and time-outs of a day, all of which were refused."""
    nadia, helper = make_broadcaster(site, "nadia-of-helpers"), make_broadcaster(site, "hella")
    video_id = nadia.new_video()
    path = f"/channels/{nadia.call('GET', '/me')['viewer']['id']}/roles/{helper.call('GET', '/me')['viewer']['id']}"
    nadia.call("PUT", path, {"role": "helper"})
    token = nadia.call("POST", "/guests", {"name": "Troll"})["token"]
    nadia.call("POST", f"/videos/{video_id}/comments", {"body": "A rude word"}, token=token)
    hella = await signed_in(open_window, helper, f"/videos/{video_id}/")
    await hella.is_live()
    await hella.page.locator(".comment .tools").wait_for(state="attached")
    await hella.page.locator(".comment").focus()
    await hella.page.keyboard.press("b")
    await hella.page.keyboard.press("e")
    dialog = hella.page.get_by_role("dialog")
    await expect(dialog.locator("[data-act]:visible")).to_have_text(["Time-out, 10 minutes", "Time-out, 1 hour"])
    await dialog.get_by_role("button", name="Time-out, 1 hour").click()
    await expect(hella.page.locator("#undo-bar")).to_contain_text("Troll")
    assert hella.problems == []
