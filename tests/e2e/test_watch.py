"""The watch page in a real browser, against a real site: what one viewer does, the other sees.

Windows are on different nodes where two take part, so every event crosses the dispatcher.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from playwright.async_api import Route, expect

from tests.e2e.conftest import (
    DESKTOP,
    PHONE,
    SIDEWAYS,
    Broadcaster,
    OpenWindow,
    Window,
    act_on,
    make_broadcaster,
    signed_in,
)
from tests.sites import Site, wait_for

Picture = Callable[..., str]


def watch(site: Site, video_id: str, *, node: int = 0) -> str:
    return f"{site.urls[node]}/videos/{video_id}/"


async def test_a_like_and_a_comment_reach_the_other_browser_while_the_picture_runs(
    site: Site, broadcaster: Broadcaster, picture: Picture, open_window: OpenWindow
) -> None:
    video_id = broadcaster.new_video(title="Two browsers")
    broadcaster.call("PATCH", f"/videos/{video_id}", {"playlist": picture(video_id)})
    ada = await open_window(watch(site, video_id, node=0), color_scheme="dark")
    bo = await open_window(watch(site, video_id, node=1), color_scheme="light")
    await bo.is_live()

    await ada.join("Ada")
    await ada.page.get_by_role("button", name="Like", exact=True).click()
    await ada.write("Hello from the first browser")

    await bo.sees_comment("Hello from the first browser")
    await expect(bo.page.locator("#liked")).to_have_text(re.compile(r"1\s+like$"))
    await expect(bo.page.locator("#liked-by")).to_contain_text("Ada")
    await ada.sees_comment("Hello from the first browser")
    await expect(ada.page.locator("#like")).to_have_attribute("aria-pressed", "true")
    for window in (ada, bo):
        await plays(window)
        assert await window.serious_axe_findings() == []
        assert window.problems == []


async def plays(window: Window) -> None:
    """Return when the picture moves: its time goes on by more than a second."""
    await window.until("document.querySelector('video').currentTime > 0 && !document.querySelector('video').paused")
    start = await window.page.evaluate("document.querySelector('video').currentTime")
    await window.until(f"document.querySelector('video').currentTime > {start} + 1")
    assert await window.page.evaluate("document.querySelector('video').videoWidth") == 320


async def test_the_first_state_is_there_without_scripts(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    video_id = broadcaster.new_video(title="Read me without scripts")
    broadcaster.comment(video_id, "Rendered by the server")

    window = await open_window(watch(site, video_id), java_script_enabled=False)

    await expect(window.page.get_by_role("heading", name="Read me without scripts")).to_be_visible()
    await expect(window.page.get_by_text("Rendered by the server")).to_be_visible()
    assert "Switch on JavaScript" in await window.page.content()


async def test_the_script_takes_over_without_changing_what_the_server_drew(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    """A number or a comment that the two write differently would flicker, one of another size would jump."""
    video_id = broadcaster.new_video(title="The same twice")
    first = broadcaster.comment(video_id, "A first comment\nof two lines")
    broadcaster.call("POST", f"/videos/{video_id}/comments", {"body": "An answer", "reply_to": first["id"]})
    broadcaster.call("PUT", f"/videos/{video_id}/like", {"kind": "insightful"})
    # The second window is one more viewer, who may follow the channel.
    shown = """[...document.querySelectorAll('.comment, .about-text')].map((part) => [
        part.innerText.replace(/\\d+\\s+watching|Follow/g, "").replace(/\\s+/g, " "),
        ...["x", "height"].map((side) => part.getBoundingClientRect()[side]),
    ])"""

    still = await open_window(watch(site, video_id), java_script_enabled=False)
    moving = await open_window(watch(site, video_id))
    await moving.is_live()
    await moving.page.locator(".comment .tools").first.wait_for(state="attached")
    await expect(moving.page.get_by_role("button", name="Follow")).to_be_visible()

    assert await moving.page.evaluate(shown) == await still.page.evaluate(shown)


async def test_everything_can_be_done_with_the_keyboard_alone(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    video_id = broadcaster.new_video(title="Hands on the keys")
    broadcaster.comment(video_id, "Who is there?")
    window = await open_window(watch(site, video_id))
    await window.is_live()
    keys = window.page.keyboard

    await tab_to(window, "#join-name")
    await keys.type("Grace")
    await keys.press("Enter")
    await expect(window.page.locator("#body")).to_be_focused()
    await keys.type("Typed, not clicked")
    await keys.press("Enter")
    await window.sees_comment("Typed, not clicked")

    # From comment to comment with the arrows, to its tools with Tab.
    await tab_to(window, "#scroller", backwards=True)
    await keys.press("ArrowUp")
    await keys.press("ArrowUp")
    await keys.press("Tab")
    await expect(window.page.get_by_role("button", name="Reply").first).to_be_focused()
    await keys.press("Enter")
    await expect(window.page.locator("#replying-text")).to_have_text("Replying to Nadia")
    await keys.type("I am")
    await keys.press("Enter")
    await expect(window.page.locator(".comment", has_text="I am").locator(".quote")).to_contain_text("Who is there?")

    # A kind of like with the arrows.
    await tab_to(window, "#like", backwards=True)
    await keys.press("ArrowUp")
    await keys.press("ArrowRight")
    await keys.press("Enter")
    await expect(window.page.locator("#like")).to_be_focused()
    await expect(window.page.locator("#like-word")).to_have_text("Celebrate")
    await expect(window.page.locator("#likes")).to_have_text("1")
    # Once more takes it back.
    await keys.press("Enter")
    await expect(window.page.locator("#likes")).to_have_text("0")
    assert window.problems == []


async def tab_to(window: Window, selector: str, *, backwards: bool = False) -> None:
    """Press Tab until the element has the focus."""
    for _ in range(60):
        await window.page.keyboard.press("Shift+Tab" if backwards else "Tab")
        if await window.page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return
    pytest.fail(f"{selector} cannot be reached with Tab")


async def test_a_lost_connection_is_said_and_repaired_with_what_was_missed(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    video_id = broadcaster.new_video(title="A tunnel")
    window = await open_window(watch(site, video_id))
    await window.is_live()

    await window.page.context.set_offline(True)
    await expect(window.page.locator("#line-text")).to_have_text(re.compile("offline"))
    boxes = [await window.page.locator(part).bounding_box() for part in ("#line-state", "#comments-panel")]
    assert boxes[0] and boxes[1]
    assert boxes[0]["y"] + boxes[0]["height"] <= boxes[1]["y"], "it covers nothing that could be pressed"
    broadcaster.comment(video_id, "Said while you were away")
    await window.page.context.set_offline(False)

    await window.sees_comment("Said while you were away")
    await expect(window.page.locator("#line-text")).to_have_text("")


async def test_a_hidden_silent_page_lets_go_of_its_stream_and_catches_up_when_it_is_seen(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    """Nobody watches it: it must not count as a viewer, nor hold one of the browser's few connections."""
    video_id = broadcaster.new_video(title="Behind other windows")
    window = await open_window("about:blank")
    await window.page.clock.install()
    await window.page.goto(watch(site, video_id))
    await window.is_live()
    hide = "(hidden) => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true }); "
    hide += "document.dispatchEvent(new Event('visibilitychange')); }"

    def watching() -> int:
        return int(broadcaster.call("GET", f"/videos/{video_id}")["viewers"]["count"])

    wait_for(lambda: watching() == 1, "the viewer to count")
    await window.page.evaluate(hide, True)
    await window.page.clock.fast_forward("00:16")
    wait_for(lambda: watching() == 0, "the hidden page not to count")
    broadcaster.comment(video_id, "Said to nobody")

    await window.page.evaluate(hide, False)

    await window.page.clock.resume()
    await window.sees_comment("Said to nobody")


