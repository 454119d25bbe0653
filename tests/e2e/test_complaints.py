"""A viewer reports a comment; a moderator sees it come, and decides."""

from __future__ import annotations

from playwright.async_api import expect

from tests.e2e.conftest import PHONE, OpenWindow, act_on, make_broadcaster, signed_in
from tests.sites import Site

RUDE = "A rude word about somebody's family"

# It goes by itself: shown again, so that its place can be looked at.
IN_THE_WAY = """(toast) => {
    toast.hidden = false;
    const [place, composer] = [toast, document.getElementById("composer")].map((part) => part.getBoundingClientRect());
    const wrong = {
        "out of the window": place.left < 0 || place.right > innerWidth || place.top < 0 || place.bottom > innerHeight,
        "over the field": place.bottom > composer.top && place.right > composer.left,
    };
    return Object.keys(wrong).filter((name) => wrong[name]);
}"""


async def test_a_reported_comment_is_deleted_and_a_dismissal_taken_back(site: Site, open_window: OpenWindow) -> None:
    nadia = make_broadcaster(site, "nadia-of-reports")
    video_id = nadia.new_video()
    troll = nadia.call("POST", "/guests", {"name": "A troll"})["token"]
    for body in (RUDE, "Another rude word"):
        nadia.call("POST", f"/videos/{video_id}/comments", {"body": body}, token=troll)
    owner = await signed_in(open_window, nadia, f"/videos/{video_id}/")
    await owner.is_live()
    bar, dialog = owner.page.locator(".queue-bar"), owner.page.get_by_role("dialog", name="Waiting for moderators")

    viewer = await open_window(f"{site.urls[1]}/videos/{video_id}/")
    await viewer.join("A bystander")
    for body, reason in ((RUDE, "Harassment or hate"), ("Another rude word", "Spam or advertising")):
        await act_on(viewer.page.locator(".comment", has_text=body), "Report it")
        asked = viewer.page.get_by_role("dialog", name="Report to the moderators")
        await expect(asked).to_contain_text(body)
        await asked.get_by_label(reason).check()
        await asked.get_by_label("Anything the moderators should know").fill("It hurts.")
        assert await viewer.serious_axe_findings() == []
        await asked.get_by_role("button", name="Send").click()
        await expect(viewer.page.locator("#toast")).to_contain_text("Thank you")
        assert await viewer.page.locator("#toast").evaluate(IN_THE_WAY) == []
        await expect(asked).to_be_hidden()

    await expect(bar).to_contain_text("2 reported")
    await bar.click()
    first, second = (dialog.get_by_role("listitem").filter(has_text=body) for body in ("Another rude word", RUDE))
    await expect(second).to_contain_text("Harassment or hate")
    await expect(second).to_contain_text("A bystander")
    await expect(second).to_contain_text("It hurts.")
    assert await owner.serious_axe_findings() == []
    await first.get_by_role("button", name="Dismiss").focus()
    await owner.page.keyboard.press("Enter")
    await expect(first).to_have_count(0)
    await expect(second.get_by_role("button", name="Delete")).to_be_focused()
    await owner.page.get_by_role("button", name="Undo").click()
    await expect(first).to_have_count(1)
    await second.get_by_role("button", name="Delete").click()
    await expect(viewer.page.locator(".comment", has_text=RUDE)).to_have_count(0)
    await expect(second).to_have_count(0)
    await first.get_by_role("button", name="Dismiss").click()
    await expect(dialog).to_contain_text("Nothing waits.")
    await dialog.get_by_role("button", name="Close").click()
    await expect(bar).to_be_hidden()
    await expect(viewer.page.locator(".comment")).to_have_count(1)
    assert [*owner.problems, *viewer.problems] == []


