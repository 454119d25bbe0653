"""Rules for comments, as the people concerned meet them: a broadcaster, and a viewer whose comment has to wait."""

from __future__ import annotations

from playwright.async_api import expect

from tests.e2e.conftest import OpenWindow, make_broadcaster, signed_in
from tests.sites import Site


async def test_a_comment_waits_until_the_broadcaster_approves_it(site: Site, open_window: OpenWindow) -> None:
    nadia = make_broadcaster(site, "nadia-of-rules")
    video_id, channel = nadia.new_video(), nadia.call("GET", "/me")["viewer"]["id"]
    owner = await signed_in(open_window, nadia, f"/rules/{channel}/")
    await owner.page.get_by_label("Hold for review").fill("money")
    await owner.page.get_by_role("button", name="Save the words").click()
    await expect(owner.page.get_by_role("status")).to_contain_text("They bind the next comment")

    viewer = await open_window(f"{site.urls[0]}/videos/{video_id}/")
    await viewer.join("Vera")
    await viewer.write("Where is my m0ney?")
    await expect(viewer.page.get_by_text("A moderator looks at your comment first.")).to_be_visible()
    await expect(viewer.page.locator(".comment")).to_have_count(0)

    other = await signed_in(open_window, nadia, f"/videos/{video_id}/")
    await other.page.locator(".queue-bar").click()
    dialog = other.page.get_by_role("dialog", name="Waiting for moderators")
    await expect(dialog).to_contain_text("Where is my m0ney?")
    await expect(owner.page.locator("#held-part")).to_contain_text("Where is my m0ney?")
    assert await other.serious_axe_findings() == []
    assert await owner.serious_axe_findings() == []
    await owner.page.get_by_role("button", name="Approve").click()
    await expect(owner.page.get_by_text("Nothing waits")).to_be_visible()
    await viewer.sees_comment("Where is my m0ney?")
    await expect(dialog).to_contain_text("Nothing waits.")

    await viewer.write("Give me some money")
    await dialog.get_by_role("button", name="Deny").click()
    await expect(dialog).to_contain_text("Nothing waits.")
    await expect(owner.page.locator("#held-part")).to_contain_text("Nothing waits.")
    assert [*owner.problems, *viewer.problems, *other.problems] == []


async def test_the_alarm_of_an_attack_closes_the_gate_by_one_press(site: Site, open_window: OpenWindow) -> None:
    nadia = make_broadcaster(site, "nadia-of-alarms")
    video_id, channel = nadia.new_video(), nadia.call("GET", "/me")["viewer"]["id"]
    owner = await signed_in(open_window, nadia, f"/videos/{video_id}/")
    page = await signed_in(open_window, nadia, f"/rules/{channel}/")
    await owner.is_live()
    for number in range(6):
        token = nadia.call("POST", "/guests", {"name": f"Attacker {number}"})["token"]
        nadia.call("POST", f"/videos/{video_id}/comments", {"body": "Come over to the other channel"}, token=token)
    bar = owner.page.locator(".gate-bar")
    await expect(bar).to_contain_text("Attack: 6 newcomers write alike")
    await expect(page.page.locator("#gate-part")).to_contain_text("Attack: 6 newcomers write alike")
    await expect(owner.page.locator(".comment")).to_have_count(6)
    assert await owner.serious_axe_findings() == []
    await bar.get_by_role("button", name="Close the gate").click()
    await expect(owner.page.locator(".comment")).to_have_count(0)
    await expect(bar).to_contain_text("The gate is closed until")
    await expect(page.page.locator("#gate-part")).to_contain_text("Gate closed")
    await bar.get_by_role("button", name="Open the gate").click()
    await expect(bar).to_be_hidden()
    assert [*owner.problems, *page.problems] == []


async def test_a_held_question_waits_until_it_is_approved(site: Site, open_window: OpenWindow) -> None:
    nadia = make_broadcaster(site, "nadia-of-held-questions")
    video_id, channel = nadia.new_video(), nadia.call("GET", "/me")["viewer"]["id"]
    nadia.call("PUT", f"/channels/{channel}/words", {"refused": "", "held": "money"})
    nadia.call("PUT", f"/videos/{video_id}/questions", {"is_open": True})
    owner = await signed_in(open_window, nadia, f"/videos/{video_id}/")
    viewer = await open_window(f"{site.urls[0]}/videos/{video_id}/")
    await viewer.join("Vera")
    await viewer.page.get_by_role("tab", name="Questions").click()
    field = viewer.page.get_by_placeholder("Ask a question")
    await field.fill("Where is my money?")
    await field.press("Enter")
    await expect(viewer.page.locator("#ask-error")).to_contain_text("A moderator looks at your question first.")
    await owner.page.locator(".queue-bar").click()
    dialog = owner.page.get_by_role("dialog", name="Waiting for moderators")
    await expect(dialog.get_by_role("listitem").filter(has_text="Where is my money?")).to_contain_text("Question")
    await dialog.get_by_role("button", name="Approve").click()
    await expect(viewer.page.locator(".question", has_text="Where is my money?")).to_have_count(1)
    await expect(dialog).to_contain_text("Nothing waits.")
    assert [*owner.problems, *viewer.problems] == []
