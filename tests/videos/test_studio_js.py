"""The pure parts of static/js/studio/, each on an empty page: plots, what is on the desk, what the preview shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.async_api import Page

LIVE = "/media/1/live.m3u8"


async def run(page: Page, module: str, body: str, argument: object = None) -> Any:
    """Return what the function body returns; `module` holds the exports, `argument` the value."""
    script = f"async (argument) => {{ const module = await import('/js/studio/{module}.js'); {body} }}"
    return await page.evaluate(script, argument)


def points(*counts: int, step_ms: int = 5_000) -> list[dict[str, int]]:
    return [
        {"at_ms": 1_000_000 + step_ms * at, "likes": 0, "reactions": 0, "comments": count, "viewers": 2}
        for at, count in enumerate(counts)
    ]


async def test_a_minute_is_what_happened_in_the_last_60_seconds(page: Page) -> None:
    body = "return module.perMinute(argument[0], argument[1], 'comments');"
    found = await run(page, "series", body, [points(1, 2, *[0] * 10, 0, 5), 5_000])
    assert found == [1, 3, *[3] * 10, 2, 5]
    assert await run(page, "series", body, [points(6, 3, step_ms=120_000), 120_000]) == [3, 1.5]


async def test_what_comes_live_is_added_to_its_step(page: Page) -> None:
    body = """
        const live = new module.LiveTimeline({ points: argument, step_ms: 5000 });
        live.count("comments", 1, 1_004_999);
        live.count("comments", 2, 1_013_000);
        live.watch(9, 1_013_000);
        live.goOn(1_020_000);
        return live.points.map(({ comments, viewers }) => [comments, viewers]);
    """
    assert await run(page, "series", body, points(4)) == [[5, 2], [0, 2], [2, 9], [0, 9], [0, 9]]


async def test_what_the_server_has_not_counted_yet_stays(page: Page) -> None:
    """It counts every few seconds: a comment that was drawn already would vanish from the plot and come back."""
    body = """
        const live = new module.LiveTimeline({ points: argument, step_ms: 5000 });
        live.count("comments", 3, 1_000_000);
        live.count("comments", 3, 1_031_000);
        live.update({ points: argument.concat(argument.slice(-1)).map((point, at) => ({ ...point, at_ms: 1_000_000 + 5000 * at, comments: 1 })), step_ms: 5000, to_ms: 1_034_000 });
        return live.points.map(({ comments }) => comments);
    """  # noqa: E501
    assert await run(page, "series", body, points(*[0] * 6)) == [1, 1, 1, 1, 1, 1, 3]


@pytest.mark.parametrize(
    ("values", "line"),
    [([5], "M0 6L600 6"), ([0, 10, 5], "M0 120L300 6L600 63"), ([0, 0], "M0 120L600 120")],
)
async def test_a_plot_is_a_line_and_the_area_under_it(page: Page, values: list[int], line: str) -> None:
    body = "return module.pathsOf(argument, Math.max(1, ...argument));"
    assert await run(page, "plots", body, values) == {"line": line, "area": f"{line}L600 120L0 120Z"}


def video(status: str, state: str = "", **fields: object) -> dict[str, object]:
    return {"id": status, "status": status, "picture": {"state": state}, "playlist": "", "started_at_ms": 1, **fields}


@pytest.mark.parametrize(
    ("videos", "on_desk", "wanted"),
    [
        ([], "", None),
        ([video("ended"), video("upcoming")], "", None),
        ([video("upcoming", "live")], "", "upcoming"),
        ([video("upcoming", "live"), video("live")], "", "live"),
        ([video("ended"), video("upcoming")], "ended", "ended"),
        ([video("ended"), video("live")], "ended", "live"),
        ([video("live", id="old"), video("live", id="new", started_at_ms=2)], "", "new"),
        ([video("live", id="old"), video("live", id="new", started_at_ms=2)], "old", "old"),
        ([video("live")], "deleted", "live"),
    ],
)
async def test_on_the_desk_is_what_is_live(page: Page, videos: list[object], on_desk: str, wanted: str | None) -> None:
    """What has ended there stays, to go on with."""
    body = "return module.deskVideo(argument[0], argument[1])?.id ?? null;"
    assert await run(page, "desk", body, [videos, on_desk]) == wanted


@pytest.mark.parametrize(
    ("shown", "url", "words"),
    [
        (video("upcoming"), "", "preview.none"),
        (video("upcoming", "waiting", playlist=LIVE), "", "picture.waiting"),
        (video("upcoming", "live", playlist=LIVE), LIVE, ""),
        (video("live"), "", "preview.none"),
        (video("live", playlist=LIVE), LIVE, ""),
        (video("live", "live", playlist=LIVE), LIVE, ""),
        (video("live", "stalled", playlist=LIVE), LIVE, "picture.stalled"),
        (video("live", "gone", playlist=LIVE), "", "picture.gone"),
        (video("ended", playlist=LIVE), "", "preview.ended"),
    ],
)
async def test_the_preview_shows_what_viewers_see(page: Page, shown: object, url: str, words: str) -> None:
    """And what they will see, before it is live."""
    found = await run(page, "preview", "return module.previewOf(argument);", shown)
    assert (found["url"], found["words"], found["isHeld"]) == (url, words, words == "picture.stalled")
