"""The pure rooms of a replay in the page (static/js/watch/): the recording's clock, and what is shown at a moment."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from realtime.log.threads import backend_threads
from tests.videos.acts import Stage
from videos.models import Comment, TimelineStep, Video
from videos.replay import replay_json

if TYPE_CHECKING:
    from playwright.async_api import Page

PLAYLIST = """#EXTM3U
#EXT-X-MAP:URI="1-init.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-11-29T12:00:00.500Z
#EXTINF:2.00000,
1.m4s
#EXTINF:4.00000,
2.m4s
#EXT-X-DISCONTINUITY
#EXT-X-PROGRAM-DATE-TIME:2026-11-29T12:01:00.000Z
#EXTINF:2.00000,
3.m4s
#EXT-X-ENDLIST
"""
CLOCK = """async ([playlist, seconds]) => {
    const { Recording } = await import("/js/watch/recording.js");
    const recording = new Recording(playlist);
    return seconds.map((second) => [recording.momentAt(second), recording.secondOf(recording.momentAt(second))]);
}"""
SHOWN = """async ([windows, moments]) => {
    const { Moments } = await import("/js/watch/moments.js");
    const known = new Moments();
    windows.forEach((window) => known.add(window));
    return moments.filter((ms) => known.knows(ms)).map((ms) => known.at(ms));
}"""
COUNTED = """async ([windows, from, to, tick]) => {
    const { Moments } = await import("/js/watch/moments.js");
    const known = new Moments();
    windows.forEach((window) => known.add(window));
    const [ids, hearts] = [[], []];
    for (let ms = from; ms < to; ms += tick) {
        ids.push(...known.commentsBetween(ms, ms + tick).map(({ id }) => id));
        hearts.push(known.reactionsBetween(ms, ms + tick).heart ?? 0);
    }
    return { ids, hearts: hearts.reduce((sum, count) => sum + count, 0), most: Math.max(...hearts) };
}"""
CURVE = """async ([playlist, timeline]) => {
    for (const [id, tag] of Object.entries({ picture: "video", happened: "div", curve: "p", peaks: "p" })) {
        document.body.append(Object.assign(document.createElement(tag), { id }));
    }
    const { Curve } = await import("/js/watch/curve.js");
    const { Recording } = await import("/js/watch/recording.js");
    new Curve().draw(timeline, new Recording(playlist));
    const peaks = [...document.querySelectorAll("#peaks button")];
    return [document.getElementById("curve").getAttribute("d"), peaks.map((peak) => Number(peak.dataset.second))];
}"""
START = datetime(2026, 11, 29, 12, tzinfo=UTC)
START_MS = 1_795_953_600_000


async def test_a_recording_knows_when_its_picture_was_taken(page: Page) -> None:
    """Also behind a gap: the encoder was away for a minute."""
    found = await page.evaluate(CLOCK, [PLAYLIST, [0, 1.5, 3, 6, 7]])
    assert [ms - START_MS for ms, _ in found] == [500, 2_000, 3_500, 60_000, 61_000]
    assert [second for _, second in found] == [0, 1.5, 3, 6, 7]
    assert await page.evaluate(CLOCK, ["#EXTM3U\n#EXTINF:2,\n1.ts\n", [0, 1]]) == [[None, 0], [None, 0]]


async def windows_of(stage: Stage, chance: random.Random) -> list[dict[str, Any]]:
    """Write a broadcast of six minutes; return its windows, of different lengths."""

    def write() -> list[dict[str, Any]]:
        video = stage.video
        times = {"started_at": START, "ended_at": START + timedelta(minutes=6)}
        Video.objects.filter(id=video.id).update(status="ended", **times)
        moments = sorted(chance.randrange(360_000) for _ in range(500))
        Comment.objects.bulk_create(
            Comment(video=video, author=stage.owner, body="x", seq=seq, created_at=START + timedelta(milliseconds=ms))
            for seq, ms in enumerate(moments, 1)
        )
        for number in range(0, 72, 2):
            TimelineStep.objects.create(
                video=video,
                at=START + timedelta(seconds=5 * number),
                likes={"love": number},
                viewers=number,
                reactions={"heart": 30},
            )
        found = [replay_json(video.id, None, START_MS, START_MS + 50_000)]
        while found[-1]["to_ms"] < START_MS + 360_000:
            begin = found[-1]["to_ms"]
            found.append(replay_json(video.id, None, begin, begin + chance.randrange(1_000, 90_000)))
        return found

    return await backend_threads.run(write)


async def test_nothing_is_shown_before_its_moment(stage: Stage, page: Page) -> None:
    chance = random.Random(1)
    windows = await windows_of(stage, chance)
    comments = [comment for window in windows for comment in window["comments"]]
    moments = [START_MS + chance.randrange(350_000) for _ in range(100)]
    for ms, shown in zip(moments, await page.evaluate(SHOWN, [windows, moments]), strict=True):
        assert shown["comments"] == [comment for comment in comments if comment["at_ms"] <= ms][-200:]
        step = (ms - START_MS) // 10_000 * 2
        assert shown["viewers"] == step
        assert max(0, step - 2) <= shown["likes"]["total"] <= step
        assert shown["likes"]["total"] == step or ms < START_MS + 5_000 * (step + 1)


async def test_everything_comes_once_and_hearts_evenly(stage: Stage, page: Page) -> None:
    windows = await windows_of(stage, random.Random(2))
    comments = [comment["id"] for window in windows for comment in window["comments"]]
    first = windows[0]["from_ms"]
    for tick in (80, 160, 1_000):
        counted = await page.evaluate(COUNTED, [windows, first - 1, START_MS + 370_000, tick])
        assert counted["ids"] == comments
        assert counted["hearts"] == 30 * 36
        assert counted["most"] <= 30 * tick / 5_000 + 1


async def test_the_curve_has_what_the_recording_shows(page: Page) -> None:
    """A trimmed recording begins late and ends early; the encoder may have been away in it."""
    points = [{"at_ms": START_MS + 5_000 * number, "likes": number, "comments": 1} for number in range(-9, 30)]
    peaks = [{"at_ms": START_MS + ms} for ms in (-45_000, -4_000, 2_500, 30_000, 61_000, 90_000)]
    drawn, seconds = await page.evaluate(CURVE, [PLAYLIST, {"step_ms": 5_000, "points": points, "peaks": peaks}])
    assert seconds == [0, 2, 6, 7]
    assert drawn.startswith("M0 100L0 92L563 85L750 77L")
    assert drawn.endswith("L750 0L1000 100Z")
