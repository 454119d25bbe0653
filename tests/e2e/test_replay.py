"""A replay in a real browser: what happened is shown at its moment, wherever one goes in the recording."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from playwright.async_api import expect

from tests.e2e.conftest import Broadcaster, OpenWindow, Window
from tests.e2e.test_player import keep_replay
from tests.e2e.test_watch import plays, watch
from tests.sites import Site

Picture = Callable[..., str]
WRITTEN = {"Two": 2, "Eight": 8, "Fifteen": 15}
"""Comments, and the seconds of the recording in which they were written."""


@pytest.fixture
def ended(site: Site, broadcaster: Broadcaster, picture: Picture) -> str:
    """A broadcast of 20 seconds that has ended: with comments, likes, viewers, a poll, a goal and a question, each
    at a second of its recording.
    """
    video_id = broadcaster.new_video(title="To be seen again")
    picture(video_id, seconds_before=20)
    folder = site.folder / "media" / video_id
    keep_replay(folder)
    start = make_older(folder / "replay.m3u8")
    with psycopg.connect(site.database_url) as connection:
        for body, second in {"Before the picture": -5, **WRITTEN}.items():
            comment = broadcaster.comment(video_id, body)
            moment = start + timedelta(seconds=second)
            connection.execute("UPDATE videos_comment SET created_at = %s WHERE id = %s", [moment, comment["id"]])
        connection.execute(
            "INSERT INTO videos_timelinestep (video_id, at, likes, reactions, comments, viewers)"
            """ VALUES (%s, %s, '{"love": 3}', '{"heart": 20}', 1, 7)""",
            [video_id, start + timedelta(seconds=6)],
        )
    poll = broadcaster.call("POST", f"/videos/{video_id}/polls", {"question": "Which?", "options": ["One", "Two"]})
    option = poll["options"][0]["id"]
    broadcaster.call("PUT", f"/videos/{video_id}/polls/{poll['id']}/vote", {"option": option})
    broadcaster.call("PUT", f"/videos/{video_id}/goals/likes", {"target": 3, "title": "Then I sing"})
    broadcaster.call("PUT", f"/videos/{video_id}/questions", {"is_open": True})
    question = broadcaster.call("POST", f"/videos/{video_id}/questions", {"body": "How did you learn this?"})
    broadcaster.call("PUT", f"/videos/{video_id}/questions/{question['id']}/state", {"state": "answering"})
    broadcaster.call("PATCH", f"/videos/{video_id}", {"playlist": f"/media/{video_id}/replay.m3u8"})
    broadcaster.call("POST", f"/videos/{video_id}/end")
    with psycopg.connect(site.database_url) as connection:
        connection.execute(
            "UPDATE videos_video SET started_at = %s, ended_at = %s WHERE id = %s",
            [start - timedelta(seconds=30), start + timedelta(seconds=20), video_id],
        )
        connection.execute(
            "UPDATE polls_poll SET opened_at = %s, ends_at = %s WHERE id = %s",
            [start + timedelta(seconds=2), start + timedelta(seconds=10), poll["id"]],
        )
        connection.execute(
            "UPDATE polls_question SET answering_at = %s, answered_at = %s WHERE id = %s",
            [start + timedelta(seconds=3), start + timedelta(seconds=8), question["id"]],
        )
        connection.execute(
            "UPDATE polls_goal SET set_at = %s, reached_at = %s WHERE video_id = %s",
            [start + timedelta(seconds=2), start + timedelta(seconds=11), video_id],
        )
    return video_id


def make_older(playlist: Path) -> datetime:
    """Let a recording be an hour old: the picture of the tests runs ahead of the clock. Return when it began."""
    tag, text = "#EXT-X-PROGRAM-DATE-TIME:", playlist.read_text()
    dates = [line.removeprefix(tag) for line in text.splitlines() if line.startswith(tag)]
    for date in dates:
        text = text.replace(
            date, (datetime.fromisoformat(date) - timedelta(hours=1)).isoformat(timespec="milliseconds")
        )
    playlist.write_text(text)
    return datetime.fromisoformat(dates[0]) - timedelta(hours=1)


async def go_to(window: Window, second: int) -> None:
    await window.page.evaluate(f"document.querySelector('#picture').currentTime = {second}")


async def shows(window: Window, *comments: str) -> None:
    await expect(window.page.locator("#list .comment-body")).to_have_text(["Before the picture", *comments])


async def test_a_replay_shows_everything_at_its_moment(site: Site, ended: str, open_window: OpenWindow) -> None:
    """It showed the last comments and the final totals from its first second on: a goal was given away."""
    window = await open_window(watch(site, ended))
    await expect(window.page.locator("#curtain-ended")).to_be_visible()
    await window.page.get_by_role("button", name="Watch the replay").click()
    await plays(window)
    await window.page.keyboard.press("k")

    await go_to(window, 1)
    await shows(window)
    await expect(window.page.locator("#likes")).to_have_text("0")
    await go_to(window, 12)
    await shows(window, "Two", "Eight")
    await expect(window.page.locator("#likes")).to_have_text("3")
    await expect(window.page.locator("#viewers")).to_have_text("7")
    await go_to(window, 3)
    await shows(window, "Two")
    # As the recording plays: its picture came half a minute after the broadcast had begun.
    await expect(window.page.locator("#list time").last).to_have_text("0:02")

    await window.page.evaluate("document.querySelector('#picture').playbackRate = 2")
    await window.page.keyboard.press("k")
    await shows(window, "Two", "Eight", "Fifteen")
    assert window.problems == []


async def test_a_board_is_as_it_was_at_each_moment(site: Site, ended: str, open_window: OpenWindow) -> None:
    """A poll while it was open, then its result; a goal from when it was set; a question while it was answered."""
    window = await open_window(watch(site, ended))
    await window.page.get_by_role("button", name="Watch the replay").click()
    await plays(window)
    await window.page.keyboard.press("k")
    answering, goal = window.page.get_by_role("region", name="Being answered now"), window.page.locator(".goal-count")
    option = window.page.locator(".poll-option").first

    await go_to(window, 12)
    await expect(option).to_contain_text("100%")
    await expect(goal).to_contain_text("Reached!")
    await expect(answering).to_be_hidden()
    await go_to(window, 4)
    await expect(answering).to_contain_text("How did you learn this?")
    await expect(goal).to_have_text("0 of 3 likes")
    await expect(option).not_to_contain_text("%")
    await expect(option).to_be_disabled()
    await go_to(window, 1)
    await expect(window.page.locator(".poll")).to_be_hidden()
    await expect(goal).to_be_hidden()
    await window.page.get_by_role("tab", name="Questions").click()
    await window.page.get_by_role("button", name="Watch the answer").click()
    await window.page.get_by_role("tab", name="Comments").click()
    await expect(answering).to_be_visible()
    assert window.problems == []


async def test_a_replay_that_is_deleted_is_not_a_frame_that_stands_still(
    site: Site, ended: str, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    window = await open_window(watch(site, ended))
    await window.is_live()
    await window.page.get_by_role("button", name="Watch the replay").click()
    await plays(window)
    await window.page.keyboard.press("k")
    await go_to(window, 1)
    await shows(window)

    broadcaster.call("DELETE", f"/videos/{ended}/recording")

    await expect(window.page.locator("#curtain-ended")).to_be_visible()
    await expect(window.page.locator("#toast")).to_have_text("The replay was deleted.")
    await shows(window, "Two", "Eight", "Fifteen")


async def test_comments_of_later_are_apart_from_those_in_step(
    site: Site, ended: str, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    broadcaster.call("PATCH", f"/videos/{ended}", {"comments_after_end": True})
    broadcaster.comment(ended, "Seen the day after")
    window = await open_window(watch(site, ended))
    await expect(window.page.locator("#list .comment").last).to_contain_text("after the broadcast")
    await window.join("Late")
    await window.page.get_by_role("button", name="Watch the replay").click()
    await plays(window)
    await window.page.keyboard.press("k")
    await go_to(window, 3)
    await shows(window, "Two")

    await window.page.get_by_role("button", name="Afterwards 1").click()
    await expect(window.page.locator("#list .comment-body")).to_have_text("Seen the day after")
    await window.page.get_by_role("button", name="As it happened").click()
    await shows(window, "Two")
    await window.write("I too")
    await expect(window.page.locator("#list .comment-body")).to_have_text(["Seen the day after", "I too"])

    assert await window.serious_axe_findings() == []
    assert window.problems == []


async def test_a_replay_has_the_captions_that_its_broadcaster_has_sent(
    site: Site, ended: str, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    said = {"text": "WEBVTT\n\n00:00.000 --> 10:00.000\nWhat a morning!\n"}
    broadcaster.call("PUT", f"/videos/{ended}/captions/en", said)
    window = await open_window(watch(site, ended))
    await window.page.get_by_role("button", name="Watch the replay").click()
    await plays(window)

    await window.page.keyboard.press("c")

    await expect(window.page.locator("#captions")).to_have_attribute("aria-pressed", "true")
    await window.until("document.querySelector('track')?.track.activeCues?.[0]?.text === 'What a morning!'")
    assert window.problems == []


async def test_the_arrows_on_the_bar_go_five_seconds(site: Site, ended: str, open_window: OpenWindow) -> None:
    """They went a tenth of a second, the bar's step for a mouse."""
    window = await open_window(watch(site, ended))
    await window.page.get_by_role("button", name="Watch the replay").click()
    await plays(window)
    await window.page.keyboard.press("k")
    await go_to(window, 6)

    await window.page.locator("#seek").press("ArrowRight")

    await window.until("Math.abs(document.querySelector('#picture').currentTime - 11) < 0.1")


async def test_the_peaks_of_a_replay_can_be_gone_to(site: Site, ended: str, open_window: OpenWindow) -> None:
    window = await open_window(watch(site, ended))
    await window.page.get_by_role("button", name="Watch the replay").click()
    await plays(window)
    await window.page.keyboard.press("k")
    await go_to(window, 17)
    await shows(window, "Two", "Eight", "Fifteen")

    await window.page.get_by_role("button", name="much happened here").click()

    await window.until("document.querySelector('#picture').currentTime < 8")
    await expect(window.page.locator("#list")).not_to_contain_text("Eight")
    assert await window.page.locator("#curve").get_attribute("d")
    assert await window.serious_axe_findings() == []
    assert window.problems == []
