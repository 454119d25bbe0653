"""In which language the site answers: on each kind of path, and what caches may keep."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

import httpx
import pytest
from django.conf import settings
from django.utils.translation import get_language, gettext_lazy, override

from tests.sites import Site
from videos.templatetags.figures import clock, compact
from web.languages import accepted_language, begin
from web.words import FORMS, in_language

if TYPE_CHECKING:
    from playwright.async_api import Page

PATHS = {
    "/": 200,
    "/search/": 200,
    "/accounts/login/": 200,
    "/accounts/signup/": (200, 403),
    "/nothing/": 404,
    "/videos/00000000-0000-4000-8000-000000000000/": 404,
    "/channels/nobody-of-this-name/": 404,
}


@pytest.fixture
def web(site: Site) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=site.urls[0], timeout=30, headers={"Accept-Language": "de-AT,de;q=0.9"}) as client:
        yield client


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("en-GB;q=0.5, de-CH;q=0.7", "de"),
        ("xx, de-DE", "de"),
        ("xx", "en"),
        ("*", "en"),
        ("de" * 5000, "en"),
        ("../../etc, de;q=nonsense", "en"),
    ],
)
def test_a_browser_gets_the_first_language_that_the_site_has(header: str, language: str) -> None:
    assert accepted_language(header) == language


@pytest.mark.parametrize(
    ("cookie", "language"),
    [(b"language=en", "en"), (b"a=b; language=en; c=d", "en"), (b"language=xx", "de"), (b"my_language=en", "de")],
)
def test_the_cookie_goes_before_what_the_browser_asks_for(cookie: bytes, language: str) -> None:
    with override(None):
        begin({"type": "http", "headers": [(b"accept-language", b"de"), (b"cookie", cookie)]})
        assert get_language() == language


@pytest.mark.parametrize("path", PATHS)
def test_each_page_says_its_language(web: httpx.Client, path: str) -> None:
    answer = web.get(path)
    assert answer.status_code in (statuses if isinstance(statuses := PATHS[path], tuple) else (statuses,))
    assert re.search(r'<html lang="de" dir="ltr"', answer.text)
    assert answer.headers["content-language"] == "de"
    assert {"Accept-Language", "Cookie"} <= set(re.split(r",\s*", answer.headers["vary"]))


def test_pages_do_not_mix_languages(web: httpx.Client) -> None:
    """Parts of a page are drawn once in a process."""
    languages = ["en", "de", "en", "de"]
    for language in languages:
        page = web.get("/", headers={"Accept-Language": language}).text
        assert f'lang="{language}' in page
        assert f'value="{language}" lang="{language}" aria-pressed="true"' in page


def test_what_any_cache_may_keep_names_its_language_in_its_address(web: httpx.Client) -> None:
    for path in (f"/videos/{uuid.uuid4()}/later/", "/board/"):
        for query, language in (("", "en"), ("?in=de", "de"), ("?in=xx", "en")):
            answer = web.get(path + query)
            assert answer.headers["cache-control"] == "public, max-age=60"
            assert answer.headers["content-language"] == language
            assert "Accept-Language" not in answer.headers.get("vary", "")


def test_the_switch_goes_back_to_its_page(web: httpx.Client, site: Site) -> None:
    answer = web.post("/accounts/language/", data={"language": "en", "next": "/search/?q=a"})
    assert (answer.status_code, answer.headers["location"]) == (302, "/search/?q=a")
    assert '<html lang="en"' in web.get("/").text


@pytest.mark.parametrize("back", ["https://elsewhere.example/", "//elsewhere.example", "javascript:alert(1)"])
def test_the_switch_leads_to_no_other_site(web: httpx.Client, back: str) -> None:
    assert web.post("/accounts/language/", data={"language": "en", "next": back}).headers["location"] == "/"


def test_another_site_does_not_switch_the_language(web: httpx.Client) -> None:
    answer = web.post("/accounts/language/", data={"language": "en"}, headers={"Origin": "https://elsewhere.example"})
    assert "set-cookie" not in answer.headers


def test_the_choice_of_a_viewer_goes_before_their_browser(web: httpx.Client) -> None:
    """A guest chooses by the switch, and reads it in each browser in which they are themselves."""
    name = f"Reader {uuid.uuid4().hex[:8]}"
    token = web.post("/api/v1/guests", json={"name": name}).json()["token"]
    assert web.post("/accounts/language/", data={"language": "en"}).status_code == 302
    session = web.cookies["sessionid"]
    web.cookies.clear()
    web.cookies["sessionid"] = session
    assert '<html lang="en"' in web.get("/").text
    assert '<html lang="en"' in web.get("/accounts/login/").text
    bearer = {"Authorization": f"Bearer {token}"}
    assert web.put("/api/v1/me/language", json={"language": "de"}, headers=bearer).status_code == 204
    assert '<html lang="de"' in web.get("/").text
    refused = web.put("/api/v1/me/language", json={"language": "xx"}, headers=bearer)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid")
    assert web.put("/api/v1/me/language", json={"language": ""}, headers=bearer).status_code == 204
    assert '<html lang="de"' in web.get("/").text


def test_scripts_get_each_plural_form_of_the_language() -> None:
    words = {"new.one": gettext_lazy("{n} like"), "new.other": gettext_lazy("{n} likes"), "plain": gettext_lazy("x")}
    for language, forms in FORMS.items():
        with override(language):
            assert set(in_language(words)) == {"plain", *(f"new.{form}" for form in forms)}
    with override("en"):
        assert in_language(words) == {"new.one": "{n} like", "new.other": "{n} likes", "plain": "x"}


NUMBERS = [0, 1, 999, 1_000, 1_234, 9_999, 10_000, 35_400, 123_456, 1_000_000, 1_340_000, 35_000_000, 2_400_000_000]
WRITTEN = """([numbers, languages]) => Object.fromEntries(languages.map((language) => {
    const lang = language === "ar" ? "ar-u-nu-latn" : language;
    const format = new Intl.NumberFormat(lang, { notation: "compact" });
    const forms = new Intl.PluralRules(lang).resolvedOptions().pluralCategories;
    return [language, { numbers: numbers.map((n) => format.format(n)), forms }];
}))"""


async def test_the_server_writes_numbers_as_the_scripts_do(page: Page) -> None:
    """Nothing jumps when the script takes over, and each number finds its plural form."""
    languages = [code for code, _ in settings.LANGUAGES]
    for language, browser in (await page.evaluate(WRITTEN, [NUMBERS, languages])).items():
        assert set(FORMS[language]) == set(browser["forms"]), language
        with override(language):
            assert [compact(number) for number in NUMBERS] == browser["numbers"], language


def test_a_refusal_is_in_the_language(web: httpx.Client) -> None:
    """It is written where many requests are served at once, and translated where this one is answered."""
    refused = web.get(f"/api/v1/videos/{uuid.uuid4()}/comments")
    assert refused.json() == {"code": "not_found", "detail": "Dieses Video gibt es nicht."}
    assert web.get("/accounts/login/").text.count("Anmelden") > 0


def test_dates_are_written_in_the_language() -> None:
    with override("de"):
        assert "Mär" in clock(1_772_900_000_000)
