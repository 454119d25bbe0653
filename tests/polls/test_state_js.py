"""The page's rule of a board: first state + events = fresh state. Run on an empty page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.async_api import Page

POLL = {"id": "p", "question": "?", "options": [{"id": 1, "text": "a"}, {"id": 2, "text": "b"}], "ends_at_ms": None}
BOARD = {
    "topic": "board:1",
    "epoch": "e",
    "seq": 3,
    "snapshot": {"poll": POLL, "votes": {"total": 3, "kinds": {"1": 1, "2": 2}}},
    "mine": 2,
}


async def run(page: Page, events: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """Return what becomes of BOARD, and how its poll stands."""
    script = """async ({ board, events }) => {
        const { apply, first, standing } = await import("/js/board/state.js");
        const state = events.reduce((state, [name, data]) => apply(state, name, data), first(board));
        return { ...state, standing: state.poll && standing(state) };
    }"""
    found: dict[str, Any] = await page.evaluate(script, {"board": BOARD, "events": events})
    return found


async def test_a_poll_that_closes_keeps_ones_vote_and_another_begins_without(page: Page) -> None:
    over = {**POLL, "ends_at_ms": 5}
    state = await run(page, [("poll", {"seq": 4, "poll": over}), ("poll", {"seq": 4, "poll": None})])
    assert (state["poll"], state["mine"], state["seq"]) == (over, 2, 4)
    other = {**POLL, "id": "q", "options": [{"id": 3, "text": "c"}]}
    state = await run(page, [("poll", {"seq": 4, "poll": other}), ("access", {"seq": 5, "access": {}})])
    assert (state["poll"], state["mine"], state["seq"]) == (other, None, 5)
    assert state["standing"] == {"total": 0, "options": [{"id": 3, "text": "c", "votes": 0, "share": 0}]}


async def test_votes_replace_votes_and_a_reset_all(page: Page) -> None:
    votes = {"total": 4, "kinds": {"1": 1, "2": 3}}
    state = await run(page, [("votes", {**votes, "delta": 1}), ("likes", {"total": 9, "kinds": {}})])
    assert (state["votes"], state["seq"]) == (votes, 3)
    assert [option["share"] for option in state["standing"]["options"]] == [0.25, 0.75]
    fresh = {"snapshot": {"poll": None, "votes": {"total": 0, "kinds": {}}}, "epoch": "f", "seq": 1}
    state = await run(page, [("reset", fresh)])
    assert (state["poll"], state["mine"], state["epoch"], state["seq"]) == (None, None, "f", 1)


async def test_an_answer_that_is_older_than_the_votes_takes_none_away(page: Page) -> None:
    """Whoever became a viewer to vote saw the votes of before, until somebody else voted."""
    script = """async ({ board, answer }) => {
        const { again, apply, first } = await import("/js/board/state.js");
        let known = apply(first(board), "local_voted", { poll: "p", mine: 1 });
        known = apply(known, "votes", { total: 4, kinds: { 1: 2, 2: 2 } });
        return again(known, first(answer));
    }"""
    state = await page.evaluate(script, {"board": {**BOARD, "mine": None}, "answer": {**BOARD, "mine": None}})
    assert (state["votes"]["total"], state["mine"]) == (4, 1)
    answer = {**BOARD, "seq": 4, "snapshot": {"poll": {**POLL, "id": "q"}, "votes": {"total": 0, "kinds": {}}}}
    state = await page.evaluate(script, {"board": BOARD, "answer": {**answer, "mine": None}})
    assert (state["poll"]["id"], state["votes"]["total"], state["mine"]) == ("q", 0, None)


QUESTION = {"id": 1, "body": "?", "author": {"id": "a"}, "answering_at_ms": None}
LIST = {
    "topic": "questions:1",
    "epoch": "e",
    "seq": 3,
    "snapshot": {"questions": [QUESTION, {**QUESTION, "id": 2}], "votes": {"total": 3, "kinds": {"1": 1, "2": 2}}},
    "mine": [1],
}


async def test_questions_change_by_events_and_most_votes_come_first(page: Page) -> None:
    script = """async ({ list, events }) => {
        const { apply, first, ranked } = await import("/js/board/question-state.js");
        const state = events.reduce((state, [name, data]) => apply(state, name, data), first(list));
        return { ...state, ranked: ranked(state).map(({ id, votes, isMine }) => [id, votes, isMine]) };
    }"""

    async def run(*events: tuple[str, dict[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = await page.evaluate(script, {"list": LIST, "events": events})
        return found

    assert (await run())["ranked"] == [[2, 2, False], [1, 1, True]]
    votes = ("votes", {"total": 5, "kinds": {"1": 3, "2": 2}})
    assert (await run(votes, ("local_voted", {"id": 2, "mine": True})))["ranked"] == [[1, 3, True], [2, 2, True]]
    gone = ("question_gone", {"seq": 4, "question": {"id": 1}})
    new = ("question", {"seq": 5, "question": {**QUESTION, "id": 3, "answering_at_ms": 9}})
    state = await run(gone, gone, new, ("local_asked", {"question": {**QUESTION, "id": 3}}))
    assert (state["seq"], state["ranked"]) == (5, [[3, 0, False], [2, 2, False]])
    assert state["questions"][1]["answering_at_ms"] == 9
