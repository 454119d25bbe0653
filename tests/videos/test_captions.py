"""Captions: what is kept of a file that a broadcaster sends, and who may do what with it."""

from __future__ import annotations

import pytest
from django.test import AsyncClient

from realtime.log.threads import backend_threads
from tests.videos.acts import Stage
from videos import broadcasts
from videos.captions import between, captions_of, delete_captions, read_cues, set_captions
from videos.models import Video
from web.refusals import Forbidden, NotFound

run = backend_threads.run
WEBVTT = """\ufeffWEBVTT - a title

STYLE
::cue { color: red }

NOTE not for viewers

1
00:01.000 --> 00:02.500 align:start
Good <i>morning</i>!

0:01:02.000 --> 0:01:03.000
Two
lines
"""
KEPT = ["00:01.000 --> 00:02.500\nGood <i>morning</i>!", "00:01:02.000 --> 00:01:03.000\nTwo\nlines"]


def test_of_a_file_the_cues_are_kept() -> None:
    assert read_cues(WEBVTT) == KEPT
    assert read_cues(WEBVTT.replace("\n", "\r\n")) == KEPT


def test_subrip_differs_by_its_commas() -> None:
    text = "1\n00:00:01,000 --> 00:00:02,500\nGood morning!\n\n2\n00:00:03,000 --> 00:00:04,000\nAnd \x00night\n"
    assert read_cues(text) == [
        "00:00:01.000 --> 00:00:02.500\nGood morning!",
        "00:00:03.000 --> 00:00:04.000\nAnd night",
    ]


@pytest.mark.parametrize("text", ["", "WEBVTT\n", "no captions", "00:01.000 --> 00:02.000\n", "1 --> 2\nx", "<html>"])
def test_some_texts_have_no_cues(text: str) -> None:
    assert read_cues(text) == []


@pytest.mark.parametrize(
    ("start", "end", "left"),
    [
        (0, 90, ["00:00:01.000 --> 00:00:02.500", "00:01:02.000 --> 00:01:03.000"]),
        (2, 62, ["00:00:00.000 --> 00:00:00.500"]),
        (2.5, 62.1, ["00:00:59.500 --> 00:00:59.600"]),
        (3, 60, []),
    ],
)
def test_captions_of_a_part_are_on_its_clock(start: float, end: float, left: list[str]) -> None:
    text = between(WEBVTT, start, end)
    assert [line for line in text.splitlines() if "-->" in line] == left
    assert text.startswith("WEBVTT\n")


async def test_captions_come_in_pieces_and_the_video_says_that_it_has_some(stage: Stage) -> None:
    id, owner = stage.video.id, stage.owner
    assert await run(set_captions, id, owner, "PT-br", "1:00.000 --> not yet\n\n00:01.000 --> 00:02.000\nOne") == 1
    assert await run(set_captions, id, owner, "pt-br", "00:03.000 --> 00:04.000\nTwo", goes_on=True) == 1
    assert await run(set_captions, id, owner, "pt-br", "no captions") == 0
    answer = await AsyncClient().get(f"/videos/{id}/captions/pt-BR.vtt")
    assert answer.headers["Content-Type"] == "text/vtt; charset=utf-8"
    assert answer.content.decode() == "WEBVTT\n\n00:01.000 --> 00:02.000\nOne\n\n00:03.000 --> 00:04.000\nTwo\n"
    await run(set_captions, id, owner, "en", "00:01.000 --> 00:02.000\nOne")
    assert (await run(Video.objects.get, id=id)).captions == "en pt-br"
    await run(delete_captions, id, owner, "pt-br")
    assert (await run(Video.objects.get, id=id)).captions == "en"
    for act in (run(delete_captions, id, owner, "pt-br"), run(captions_of, id, None, "pt-br")):
        with pytest.raises(NotFound):
            await act


async def test_captions_are_the_broadcasters_and_hidden_with_their_video(stage: Stage) -> None:
    cue = "00:01.000 --> 00:02.000\nOne"
    with pytest.raises(Forbidden):
        await run(set_captions, stage.video.id, stage.viewers[0], "en", cue)
    await run(set_captions, stage.video.id, stage.owner, "en", cue)
    await run(broadcasts.update_video, stage.video.id, stage.owner, visibility="private")
    with pytest.raises(NotFound):
        await run(captions_of, stage.video.id, stage.viewers[0], "en")
    assert await run(captions_of, stage.video.id, stage.owner, "en")
