"""Which comments of a flood are drawn (static/js/watch/flow.js), and which piece of a long list (parts/piece.js)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.async_api import Page

FLOW = """async ([comments, mine, deletes]) => {
    const { Flow } = await import("/js/watch/flow.js");
    const [delivered, drawnAfter] = [[], []];
    const flow = new Flow({
        deliver: (name, data) => delivered.push(data.seq ?? name),
        isAlways: ({ author }) => author.id === mine,
        showsAll: () => false,
        changed: () => {},
        delivered: () => drawnAfter.push(delivered.length),
    });
    for (const comment of comments) flow.take("comment", { seq: comment.seq, at_ms: comment.at_ms, comment });
    flow.take("likes", {});
    const soon = delivered.length;
    if (deletes) flow.take("comment_deleted", { seq: "deleted" });
    const atOnce = delivered.length;
    while (delivered.length <= comments.length) await new Promise((done) => { setTimeout(done, 20); });
    const shown = comments.filter(({ id }) => !flow.skips(id));
    const { ratio, isFlood } = flow;
    return { soon, atOnce, delivered, drawnAfter, shown: shown.map(({ seq }) => seq), ratio, isFlood };
}"""
PIECE = """async () => {
    const { Piece, PIECE_MAX } = await import("/js/parts/piece.js");
    const rows = (from, to) => Array.from({ length: to - from }, (_, number) => ({ key: from + number }));
    const ends = (drawn) => [drawn[0].key, drawn.at(-1).key];
    const piece = new Piece();
    const found = { whole: ends(piece.of(rows(0, 50))) };
    found.followed = ends(piece.of(rows(0, 60)));
    piece.freeze();
    found.frozen = ends(piece.of(rows(0, 500)));
    piece.forward();
    found.forward = ends(piece.of(rows(0, 500)));
    piece.follow();
    found.newest = ends(piece.of(rows(0, 500)));
    piece.freeze();
    piece.of(rows(0, 530));
    piece.follow();
    found.near = ends(piece.of(rows(0, 530)));
    piece.of(rows(0, 500));
    let most = 0;
    while (piece.back()) most = Math.max(most, piece.of(rows(0, 500)).length);
    found.oldest = ends(piece.of(rows(0, 500)));
    found.older = ends(piece.of(rows(-50, 500)));
    while (!piece.follows) piece.forward();
    found.again = ends(piece.of(rows(-50, 500)));
    found.others = ends(piece.of(rows(1000, 1020)));
    return { ...found, most, max: PIECE_MAX };
}"""


def comments(count: int, a_second: float, *, start_ms: int = 0, **fields: Any) -> list[dict[str, Any]]:
    """Return comments of an hour ago or of now, by 10 authors in turn."""
    return [
        {
            "id": f"c{number}",
            "seq": number,
            "author": {"id": f"a{number % 10}"},
            "body": "Well",
            "at_ms": start_ms + round(number * 1000 / a_second),
            **fields,
        }
        for number in range(count)
    ]


async def test_all_comments_are_shown_at_once_while_one_can_read_them(page: Page) -> None:
    """Also those that were missed for an hour and come in one go: by when they were written they are no flood."""
    given = comments(300, 4)
    found = await page.evaluate(FLOW, [given, "nobody"])
    assert found["shown"] == [each["seq"] for each in given]
    assert (found["soon"], found["ratio"], found["isFlood"]) == (301, 1, False)


async def test_of_a_flood_five_a_second_are_shown_and_the_rest_is_counted(page: Page) -> None:
    given = comments(400, 40)
    found = await page.evaluate(FLOW, [given, "nobody"])
    assert sorted(found["delivered"], key=str) == sorted([*range(400), "likes"], key=str), "each is part of the state"
    assert [seq for seq in found["delivered"] if seq != "likes"] == list(range(400)), "in order"
    assert found["isFlood"]
    assert found["drawnAfter"] == [401], "one bundle, drawn once"
    assert len(found["shown"]) <= 40
    assert found["ratio"] > 4


async def test_what_becomes_of_a_comment_does_not_wait_in_a_flood(page: Page) -> None:
    """A moderator's deletion waited for the next bundle, up to 0.2 s of the 0.3 s that it may take."""
    given = comments(400, 40)
    found = await page.evaluate(FLOW, [given, "nobody", True])
    assert found["soon"] < 100, "they wait"
    assert found["atOnce"] == 402
    assert [each for each in found["delivered"] if each != "likes"] == [*range(400), "deleted"], "in order"


async def test_what_concerns_the_viewer_is_shown_in_any_flood_and_questions_come_first(page: Page) -> None:
    given = comments(400, 40)
    asked = [seq for seq in range(100, 400) if seq % 80 == 5]
    for seq in asked:
        given[seq]["body"] = "Where is this?"
    own = [seq for seq in range(400) if seq % 10 == 3]
    found = await page.evaluate(FLOW, [given, "a3"])
    assert set(own) | set(asked) <= set(found["shown"])


async def test_who_writes_most_of_a_flood_is_not_seen_more_than_others(page: Page) -> None:
    """Nine of ten comments were theirs: nine of ten of those that one saw would be, too."""
    given = comments(1_000, 50)
    for each in given:
        if each["seq"] % 10:
            each["author"] = {"id": "loud"}
        else:
            each["author"] = {"id": f"quiet {each['seq']}"}
    found = await page.evaluate(FLOW, [given, "nobody"])
    # Those before the flood was noticed are all shown.
    chosen = [seq for seq in found["shown"] if seq > 100]
    assert chosen
    assert sum(given[seq]["author"]["id"] == "loud" for seq in chosen) <= 1


async def test_a_piece_follows_stays_and_goes_everywhere_with_few_items(page: Page) -> None:
    found = await page.evaluate(PIECE)
    assert found["whole"] == [0, 49]
    assert found["followed"] == [0, 59]
    assert found["frozen"] == [0, 59], "nothing new below a reader"
    assert found["forward"] == [0, 109]
    assert found["newest"] == [450, 499]
    assert found["near"] == [450, 529], "what is drawn does not jump"
    assert found["oldest"] == [0, found["max"] - 1]
    assert found["older"] == found["oldest"], "what was loaded is drawn on the next step"
    assert found["again"][1] == 499
    assert found["others"] == [1000, 1019], "of another time"
    assert found["most"] <= found["max"]
