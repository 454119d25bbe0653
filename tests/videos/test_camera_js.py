"""The pure parts of going live from a page (static/js/studio/camera*.js), each on an empty page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.async_api import Page


async def run(page: Page, module: str, body: str, argument: object = None) -> Any:
    script = f"async (argument) => {{ const module = await import('/js/studio/{module}.js'); {body} }}"
    return await page.evaluate(script, argument)


@pytest.mark.parametrize(
    ("supported", "expected"),
    [
        (["video/webm;codecs=h264,opus", "video/webm;codecs=vp8,opus", "video/webm"], "video/webm;codecs=h264,opus"),
        (['video/mp4;codecs="avc1.42E01E,mp4a.40.2"', "video/mp4"], 'video/mp4;codecs="avc1.42E01E,mp4a.40.2"'),
        (["video/webm;codecs=vp8,opus", "video/webm"], "video/webm;codecs=vp8,opus"),
        ([], ""),
    ],
)
async def test_what_is_copied_goes_before_what_is_encoded_again(
    page: Page, supported: list[str], expected: str
) -> None:
    assert (
        await run(page, "camera-line", "return module.typeToRecord((t) => argument.includes(t))", supported) == expected
    )


@pytest.mark.parametrize(
    ("code", "was_taken", "lost_ms", "failures", "expected"),
    [
        (1006, True, 0, 0, False),
        (1012, False, None, 9, False),
        (4408, True, 0, 0, False),
        (4429, False, None, 0, False),
        (4401, True, 0, 0, True),
        (4403, False, None, 0, True),
        # Another encoder sends; or it was this page, a moment ago.
        (4409, False, None, 0, True),
        (4409, False, 2_000, 1, False),
        (4409, False, 60_000, 9, True),
        # The broadcast has ended.
        (4409, True, 0, 0, True),
        # What comes cannot be used.
        (1011, False, None, 0, True),
        (1011, True, 0, 0, False),
        (1011, True, 0, 3, True),
    ],
)
async def test_a_page_comes_back_where_that_makes_sense(
    page: Page, code: int, was_taken: bool, lost_ms: int | None, failures: int, expected: bool
) -> None:
    argument = [{"closeCode": code, "wasTaken": was_taken}, {"lostMs": lost_ms, "failures": failures}]
    assert await run(page, "camera-sender", "return module.isFinal(...argument)", argument) is expected


@pytest.mark.parametrize(("amplitude", "expected"), [(0.0, 0.0), (1.0, 1.0), (0.0316, 0.5), (0.000001, 0.0)])
async def test_the_level_is_by_decibels(page: Page, amplitude: float, expected: float) -> None:
    level = await run(page, "camera-meter", "return module.levelOf(new Float32Array(8).fill(argument))", amplitude)
    assert level == pytest.approx(expected, abs=0.01)
