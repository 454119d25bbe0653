"""Events with the picture (static/js/watch/in-step.js): each waits for the frame of its moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.async_api import Page

STEPS = """async (steps) => {
    const { InStep } = await import("/js/watch/in-step.js");
    let [shownAtMs, isWanted] = [0, true];
    const found = [];
    const inStep = new InStep({
        shownAtMs: () => (isWanted ? shownAtMs : null), deliver: (name, data) => found.push(data.at_ms ?? name),
    });
    for (const [what, value] of steps) {
        if (what === "comes") inStep.take("comment", { at_ms: value });
        if (what === "raid") inStep.take("raid", { at_ms: value });
        if (what === "reset") inStep.take("reset", {});
        if (what === "shows") shownAtMs = value;
        if (what === "wants") isWanted = value;
        if (what === "until") while (found.length < value) await new Promise((done) => setTimeout(done, 10));
    }
    return found;
}"""


@pytest.mark.parametrize(
    ("steps", "found"),
    [
        ([("comes", 5)], []),
        ([("shows", 5), ("comes", 5), ("comes", 6)], [5]),
        ([("comes", 5), ("comes", 6), ("shows", 5), ("until", 1)], [5]),
        ([("comes", 6), ("comes", 5), ("shows", 5), ("comes", 4), ("shows", 6), ("until", 3)], [6, 5, 4]),
        ([("shows", None), ("comes", 5)], [5]),
        ([("comes", 5), ("shows", None), ("until", 1)], [5]),
        ([("wants", False), ("comes", 5)], [5]),
        ([("comes", 5), ("wants", False), ("until", 1)], [5]),
        ([("comes", 5), ("reset", 0), ("shows", 9), ("comes", 7)], ["reset", 7]),
        ([("comes", 5), ("comes", 6), ("raid", 7), ("comes", 8)], [5, 6, 7]),
        ([("comes", number) for number in range(1, 2_003)] + [("until", 2)], [1, 2]),
    ],
)
async def test_an_event_waits_for_its_frame(page: Page, steps: list[tuple[str, Any]], found: list[Any]) -> None:
    """In order, without end where the picture does not move or is not there, and never more than fit."""
    assert await page.evaluate(STEPS, steps) == found
