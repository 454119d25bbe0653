"""The report on a broadcast: how each figure is counted, who may read it, and its sheets."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.test import AsyncClient

from accounts.models import Viewer
from realtime.log.threads import backend_threads
from tests.videos.acts import Stage
from videos import likes, moderation, sheets
from videos.models import Comment, TimelineStep, Video
from videos.reports import report_json
from videos.sheets import as_csv, safe_cell
from web.files import FilePart
from web.refusals import Forbidden, NotFound

run = backend_threads.run
START = datetime(2026, 11, 29, 12, 0, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def ended(stage: Stage) -> Stage:
    """A broadcast of an hour."""
    Video.objects.filter(id=stage.video.id).update(status="ended", started_at=START, ended_at=START + HOUR)
    return stage


def write_steps(video: Video, steps: Sequence[tuple[int, dict[str, Any]]]) -> None:
    """Write steps that begin so many seconds after that of the start."""
    TimelineStep.objects.bulk_create(
        TimelineStep(video=video, at=START + timedelta(seconds=seconds - 2), **fields) for seconds, fields in steps
    )


def test_minutes_watched_are_viewers_times_how_long_they_stood(ended: Stage) -> None:
    """10 for half an hour, 20 for a quarter, then nobody. What was before the start and after the end is not in it."""
    steps = [(0, 10), (1_802, 20), (2_702, 0), (3_602, 7)]
    write_steps(ended.video, [(-600, {"viewers": 50}), *((at, {"viewers": count}) for at, count in steps)])
    found = report_json(ended.video.id, ended.owner)
    assert found["minutes_watched"] == 10 * 30 + 20 * 15
    assert found["viewers"]["average"] == 10.0
    assert found["seconds"] == 3_600


def test_nobody_is_counted_less_often_than_they_were_seen(ended: Stage) -> None:
    """Peak and unique come from other tables than the curve, which may be behind."""
    write_steps(ended.video, [(60, {"viewers": 12})])
    assert report_json(ended.video.id, ended.owner)["viewers"] == {"peak": 12, "average": 11.8, "unique": 12}


def test_moments_are_the_highest_peaks_first(ended: Stage) -> None:
    write_steps(ended.video, [(600, {"comments": 5}), (1_800, {"comments": 9, "viewers": 4}), (3_000, {"comments": 7})])
    found = report_json(ended.video.id, ended.owner)
    assert [moment["comments"] for moment in found["moments"]] == [9, 7, 5]
    assert found["moments"][0]["viewers"] == 4


async def test_top_comments_are_those_with_the_most_answers(ended: Stage) -> None:
    await run(Video.objects.update, status="live", ended_at=None)
    made = [await likes.comment(ended.video.id, ended.viewers[0], f"number {number}") for number in range(4)]
    for number, count in ((1, 3), (2, 1), (3, 2)):
        for _ in range(count):
            await likes.comment(ended.video.id, ended.viewers[1], "an answer", reply_to=UUID(made[number]["id"]))
    await run(moderation.pin_comment, ended.video.id, UUID(made[0]["id"]), ended.owner)
    await run(moderation.delete_comment, ended.video.id, UUID(made[3]["id"]), ended.owner)
    found = await run(report_json, ended.video.id, ended.owner)
    assert [(top["comment"]["body"], top["answers"]) for top in found["top_comments"]] == [
        *(("number 1", 3), ("number 2", 1), ("number 0", 0)),
    ]
    assert found["comments"] == 4 + 6 - 1


def test_a_video_that_has_not_begun_has_a_report_without_figures(stage: Stage) -> None:
    found = report_json(stage.video.id, stage.owner)
    assert (found["seconds"], found["points"], found["viewers"]) == (0, [], {"peak": 0, "average": 0, "unique": 0})


def test_it_is_for_the_broadcaster(ended: Stage) -> None:
    with pytest.raises(Forbidden):
        report_json(ended.video.id, ended.viewers[0])
    Video.objects.update(visibility="private")
    with pytest.raises(NotFound):
        report_json(ended.video.id, ended.viewers[0])
    assert report_json(ended.video.id, Viewer.objects.create_superuser("root"))["seconds"] == 3_600


# Sheets


async def sheet(stage: Stage, name: str, viewer: Viewer | None = None) -> list[list[str]]:
    """Download a sheet of the video; return its rows."""
    client = AsyncClient()
    await client.aforce_login(viewer or stage.owner)
    response: Any = await client.get(f"/studio/{stage.video.id}/{name}.csv")
    assert response.status_code == 200
    assert isinstance(response, FilePart)
    assert response.headers["Content-Type"].startswith("text/csv")
    assert f"A video 2026-11-29 {name}.csv" in response.headers["Content-Disposition"]
    with response.file as file:  # by its descriptor, as the server reads it
        body = os.pread(file.fileno(), response.end, response.start)
    assert len(body) == response.end
    return list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline="")))


async def test_a_sheet_has_a_row_for_each_minute(ended: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when it is read in several pieces."""
    monkeypatch.setattr(sheets, "ROWS_AT_ONCE", 7)
    steps: list[tuple[int, dict[str, Any]]] = [
        *((60, {"likes": {"love": 3}, "viewers": 4}), (65, {"comments": 2}), (3_590, {"reactions": {"heart": 9}})),
    ]
    await run(write_steps, ended.video, steps)
    header, *rows = await sheet(ended, "minutes")
    assert header == ["time", "into the broadcast", "viewers", "likes", "reactions", "comments"]
    assert len(rows) == 61
    assert rows[0] == ["2026-11-29 12:00:00", "0:00:00", "0", "0", "0", "0"]
    assert rows[1] == ["2026-11-29 12:01:00", "0:00:58", "4", "3", "0", "2"]
    assert rows[59][1:] == ["0:58:58", "4", "0", "9", "0"]


async def test_a_sheet_has_all_comments_and_no_formula(ended: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A spreadsheet would run what a viewer has written."""
    monkeypatch.setattr(sheets, "ROWS_AT_ONCE", 2)
    bodies = ['=HYPERLINK("//evil","Win")', "+1", "-1", "@SUM(1)", 'Plain, "quoted"\nand long', "gone"]

    def write() -> None:
        made = [
            Comment(video=ended.video, author=ended.viewers[0], body=body, seq=seq, created_at=START + seq * HOUR / 60)
            for seq, body in enumerate(bodies, 1)
        ]
        made[-1].deleted_at = START
        made[1].reply_to = made[0]
        Comment.objects.bulk_create(made)

    await run(write)
    header, *rows = await sheet(ended, "comments")
    assert header == ["time", "into the broadcast", "name", "comment", "answers to", "was on top"]
    assert [row[3] for row in rows] == [*(f"'{body}" for body in bodies[:4]), bodies[4]]
    assert rows[1] == ["2026-11-29 12:02:02", "0:02:00", "Viewer 0", "'+1", "Viewer 0", ""]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_no_cell_begins_like_a_formula(start: str) -> None:
    assert safe_cell(f"{start}1") == f"'{start}1"
    assert safe_cell(f"1{start}") == f"1{start}"
    assert as_csv([[-1, 2.5]]) == b"-1,2.5\r\n"


@pytest.mark.parametrize("path", ["report/", "minutes.csv", "comments.csv"])
async def test_pages_of_a_report_are_its_broadcasters(ended: Stage, path: str) -> None:
    client = AsyncClient()
    stranger = await client.get(f"/studio/{ended.video.id}/{path}")
    assert stranger.status_code == (302 if path == "report/" else 404)
    await client.aforce_login(ended.viewers[0])
    assert (await client.get(f"/studio/{ended.video.id}/{path}")).status_code == 404
