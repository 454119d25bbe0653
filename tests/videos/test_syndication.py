"""Videos for other programs: feed, calendar, oEmbed, and what search engines read."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import pytest
from django.test import AsyncClient
from icalendar import Calendar

from realtime.log.threads import backend_threads
from tests.videos.acts import Stage
from videos import broadcasts

run = backend_threads.run
STARTS = datetime(2031, 5, 6, 19, 30, tzinfo=UTC)


async def get(path: str) -> Any:
    return await AsyncClient().get(path)


def address(stage: Stage) -> str:
    return f"http://testserver/videos/{stage.video.id}/"


async def test_the_feed_has_what_is_public(stage: Stage) -> None:
    await run(broadcasts.update_video, stage.video.id, stage.owner, title="Tea <& cake>", description="At five")
    answer = await get("/feed.xml")
    assert answer.headers["Content-Type"] == "application/rss+xml; charset=utf-8"
    [item] = ElementTree.fromstring(answer.content).iter("item")
    found = {child.tag.rpartition("}")[2]: child.text for child in item}
    assert found["title"] == "Tea <& cake>"
    assert (found["link"], found["guid"], found["description"]) == (address(stage), address(stage), "At five")
    assert (found["creator"], found["category"]) == (stage.owner.name, "upcoming")
    for visibility in ("unlisted", "private"):
        await run(broadcasts.update_video, stage.video.id, stage.owner, visibility=visibility)
        assert b"<item>" not in (await get("/feed.xml")).content


async def test_a_planned_start_goes_into_a_calendar(stage: Stage) -> None:
    path = f"/videos/{stage.video.id}/calendar.ics"
    assert (await get(path)).status_code == 404
    await run(broadcasts.update_video, stage.video.id, stage.owner, title="Tea; cake,\nand more", starts_at=STARTS)
    answer = await get(path)
    assert answer.headers["Content-Type"] == "text/calendar; charset=utf-8"
    assert '.ics"' in answer.headers["Content-Disposition"]
    [event] = Calendar.from_ical(answer.content).walk("VEVENT")
    assert event.decoded("dtstart") == STARTS
    assert event.decoded("dtend") > STARTS
    assert str(event["uid"]) == f"{stage.video.id}@testserver"
    assert "Tea; cake," in str(event["summary"])
    assert address(stage) in (str(event["url"]), str(event["description"]))
    [alarm] = event.walk("VALARM")
    assert alarm.decoded("trigger") == timedelta(minutes=-10)
    await run(broadcasts.start_video, stage.video.id, stage.owner)
    assert (await get(path)).status_code == 404


async def test_the_calendar_of_a_private_video_is_closed(stage: Stage) -> None:
    await run(broadcasts.update_video, stage.video.id, stage.owner, starts_at=STARTS, visibility="private")
    assert (await get(f"/videos/{stage.video.id}/calendar.ics")).status_code == 404


async def test_another_site_is_told_how_to_show_a_video(stage: Stage) -> None:
    await run(broadcasts.update_video, stage.video.id, stage.owner, title='A "tea" <b>')
    answer = await get(f"/oembed?url={quote(address(stage))}&maxwidth=400&maxheight=900")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    found = json.loads(answer.content)
    assert (found["version"], found["type"], found["title"]) == ("1.0", "video", 'A "tea" <b>')
    assert (found["author_name"], found["width"], found["height"]) == (stage.owner.name, 400, 225)
    assert (
        f'src="{address(stage)}?as=embed" width="400" height="225" title="A &quot;tea&quot; &lt;b&gt;"' in found["html"]
    )
    assert (await get(f"/videos/{stage.video.id}/?as=embed")).status_code == 200


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 404),
        ("url=http://elsewhere.test/videos/{id}/", 404),
        ("url=http://testserver/", 404),
        ("url=http://testserver/videos/00000000-0000-0000-0000-000000000000/", 404),
        ("url=http://[bad/", 404),
        ("url={address}&format=xml", 501),
        ("url={address}&maxwidth=wide", 400),
        ("url={address}&maxwidth=1", 200),
    ],
)
async def test_what_cannot_be_shown_is_said(stage: Stage, query: str, status: int) -> None:
    asked = query.format(id=stage.video.id, address=address(stage))
    assert (await get(f"/oembed?{asked}")).status_code == status


async def test_a_private_video_is_shown_nowhere_else(stage: Stage) -> None:
    await run(broadcasts.update_video, stage.video.id, stage.owner, visibility="private")
    assert (await get(f"/oembed?url={quote(address(stage))}")).status_code == 404


async def test_a_watch_page_says_the_same_to_machines(stage: Stage) -> None:
    title = "</script><script>alert(1)</script> & more"
    await run(broadcasts.update_video, stage.video.id, stage.owner, title=title, starts_at=STARTS)
    page = (await get(f"/videos/{stage.video.id}/")).content.decode()
    [text] = re.findall(r'<script type="application/ld\+json">(.*?)</script>', page)
    said = json.loads(text)
    assert (said["name"], said["uploadDate"]) == (title, STARTS.isoformat())
    assert said["publication"] == {
        "@type": "BroadcastEvent", "isLiveBroadcast": False, "startDate": STARTS.isoformat(), "endDate": None,
    }  # fmt: skip
    assert '<meta name="twitter:card" content="summary">' in page  # there is no picture yet
    [link] = re.findall(r'<link rel="alternate" type="application/json\+oembed" href="([^"]+)"', page)
    assert json.loads((await get(unescape(link))).content)["title"] == title
    assert f'href="/videos/{stage.video.id}/calendar.ics"' in page
    await run(broadcasts.update_video, stage.video.id, stage.owner, visibility="unlisted")
    assert "ld+json" not in (await get(f"/videos/{stage.video.id}/")).content.decode()
