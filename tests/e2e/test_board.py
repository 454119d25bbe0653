"""What is beside the picture, in real browsers: the broadcaster asks, viewers vote, all see how it stands."""

from __future__ import annotations

from playwright.async_api import expect

from tests.e2e.conftest import PHONE, Broadcaster, OpenWindow, make_broadcaster
from tests.e2e.test_watch import live_as, watch
from tests.sites import Site


async def test_viewers_vote_and_everybody_sees_how_it_stands(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    """One on a computer, by keyboard, one on a phone on another node; the broadcaster asks from the page."""
    video_id = broadcaster.new_video(title="Which song?")
    nadia = await live_as(open_window, broadcaster, video_id)
    ada = await open_window(watch(site, video_id))
    bo = await open_window(watch(site, video_id, node=1), size=PHONE, color_scheme="dark")
    await ada.join("Ada")

    await nadia.page.get_by_role("button", name="Polls and announcements").click()
    dialog = nadia.page.get_by_role("dialog", name="For your viewers")
    await dialog.get_by_role("button", name="Ask", exact=True).click()
    await expect(dialog.get_by_role("alert")).to_contain_text("two options")
    await dialog.get_by_label("Question").fill("Which song comes next?")
    await dialog.get_by_label("Option 1").fill("The old one")
    await dialog.get_by_label("Option 2").fill("A new one")
    assert await nadia.serious_axe_findings() == []
    await dialog.get_by_role("button", name="Ask", exact=True).click()

    for window in (ada, bo, nadia):
        await expect(window.page.locator(".poll-question")).to_have_text("Which song comes next?")
    await ada.page.get_by_role("button", name="The old one").focus()
    await ada.page.keyboard.press("Enter")
    await expect(ada.page.locator(".poll-option", has_text="The old one")).to_have_attribute("aria-pressed", "true")
    # Somebody without a name says it first; the vote is cast then.
    await bo.page.get_by_role("button", name="A new one").click()
    await bo.page.locator("#guest-name").fill("Bo")
    await bo.page.locator("#guest-dialog").get_by_role("button", name="Join").click()
    for window in (ada, bo, nadia):
        await expect(window.page.locator(".poll-option", has_text="A new one").locator(".poll-share")).to_have_text(
            "50%"
        )
        await expect(window.page.locator("[data-poll=votes]")).to_have_text("2 votes")
    await expect(ada.page.locator(".poll-option").first).to_be_disabled()

    await nadia.page.get_by_role("button", name="Polls and announcements").click()
    await dialog.get_by_role("button", name="Close the poll").click()
    await expect(ada.page.locator("[data-poll=left]")).to_have_text("Over")
    for window in (ada, bo):
        assert await window.serious_axe_findings() == []
    await ada.page.reload()
    await expect(ada.page.locator(".poll-option", has_text="The old one")).to_have_attribute("aria-pressed", "true")
    await ada.page.get_by_role("button", name="Hide the result").click()
    await expect(ada.page.locator(".poll")).to_be_hidden()
    for window in (nadia, ada, bo):
        assert window.problems == []


async def test_an_announcement_a_goal_and_a_raid(site: Site, broadcaster: Broadcaster, open_window: OpenWindow) -> None:
    video_id = broadcaster.new_video(title="Before the raid")
    other = make_broadcaster(site, "raided")
    target = other.new_video(title="Where they go")
    nadia = await live_as(open_window, broadcaster, video_id)
    ada = await open_window(watch(site, video_id, node=1), size=PHONE)
    bo = await open_window(watch(site, target), color_scheme="dark")
    await bo.is_live()
    await nadia.page.get_by_role("button", name="Polls and announcements").click()
    dialog = nadia.page.get_by_role("dialog", name="For your viewers")

    await dialog.get_by_text("Announce something").click()
    await dialog.get_by_label("Announcement").fill("A break of ten minutes: https://example.com/plan.")
    await dialog.get_by_role("button", name="Announce", exact=True).click()
    await expect(ada.page.get_by_role("region", name="Announcement")).to_contain_text("A break of ten minutes")
    address = ada.page.get_by_role("region", name="Announcement").get_by_role("link")
    await expect(address).to_have_attribute("href", "https://example.com/plan")
    await dialog.get_by_text("Set a goal").first.click()
    await dialog.get_by_label("Number").fill("2")
    await dialog.get_by_label("What happens then").fill("Then I sing")
    await dialog.get_by_role("button", name="Set the goal").click()
    await expect(ada.page.locator(".goal")).to_contain_text("0 of 2 likes")
    for number in range(2):
        liker = broadcaster.call("POST", "/guests", {"name": f"Liker {number}"})
        broadcaster.call("PUT", f"/videos/{video_id}/like", {"kind": "love"}, token=liker["token"])
    await expect(ada.page.locator(".goal")).to_contain_text("Reached!")

    await dialog.get_by_text("Take everybody to").click()
    await dialog.get_by_label("Broadcast").select_option(target)
    assert await nadia.serious_axe_findings() == []
    await dialog.get_by_role("button", name="Take them there").click()
    await expect(ada.page.locator(".raid-head")).to_contain_text("you go on to")
    assert await ada.serious_axe_findings() == []
    await expect(bo.page.get_by_text("came with")).to_be_visible()
    await ada.page.get_by_role("button", name="Stay here").click()
    await ada.page.get_by_role("link", name="Go there").click()
    await ada.page.wait_for_url(f"**/videos/{target}/")
    for window in (nadia, ada, bo):
        assert window.problems == []


async def test_viewers_ask_vote_and_see_what_is_answered(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    """One on a computer, by keyboard, one on a phone on another node; the broadcaster in the dock of the studio."""
    video_id = broadcaster.new_video(title="Ask me")
    nadia = await live_as(open_window, broadcaster, video_id)
    ada = await open_window(watch(site, video_id))
    bo = await open_window(watch(site, video_id, node=1), size=PHONE, color_scheme="dark")
    await ada.join("Ada")
    await expect(ada.page.get_by_role("tab", name="Questions")).to_have_count(0)

    await nadia.page.get_by_role("button", name="Polls and announcements").click()
    dialog = nadia.page.get_by_role("dialog", name="For your viewers")
    await dialog.get_by_text("Let viewers ask questions").click()
    await dialog.get_by_role("button", name="Begin").click()
    await expect(dialog.get_by_role("button", name="Stop")).to_be_visible()
    await dialog.get_by_role("button", name="Close", exact=True).click()

    await expect(ada.page.get_by_role("tab", name="Questions")).to_be_visible()
    await ada.page.get_by_role("tab", name="Comments").focus()
    await ada.page.keyboard.press("ArrowRight")
    await expect(ada.page.get_by_role("tab", name="Questions")).to_be_focused()
    for body in ("How did you learn this?", "Will there be a second part?"):
        await ada.page.get_by_placeholder("Ask a question").fill(body)
        await ada.page.keyboard.press("Enter")
        await expect(ada.page.locator("#question-list .question", has_text=body)).to_be_visible()
    await bo.page.get_by_role("tab", name="Questions").click()
    vote = bo.page.get_by_role("button", name="Vote for this question: Will there be a second part?")
    # Somebody without a name says it first; the vote is cast then.
    await vote.click()
    await bo.page.locator("#guest-name").fill("Bo")
    await bo.page.locator("#guest-dialog").get_by_role("button", name="Join").click()
    await expect(vote).to_have_attribute("aria-pressed", "true")
    await expect(ada.page.locator("#question-list .question").first).to_contain_text("Will there be a second part?")
    await expect(ada.page.locator(".question-vote .num").first).to_have_text("1")
    await ada.page.locator(".question-vote").nth(1).focus()
    await ada.page.keyboard.press("Enter")
    await expect(ada.page.locator(".question-vote").nth(1)).to_have_attribute("aria-pressed", "true")
    await vote.click()
    await expect(vote).to_have_attribute("aria-pressed", "false")

    await nadia.page.goto(f"{watch(site, video_id)}?as=dock")
    await nadia.page.get_by_role("tab", name="Questions").click()
    learn = nadia.page.locator("#question-list .question", has_text="How did you learn this?")
    await expect(learn.locator(".question-vote .num")).to_have_text("1")
    await learn.get_by_role("button", name="Answer now").click()
    await expect(ada.page.locator("#answered")).to_be_hidden()
    await bo.page.get_by_role("tab", name="Comments").click()
    await expect(bo.page.get_by_role("region", name="Being answered now")).to_contain_text("How did you learn this?")
    for window in (ada, bo, nadia):
        assert await window.serious_axe_findings() == []
    await learn.get_by_role("button", name="Answered").click()
    await expect(bo.page.get_by_role("region", name="Being answered now")).to_be_hidden()
    await expect(ada.page.locator("#question-list .question")).to_have_count(1)
    await ada.page.locator("#answered summary").click()
    await expect(ada.page.locator("#answered-list")).to_contain_text("How did you learn this?")
    await ada.page.reload()
    await expect(ada.page.get_by_role("tab", name="Questions")).to_have_attribute("aria-selected", "true")
    await expect(ada.page.locator("#question-list .question")).to_have_count(1)
    for window in (nadia, ada, bo):
        assert window.problems == []


async def test_a_question_asked_offline_is_sent_when_the_connection_is_back(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    """It was put back into its field, and nobody sent it."""
    video_id = broadcaster.new_video(title="Ask me in the tunnel")
    broadcaster.call("PUT", f"/videos/{video_id}/questions", {"is_open": True})
    ada = await open_window(watch(site, video_id))
    await ada.join("Ada")
    await ada.page.get_by_role("tab", name="Questions").click()
    field = ada.page.get_by_placeholder("Ask a question")

    await ada.page.context.set_offline(True)
    await field.fill("Is it dark in there?")
    await field.press("Enter")
    await expect(ada.page.locator("#ask .error")).to_have_text("Not sent yet. Trying again…")
    await expect(field).to_have_value("Is it dark in there?")
    await ada.page.context.set_offline(False)
    await expect(ada.page.locator("#question-list .question")).to_contain_text("Is it dark in there?")
    await expect(field).to_have_value("")
    await expect(ada.page.locator("#ask .error")).to_be_hidden()
