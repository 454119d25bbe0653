"""What every page keeps to so that a strict Content-Security-Policy holds, read from the files themselves."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
SCRIPTS = sorted((ROOT / "static" / "js").rglob("*.js"))
STYLES = sorted((ROOT / "static" / "css").glob("*.css"))
# They are no scripts: nothing runs them.
DATA = ("application/json", "application/ld+json")


class _Inline(HTMLParser):
    """Collects what a Content-Security-Policy without 'unsafe-inline' would block."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        named = dict(attributes)
        if tag == "style" or (tag == "script" and "src" not in named and named.get("type") not in DATA):
            self.found.append(f"<{tag}>")
        for name, value in attributes:
            if name == "style" or re.fullmatch(r"on[a-z]+", name) or (value or "").strip().startswith("javascript:"):
                self.found.append(f"{tag} {name}={value}")


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_template_has_inline_script_style_or_handler(template: Path) -> None:
    parser = _Inline()
    parser.feed(template.read_text())
    assert parser.found == []


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_template_switches_escaping_off_or_loads_from_elsewhere(template: Path) -> None:
    text = template.read_text()
    assert not re.search(r"\|\s*safe\b|autoescape off|mark_safe", text)
    assert not re.search(r"""(?:src|href|action)=["']?(?:https?:)?//""", text)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_no_script_makes_html_from_text_or_loads_from_elsewhere(script: Path) -> None:
    text = script.read_text()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)
    assert "://" not in text.replace("http://www.w3.org/2000/svg", "")


@pytest.mark.parametrize("style", STYLES, ids=lambda path: path.name)
def test_no_style_loads_from_elsewhere(style: Path) -> None:
    assert not re.search(r"@import|url\((?!['\"]?data:)", style.read_text())


def _luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_text_colour_has_enough_contrast_on_every_surface(scheme: int) -> None:
    tokens = dict(
        re.findall(
            r"--([a-z0-9-]+): (light-dark\([^)]*\)|#[0-9a-f]{6});", (ROOT / "static" / "css" / "tokens.css").read_text()
        )
    )
    colours = {}
    for name, value in tokens.items():
        found = re.findall(r"#[0-9a-f]{6}", value)
        colours[name] = found[min(scheme, len(found) - 1)]
    surfaces = ("bg", "raised", "raised-2")
    texts = ("text", "muted", "accent", "error", "good", *(name for name in colours if name.startswith("kind-")))
    pairs = {(text, surface): _contrast(colours[text], colours[surface]) for text in texts for surface in surfaces}
    pairs["on-fill", "fill"] = _contrast(colours["on-fill"], colours["fill"])
    pairs["on-fill", "fill-hover"] = _contrast(colours["on-fill"], colours["fill-hover"])
    pairs["white", "live"] = _contrast("#ffffff", colours["live"])
    assert {pair: round(value, 2) for pair, value in pairs.items() if value < 4.5} == {}
