"""The catalogs of translations hold what people see, whole and in the right form."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.catalog import Message as Entry
from django.conf import settings

from liveplatform import catalogs

ROOT = Path(__file__).resolve().parent.parent.parent
TEMPLATES = sorted(path for path in (ROOT / "templates").rglob("*.html") if "docs" not in path.parts)
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|\{\w*\}|</?\w+>")
MISSING_SHARE_MAX = 0.02
"""Texts that have just changed, in each language: they are shown in English."""
NAMES = {"liveplatform", "OBS", "RTMP", "SRT", "HLS", "UTC"}


def language_of(po: Path) -> str:
    return po.parts[-3]


@pytest.fixture(params=catalogs.po_files(), ids=language_of)
def catalog(request: pytest.FixtureRequest) -> Catalog:
    return catalogs.read(request.param)


@pytest.fixture(scope="module")
def messages() -> set[catalogs.Marked]:
    return catalogs.messages()


def forms(entry: Entry) -> list[str]:
    return [entry.string] if isinstance(entry.string, str) else list(entry.string or ())


def test_each_language_of_the_site_has_a_catalog() -> None:
    """The tests below see whether it is whole."""
    others = {code for code, _ in settings.LANGUAGES} - {settings.LANGUAGE_CODE}
    assert {language_of(po) for po in catalogs.po_files()} == others


def test_nearly_each_text_is_translated(catalog: Catalog, messages: set[catalogs.Marked]) -> None:
    missing = []
    for message in sorted(messages, key=str):
        entry = catalog.get(message if isinstance(message, str) else message[0])
        if entry is None or not all(forms(entry)) or entry.pluralizable != isinstance(message, tuple):
            missing.append(message)
    assert len(missing) <= MISSING_SHARE_MAX * len(messages), missing


def test_a_translation_keeps_what_is_filled_in(catalog: Catalog) -> None:
    wrong = []
    for entry in catalog:
        if not entry.id:
            continue
        texts = [entry.id] if isinstance(entry.id, str) else list(entry.id)
        wanted = set(PLACEHOLDER.findall(texts[-1]))
        for text in filter(None, forms(entry)):
            found = set(PLACEHOLDER.findall(text))
            # "one day" needs no number.
            if found - wanted or (wanted - found) - (
                {"{n}", "%(n)s", "%(count)s", "%(seconds)s"} if entry.pluralizable else set()
            ):
                wrong.append((entry.id, text))
    assert wrong == []


def test_a_text_that_counts_has_each_form_of_the_language(catalog: Catalog) -> None:
    for entry in catalog:
        if entry.id and entry.pluralizable:
            assert len(entry.string or ()) == catalog.num_plurals


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT / "templates")))
def test_no_template_has_a_text_that_is_not_marked(template: Path) -> None:
    text = re.sub(
        r"\{%\s*blocktranslate.*?endblocktranslate\s*%\}|\{% block html_\w+ %\}.*?\{% endblock %\}|\{#.*?#\}",
        "",
        template.read_text(),
        flags=re.DOTALL,
    )
    text = re.sub(r"\{%.*?%\}|\{\{.*?\}\}", "\0", text, flags=re.DOTALL)
    text = re.sub(r"\S*/\S*\.\w+", "\0", text)  # paths are no texts
    attributes = re.findall(r'\b(?:aria-label|title|placeholder|alt)="([^"]*)"', text)
    between = re.sub(r"<(script|style|code|kbd|svg)\b.*?</\1>|<[^>]*>", "\0", text, flags=re.DOTALL)
    between = re.sub(r"[\w-]+=\"[^\"]*\"", "\0", between)  # attributes that a block adds to a tag
    words = {word for part in (between, *attributes) for word in re.findall(r"[A-Za-z]{3,}", part)}
    assert words - NAMES == set()
