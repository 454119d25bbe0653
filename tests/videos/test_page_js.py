"""Parts of the pages' scripts, each on an empty page."""

from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING

from django.utils.html import linebreaks

if TYPE_CHECKING:
    from playwright.async_api import Page

TEXTS = ["One", "One\nof two lines", "One\n\nTwo\nof two lines\n\nThree", "<b>1</b> & 2"]
PARAGRAPHS = """async (texts) => {
    const { paragraphs } = await import("/js/parts/dom.js");
    return texts.map((text) => paragraphs(text).map((paragraph) => paragraph.outerHTML).join("\\n\\n"));
}"""
COMPOSER = """async () => {
    const { Composer } = await import("/js/parts/composer.js");
    const form = document.createElement("form");
    form.dataset.max = form.dataset.maxBytes = "100";
    const parts = { textarea: "textarea", error: "p", left: "p", submit: "button" };
    for (const [name, tag] of Object.entries(parts)) {
        const part = document.createElement(tag);
        part.className = name;
        if (tag === "button") part.type = "submit";
        form.append(part);
    }
    document.body.append(form);
    const done = [];
    const { field } = new Composer(form, {
        draft: () => "", send: (text) => done.push(text), escape: () => done.push("escaped"),
    });
    form.addEventListener("keydown", ({ key }) => done.push(`outside: ${key}`));
    field.value = "\u65e5\u672c";
    for (const key of ["Enter", "Escape"]) for (const keyCode of [229, 1]) {
        field.dispatchEvent(new KeyboardEvent("keydown", { key, keyCode, bubbles: true, cancelable: true }));
    }
    return done;
}"""
OFFERED = """async (rights) => {
    const { actsWith } = await import("/js/watch/comment-item.js");
    const ROLES = { owner: "broadcaster", moderator: "moderator" };
    const video = { comments_enabled: true, status: "live" };
    const offered = (may, author, outranksModerators = false) => {
        const person = { id: author, role: ROLES[author] ?? null };
        const comment = { id: "c", author: person, reply_to: null, at_ms: 0, edited_at_ms: 1, pinned: false };
        const acts = actsWith(comment, 0, { viewer: { id: "me" }, may, outranksModerators, video, over: false });
        return Object.keys(acts).filter((act) => acts[act]).sort().join(" ");
    };
    return [
        ...rights.flatMap((may) => ["other", "me", "owner"].map((author) => offered(may, author))),
        ...[false, true].map((outranks) => offered(rights.at(-1), "moderator", outranks)),
    ];
}"""
FACES = """async () => {
    const { paintFace, spreadFaces } = await import("/js/parts/dom.js");
    const shown = [];
    const face = (picture, id = "a") => {
        const element = document.createElement("span");
        document.body.append(element);
        paintFace(element, { id, name: "Vera", picture });
        shown.push(element.textContent);
        return element;
    };
    const settled = (element) => new Promise((done) => {
        new MutationObserver(() => {
            const image = element.querySelector("img");
            for (const name of ["load", "error"]) image?.addEventListener(name, () => done(name));
        }).observe(element, { childList: true });
    });
    face(undefined);
    spreadFaces(0);
    const first = face(1);
    shown.push(await settled(first), first.textContent);
    spreadFaces(1e9);
    face(1);                     // known: at once
    face(2);                     // waits
    paintFace(first, { id: "a", name: "Vera" });
    shown.push(first.textContent);
    spreadFaces(0);
    const missing = face(3);
    shown.push(await settled(missing), missing.textContent);
    return shown;
}"""
PIECES = """async ([texts, name, emoji]) => {
    const { pieces } = await import("/js/watch/mentions.js");
    const sign = ({ text, isMention, isAddress, code }) =>
        (isMention ? `<${text}>` : isAddress ? `[${text}]` : code ? `{${code}}` : text);
    return texts.map((text) => pieces(text, name, emoji).map(sign).join(""));
}"""
BEGUN = """async (texts) => {
    const { beingCoded } = await import("/js/watch/mentions.js");
    return texts.map((text) => beingCoded(text, text.length)?.code ?? null);
}"""
DATES = """async () => {
    const { day, moment, shortly } = await import("/js/parts/format.js");
    const [then, now] = [new Date(2025, 2, 3, 20, 15), new Date(2026, 10, 29)];
    return [moment, shortly, day].flatMap((format) => [then, now].map((reader) => format(then, reader)));
}"""
SCROLLER = """async () => {
    const { Scroller } = await import("/js/parts/list.js");
    const make = (tag) => document.createElement(tag);
    const [scroller, content, list, pill, loader] = ["div", "div", "ol", "p", "p"].map(make);
    scroller.style = "height: 400px; overflow: auto; overflow-anchor: none";
    pill.append(document.createElement("span"));
    content.append(list);
    scroller.append(content);
    document.body.append(scroller);
    const add = () => {
        const item = document.createElement("li");
        item.style.height = "53.46px";
        list.append(item);
    };
    for (let number = 0; number < 50; number += 1) add();
    const place = new Scroller({ scroller, list, pill, loader, unseenText: String, loadOlder: async () => false });
    scroller.scrollTop = 1000;
    await new Promise((done) => { scroller.addEventListener("scroll", done, { once: true }); });
    const read = list.children[30];
    const before = read.getBoundingClientRect().top;
    let furthest = 0;
    for (let number = 0; number < 300; number += 1) {
        place.keepingPlace(add);
        furthest = Math.max(furthest, Math.abs(read.getBoundingClientRect().top - before));
    }
    return furthest;
}"""