async def test_a_report_on_a_phone_asks_for_a_name_first(site: Site, open_window: OpenWindow) -> None:
    """It is about the person. A moderator finds it on the page that needs no script, too, and has no "Report it"."""
    nadia = make_broadcaster(site, "nadia-of-phones")
    video_id = nadia.new_video()
    token = nadia.call("POST", "/guests", {"name": "A troll"})["token"]
    nadia.call("POST", f"/videos/{video_id}/comments", {"body": RUDE}, token=token)
    phone = await open_window(f"{site.urls[0]}/videos/{video_id}/", size=PHONE, has_touch=True)
    await phone.is_live()
    await phone.page.locator(".comment .tools").wait_for(state="attached")  # what the server drew has none
    await phone.page.locator(".comment").tap()
    await phone.page.get_by_role("button", name="Report it").tap()
    await phone.page.locator("#guest-name").fill("On the bus")
    await phone.page.locator("#guest-dialog").get_by_role("button", name="Join").tap()
    asked = phone.page.get_by_role("dialog", name="Report to the moderators")
    await asked.get_by_label("The person").check()
    await asked.get_by_label("Violence or danger").check()
    assert await phone.serious_axe_findings() == []
    await asked.get_by_role("button", name="Send").tap()
    await expect(phone.page.locator("#toast")).to_contain_text("Thank you")
    assert await phone.page.locator("#toast").evaluate(IN_THE_WAY) == []

    channel = nadia.call("GET", "/me")["viewer"]["id"]
    owner = await signed_in(open_window, nadia, f"/rules/{channel}/", size=PHONE)
    await expect(owner.page.locator(".reported")).to_contain_text("On the bus")
    await expect(owner.page.locator(".reported")).to_contain_text("The person, not a comment")
    assert await owner.serious_axe_findings() == []
    await owner.page.goto(f"{site.urls[0]}/videos/{video_id}/?as=dock")
    await owner.is_live()
    await owner.page.locator(".queue-bar").click()
    await owner.page.get_by_role("dialog").get_by_role("button", name="Ban").click()
    await expect(owner.page.locator("#undo-text")).to_contain_text("A troll is banned")
    await expect(owner.page.get_by_role("dialog")).to_contain_text("Nothing waits.")
    await owner.page.get_by_role("dialog").get_by_role("button", name="Close").click()
    await owner.page.locator(".comment").focus()
    await owner.page.keyboard.press("Enter")
    await expect(owner.page.locator("#comment-menu [data-do=report]")).to_be_hidden()
    assert [*phone.problems, *owner.problems] == []


async def test_a_question_is_reported_deleted_and_brought_back(site: Site, open_window: OpenWindow) -> None:
    nadia = make_broadcaster(site, "nadia-of-questions")
    video_id = nadia.new_video()
    nadia.call("PUT", f"/videos/{video_id}/questions", {"is_open": True})
    troll = nadia.call("POST", "/guests", {"name": "A troll"})["token"]
    nadia.call("POST", f"/videos/{video_id}/questions", {"body": RUDE}, token=troll)
    owner = await signed_in(open_window, nadia, f"/videos/{video_id}/")
    viewer = await open_window(f"{site.urls[1]}/videos/{video_id}/")
    await viewer.join("A bystander")
    question = viewer.page.locator(".question", has_text=RUDE)
    await viewer.page.get_by_role("tab", name="Questions").click()
    await question.get_by_role("button", name="Report it").click()
    asked = viewer.page.get_by_role("dialog", name="Report to the moderators")
    await expect(asked).to_contain_text(RUDE)
    await expect(asked.get_by_label("This question")).to_be_checked()
    await asked.get_by_label("Harassment or hate").check()
    assert await viewer.serious_axe_findings() == []
    await asked.get_by_role("button", name="Send").click()
    await expect(viewer.page.locator("#toast")).to_contain_text("Thank you")

    await owner.page.locator(".queue-bar").click()
    dialog = owner.page.get_by_role("dialog", name="Waiting for moderators")
    await expect(dialog).to_contain_text(RUDE)
    assert await owner.serious_axe_findings() == []
    await dialog.get_by_role("button", name="Delete").click()
    await expect(question).to_have_count(0)
    await owner.page.get_by_role("button", name="Undo").click()
    await expect(question).to_have_count(1)
    await expect(dialog).to_contain_text(RUDE)
    assert [*owner.problems, *viewer.problems] == []