async def test_a_node_that_dies_costs_no_comment(start_site: Callable[..., Site], open_window: OpenWindow) -> None:
    site = start_site(nodes=2)
    broadcaster = make_broadcaster(site)
    video_id = broadcaster.new_video(title="A crash")
    window = await open_window(watch(site, video_id, node=1))
    await window.is_live()

    site.nodes[1].kill()
    await window.page.locator("#line-state[data-state=lost]").wait_for(state="attached")
    broadcaster.comment(video_id, "Said while the node was down")
    site.start_node(1)

    await window.sees_comment("Said while the node was down")
    await window.is_live()


async def test_what_a_moderator_deletes_or_pins_changes_at_the_other(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    video_id = broadcaster.new_video(title="Moderated")
    broadcaster.comment(video_id, "Rules: be kind")
    viewer = await open_window(watch(site, video_id, node=1))
    await viewer.join("Rude")
    await viewer.write("Something unkind")
    moderator = await live_as(open_window, broadcaster, video_id)
    unkind = moderator.page.locator(".comment", has_text="Something unkind").first
    unkind_id = await unkind.get_attribute("data-id")
    broadcaster.call("POST", f"/videos/{video_id}/comments", {"body": "Stop that", "reply_to": unkind_id})
    quote = viewer.page.locator(".comment", has_text="Stop that").locator(".quote")
    await expect(quote).to_contain_text("Something unkind")

    await act_on(unkind, "Delete")
    await expect(moderator.page.get_by_role("button", name="Undo")).to_be_visible()
    await expect(viewer.page.locator(".comment", has_text="Something unkind")).to_have_count(0)
    await expect(quote).to_have_text("an earlier comment")
    await expect(unkind).to_have_count(0)

    rules = moderator.page.locator(".comment", has_text="Rules: be kind")
    await act_on(rules, "Pin")
    await expect(viewer.page.locator("#pinned")).to_contain_text("Rules: be kind")

    await moderator.page.get_by_role("button", name="Unpin").click()
    await expect(viewer.page.locator("#pinned")).to_be_hidden()
    assert viewer.problems == moderator.problems == []


async def live_as(open_window: OpenWindow, broadcaster: Broadcaster, video_id: str) -> Window:
    window = await signed_in(open_window, broadcaster, f"/videos/{video_id}/")
    await window.is_live()
    return window


async def test_whoever_logs_out_in_one_tab_is_nobody_in_the_other(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    video_id = broadcaster.new_video(title="Two tabs, one goodbye")
    first = await live_as(open_window, broadcaster, video_id)
    other = Window(await first.page.context.new_page())
    await other.page.goto(watch(site, video_id))
    await other.is_live()
    studio = other.page.get_by_role("link", name="Studio")
    await expect(studio).to_be_visible()

    await log_out(first)

    await expect(studio).to_be_hidden()
    await expect(other.page.locator("[data-nobody] .icon")).to_be_visible()
    await expect(other.page.locator("[data-viewer-face]")).to_be_hidden()
    await other.page.get_by_role("button", name="Account and appearance").click()
    await expect(other.page.locator("#menu").get_by_role("link", name="Sign in with an account")).to_be_visible()
    await expect(other.page.get_by_role("button", name="Log out")).to_be_hidden()


async def log_out(window: Window) -> None:
    await window.page.get_by_role("button", name="Account and appearance").click()
    await window.page.get_by_role("button", name="Log out").click()
    await expect(window.page).to_have_url(re.compile("^http://[^/]+/$"))


async def test_a_guest_can_log_out_and_is_told_that_there_is_no_way_back(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    video_id = broadcaster.new_video(title="A short visit")
    window = await open_window(watch(site, video_id))
    await window.join("Passing by")
    await window.page.get_by_role("button", name="Account and appearance").click()
    await expect(window.page.locator("#guest-leaves")).to_contain_text("out of reach")
    assert await window.serious_axe_findings() == []
    await window.page.keyboard.press("Escape")

    await log_out(window)

    await window.page.goto(watch(site, video_id))
    await expect(window.page.locator("#join-name")).to_be_visible()
    assert window.problems == []


async def test_whose_session_is_over_is_asked_for_a_name_and_keeps_the_text(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    video_id = broadcaster.new_video(title="Too long away")
    window = await open_window(watch(site, video_id))
    await window.join("Rip")
    await window.page.context.clear_cookies(name="sessionid")

    await window.write("Where was I?")

    await expect(window.page.locator("#toast")).to_contain_text("no name here any more")
    await expect(window.page.locator("#write")).to_be_hidden()
    await expect(window.page.locator("#join-name")).to_be_focused()
    await window.join("Van Winkle")
    await expect(window.page.locator("#body")).to_have_value("Where was I?")
    await expect(window.page.locator("#write-error")).to_be_hidden()
    await window.page.get_by_role("button", name="Send", exact=True).click()
    await window.sees_comment("Where was I?")


async def test_an_author_deletes_an_own_comment(site: Site, broadcaster: Broadcaster, open_window: OpenWindow) -> None:
    video_id = broadcaster.new_video(title="Second thoughts")
    window = await open_window(watch(site, video_id))
    await window.join("Zoë")
    await window.write("I regret this")
    await window.sees_comment("I regret this")

    own = window.page.locator(".comment.mine", has_text="I regret this")
    await act_on(own, "Delete")
    await window.page.get_by_role("dialog").get_by_role("button", name="Delete").click()

    await expect(own).to_have_count(0)


async def test_what_is_written_offline_waits_and_is_sent_when_the_connection_is_back(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    """It was never sent, though its client_id makes that safe; and the page said: "Comments and likes go on."."""
    video_id = broadcaster.new_video(title="Bad line")
    window = await open_window(watch(site, video_id))
    await window.join("Jan")
    await window.is_live()
    goes_on = window.page.locator("#curtain-none").get_by_text("Comments and likes go on.")
    await expect(goes_on).to_be_visible()

    await window.page.context.set_offline(True)
    await expect(goes_on).to_be_hidden()
    await window.write("First")
    await window.write("Second")
    await window.page.locator("#like").click()
    waiting = window.page.locator(".comment.waiting")
    await expect(waiting.get_by_text("Not sent yet. Trying again…")).to_have_count(2)
    await expect(window.page.locator("#act-note")).to_have_text("Not sent yet. Trying again…")
    await window.page.context.set_offline(False)

    await window.sees_comment("Second")
    await expect(window.page.locator(".comment .comment-body")).to_have_text(["First", "Second"])
    await expect(window.page.locator("#likes")).to_have_text("1")
    await expect(window.page.locator("#act-note")).to_be_hidden()
    await expect(goes_on).to_be_visible()

    await window.page.context.set_offline(True)
    await window.write("Too late")
    await expect(waiting).to_have_count(1)
    broadcaster.call("PATCH", f"/videos/{video_id}", {"comments_enabled": False})
    await window.page.context.set_offline(False)
    refused = window.page.locator(".comment.failed", has_text="Too late")
    await expect(refused.get_by_text("Not sent. Comments are turned off.")).to_be_visible()
    await expect(goes_on).to_be_hidden()
    broadcaster.call("PATCH", f"/videos/{video_id}", {"comments_enabled": True})
    await refused.get_by_role("button", name="Try again").click()
    await window.sees_comment("Too late")
    await expect(window.page.locator(".comment")).to_have_count(3)


async def test_whoever_comments_too_fast_is_told_how_long_to_wait_and_keeps_the_text(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    video_id = broadcaster.new_video(title="Slow down")
    window = await open_window(watch(site, video_id))
    await window.join("Hasty")

    async def too_fast(route: Route) -> None:
        body = '{"code": "rate_limited", "detail": "Slow down."}'
        await route.fulfill(status=429, headers={"Retry-After": "2"}, content_type="application/json", body=body)

    comments = f"**/api/v1/videos/{video_id}/comments"
    await window.page.route(comments, too_fast)
    await window.write("First!")

    await expect(window.page.locator("#write-error")).to_have_text(re.compile(r"Wait \d s to comment again\."))
    await expect(window.page.locator("#body")).to_have_value("First!")
    await window.page.unroute(comments)
    await expect(window.page.locator("#write-error")).to_be_hidden()
    await window.page.get_by_role("button", name="Send", exact=True).click()
    await window.sees_comment("First!")


async def test_the_length_shows_near_the_limit_and_what_is_too_long_is_not_sent(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    video_id = broadcaster.new_video(title="Many words")
    window = await open_window(watch(site, video_id))
    await window.join("Writer")
    left, send = window.page.locator("#write-left"), window.page.locator("#send")

    await window.page.locator("#body").fill("x" * 949)
    await expect(left).to_be_hidden()
    await window.page.locator("#body").fill("x" * 990)
    await expect(left).to_have_text("10 characters left")
    await window.page.locator("#body").fill("x" * 1_001)
    await expect(left).to_have_text("1 character too many")
    await expect(send).to_have_attribute("aria-disabled", "true")
    # Both limits at once: 1,000 characters of 4 bytes each may be sent.
    await window.page.locator("#body").fill("𝔘" * 1_000)
    await expect(send).to_have_attribute("aria-disabled", "false")


async def test_new_comments_do_not_move_what_one_reads(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    video_id = broadcaster.new_video(title="Scrolled up")
    for number in range(30):
        broadcaster.comment(video_id, f"Comment number {number}")
    window = await open_window(watch(site, video_id))
    await window.is_live()
    scroller = window.page.locator("#scroller")
    await scroller.evaluate("(element) => { element.scrollTop -= 300; }")
    place = "(document.querySelectorAll('.comment')[20].getBoundingClientRect().top)"
    before = await window.page.evaluate(place)

    broadcaster.comment(video_id, "The newest of all")

    newest = window.page.locator("#newest")
    await expect(newest).to_have_text("1 new comment")
    assert abs(await window.page.evaluate(place) - before) < 2
    await newest.click()
    await expect(newest).to_be_hidden()
    await expect(window.page.get_by_text("The newest of all")).to_be_in_viewport()


async def test_older_comments_come_when_one_scrolls_up(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    video_id = broadcaster.new_video(title="A long talk")
    for number in range(60):
        broadcaster.comment(video_id, f"Comment number {number:02}")
    window = await open_window(watch(site, video_id))
    await window.is_live()
    await expect(window.page.locator(".comment")).to_have_count(50)

    await window.page.locator("#scroller").evaluate("(element) => { element.scrollTop = 0; }")

    await expect(window.page.locator(".comment")).to_have_count(60)
    bodies = await window.page.locator(".comment-body").all_inner_texts()
    assert bodies == [f"Comment number {number:02}" for number in range(60)]


async def test_text_of_viewers_is_only_ever_text(site: Site, broadcaster: Broadcaster, open_window: OpenWindow) -> None:
    title = "</script><img src=x onerror=alert(1)>"
    video_id = broadcaster.new_video(title=title)
    hostile = "<script>alert(1)</script> <b>bold</b> {{7*7}} &amp; javascript:alert(1)"
    broadcaster.comment(video_id, f"{hostile} from before")
    window = await open_window(watch(site, video_id))
    await window.is_live()

    broadcaster.comment(video_id, f"{hostile} from now")

    await window.sees_comment("from now")
    bodies = await window.page.locator(".comment-body").all_inner_texts()
    assert bodies == [f"{hostile} from before", f"{hostile} from now"]
    assert await window.page.locator(".comment-body :is(b, script, img)").count() == 0
    await expect(window.page.locator("h1")).to_have_text(title)
    assert window.problems == []


async def test_start_and_end_reach_the_page(site: Site, broadcaster: Broadcaster, open_window: OpenWindow) -> None:
    an_hour_ago = round((time.time() - 3_700) * 1_000)
    video_id = broadcaster.new_video(title="From start to end", live=False, starts_at_ms=an_hour_ago)
    window = await open_window(watch(site, video_id))
    await window.is_live()
    await expect(window.page.locator("#curtain-upcoming")).to_be_visible()
    await expect(window.page.locator("#countdown")).to_have_text("Not started yet")
    await expect(window.page.locator("#countdown-label")).to_have_text("The planned start was 1 hour ago")
    broadcaster.call("PATCH", f"/videos/{video_id}", {"description": "One.\n\nTwo,\nof two lines."})
    await expect(window.page.locator("#description p")).to_have_count(2)
    await window.join("Early bird")
    await window.write("I am early")
    await window.sees_comment("I am early")

    broadcaster.call("POST", f"/videos/{video_id}/start")
    await expect(window.page.locator("#badge-live")).to_be_visible()
    await expect(window.page.locator("#curtain-none")).to_be_visible()

    broadcaster.call("POST", f"/videos/{video_id}/end")
    await expect(window.page.locator("#curtain-ended")).to_be_visible()
    await expect(window.page.get_by_text("The broadcast has ended. Comments are closed.")).to_be_visible()
    await expect(window.page.locator("#like")).to_be_disabled()
    assert await window.serious_axe_findings() == []
    assert window.problems == []


async def test_a_video_made_private_leaves_its_viewers_with_a_plain_word(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    video_id = broadcaster.new_video(title="Not for you any more")
    window = await open_window(watch(site, video_id, node=1))
    await window.join("Left out")

    broadcaster.call("PATCH", f"/videos/{video_id}", {"visibility": "private"})

    await expect(window.page.get_by_text("This video is no longer here", exact=True)).to_be_visible()
    await expect(window.page.locator("#write")).to_be_hidden()
    await expect(window.page.locator("#like")).to_be_disabled()
    assert await window.serious_axe_findings() == []
    assert window.problems == []


async def test_comments_switched_off_close_the_composer_at_once(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    video_id = broadcaster.new_video(title="Quiet please")
    broadcaster.comment(video_id, "The last word")
    window = await open_window(watch(site, video_id))
    await window.join("Talker")

    broadcaster.call("PATCH", f"/videos/{video_id}", {"comments_enabled": False})

    await expect(window.page.get_by_text("Comments are off for this video.")).to_be_visible()
    await expect(window.page.locator("#write")).to_be_hidden()


async def test_a_picture_that_fails_leaves_the_rest_alive_and_comes_back(
    site: Site, broadcaster: Broadcaster, picture: Picture, open_window: OpenWindow
) -> None:
    video_id = broadcaster.new_video(title="Camera trouble")
    broadcaster.call("PATCH", f"/videos/{video_id}", {"playlist": f"/media/{video_id}/live.m3u8"})
    window = await open_window(watch(site, video_id))
    await expect(window.page.locator("#curtain-failed")).to_be_visible()

    broadcaster.comment(video_id, "We are on it")
    await window.sees_comment("We are on it")
    picture(video_id)

    await plays(window)
    await expect(window.page.locator("#curtain-failed")).to_be_hidden()


async def test_hearts_rise_over_the_picture_of_the_other_viewer(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    video_id = broadcaster.new_video(title="Applause")
    fan = await open_window(watch(site, video_id, node=0))
    other = await open_window(watch(site, video_id, node=1))
    calm = await open_window(watch(site, video_id, node=1), reduced_motion="reduce")
    for window in (fan, other, calm):
        await window.is_live()
    await fan.join("Fan")
    drawn = (
        "document.getElementById('hearts').getContext('2d').getImageData(0, 0, 900, 500).data.some((part) => part > 0)"
    )

    # Ephemeral: one burst may be lost, so tap until it is seen.
    heart = fan.page.get_by_role("button", name="Send a heart")
    for _ in range(40):
        await heart.click()
        if await other.page.evaluate(drawn):
            break
        await other.page.wait_for_timeout(100)
    else:
        pytest.fail("no heart came")
    assert await calm.page.evaluate(drawn) is False


async def test_nothing_sticks_out_and_axe_is_content(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    video_id = broadcaster.new_video(title="Donaudampfschifffahrtsgesellschaftskapitänsmützenkollektion, Ausgabe XXIII")
    broadcaster.comment(video_id, "Rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetz" * 3)
    broadcaster.comment(video_id, "مرحبا بكم جميعا 👩‍👩‍👧‍👦")
    window = await open_window(watch(site, video_id))
    await window.is_live()
    await expect(window.page.locator("#likes-word")).to_be_visible()  # beside a 0 there is no picture of a kind
    await window.looks_right(PHONE, SIDEWAYS, DESKTOP)
    assert window.problems == []