async def test_a_description_has_the_paragraphs_that_the_server_draws(page: Page) -> None:
    """One that was edited while people watched became one block of text until they loaded the page again."""
    assert await page.evaluate(PARAGRAPHS, TEXTS) == [linebreaks(text, autoescape=True) for text in TEXTS]


async def test_a_key_that_went_to_an_input_method_neither_sends_nor_leaves(page: Page) -> None:
    """Safari ends the composition before it tells of the Enter that picked the word: half a sentence was sent."""
    assert await page.evaluate(COMPOSER) == ["\u65e5\u672c", "outside: Enter", "escaped"]


async def test_a_date_of_another_year_has_its_year(page: Page) -> None:
    """A recording of last year's November looked like one of today."""
    found = await page.evaluate(DATES)
    assert ["2025" in text for text in found] == [False, True] * 3, found


async def test_three_hundred_comments_do_not_move_what_one_reads(page: Page) -> None:
    """The browser rounds each scroll position: what was cut off added up to 11 pixels."""
    assert await page.evaluate(SCROLLER) < 1


async def test_menu_of_a_comment_offers_what_one_may_do(page: Page) -> None:
    """Helpers were offered bans and pins, which they are refused, and moderators a ban of another moderator."""
    helper = ["watch", "read", "note", "delete", "time_out", "review"]
    assert await page.evaluate(OFFERED, [[], helper, [*helper, "pin", "ban"]]) == [
        "copy message reply report",
        "copy delete reply",
        "copy message reply report",
        "copy delete message moderate reply time_out versions",
        "copy delete reply versions",
        "copy delete message moderate reply versions",
        "ban copy delete message moderate pin reply time_out versions",
        "copy delete pin reply versions",
        "copy delete message moderate pin reply versions",
        "copy delete message moderate pin reply versions",
        "ban copy delete message moderate pin reply time_out versions",
    ]


async def test_names_emoji_and_addresses_are_found_in_a_text(page: Page) -> None:
    """Each once, and no text gets lost."""
    found = {
        "@ana   maria, :wave::wave_2:": "<@ana   maria>, {wave}{wave_2}",
        "https://x.org/:wave:/ :x:wave:": "[https://x.org/:wave:/] :x{wave}",
        "https://x.org/@ana http://x.org@evil.org/": "[https://x.org/@ana] http://x.org@evil.org/",
        "@Ana Mariana :waves: 12:30:45": "@Ana Mariana :waves: 12:30:45",
        "@\u00c1na Maria": "@\u00c1na Maria",
        "": "",
    }
    emoji = {"wave": "/w", "wave_2": "/w2"}
    assert await page.evaluate(PIECES, [list(found), "Ana Maria", emoji]) == list(found.values())
    assert await page.evaluate(PIECES, [["@a.b (c)? yes", "@aXb (c)? no"], "a.b (c)?", {}]) == [
        "<@a.b (c)?> yes",
        "@aXb (c)? no",
    ]


async def test_a_code_is_completed_from_its_second_letter_on(page: Page) -> None:
    """After one, Enter on a smile such as :p would put an emoji in its place."""
    texts = {
        "Look :wa": "wa",
        ":wave::sm": "sm",
        "(:WA": "wa",
        ":p": None,
        "12:30": None,
        ":wave:": None,
        "a:b c": None,
    }
    assert await page.evaluate(BEGUN, list(texts)) == list(texts.values())


async def test_a_face_is_an_initial_until_its_picture_is_asked_for(page: Page) -> None:
    """In a room of thousands all would ask for a new face at once: they wait, each for a time of its own."""
    pixel = b64decode("R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==")
    await page.route("**/portrait?t=1", lambda route: route.fulfill(body=pixel, content_type="image/gif"))
    await page.route("**/portrait?t=3", lambda route: route.fulfill(status=404))
    assert await page.evaluate(FACES) == ["V", "V", "load", "", "", "V", "V", "V", "error", "V"]
