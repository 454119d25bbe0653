"""The shape of static/js/ and static/css/: what a room imports, how long a function is, that a page loads each file
and has the texts that its script shows."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
JS = ROOT / "static" / "js"
SCRIPTS = sorted(JS.rglob("*.js"))
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
FUNCTION_LINES_MAX = 60
FILE_LINES_MAX = 450
WORKERS = {JS / "worker.js", JS / "service-worker.js"}
"""Loaded by a script, not by a page."""

MAY_IMPORT = {
    "core": {"core"},
    "parts": {"core", "parts"},
    "inbox": {"core", "parts", "inbox"},
    "watch": {"core", "parts", "inbox", "watch", "topics.js"},
    "board": {"core", "parts", "board"},
    "messages": {"core", "parts", "inbox", "watch", "messages", "topics.js"},
    "notices": {"core", "parts", "inbox", "notices", "topics.js"},
    "home": {"core", "parts", "home"},
    "channel": {"core", "parts", "channel"},
    "account": {"core", "parts", "account"},
    "moderation": {"core", "parts", "moderation"},
    "rules": {"core", "parts", "moderation", "rules", "topics.js"},
    "admin": {"admin"},
    "studio": {"core", "parts", "watch", "studio", "topics.js"},
    "operator": {"core", "parts", "operator"},
}
FUNCTION_START = re.compile(
    r"^\s*(?:export )?(?:default )?(?:static )?(?:async )?"
    r"(?!if\b|for\b|while\b|switch\b|catch\b|else\b|class\b|try\b|do\b|return\b)"
    r"(?:function\b.*|(?:get |set )?#?\w+\(.*\)|.*=>) \{$"
)


def test_keys_of_an_input_method_are_known_by_one_rule() -> None:
    """The emoji's field asked the event alone, and Safari says it otherwise: Enter on a word took an emoji."""
    asking = [name_of(script) for script in SCRIPTS if re.search(r"\.isComposing\b|\bkeyCode\b", script.read_text())]
    assert asking == ["static/js/parts/dom.js"]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(script: Path) -> list[Path]:
    """Return the modules of ours that a module imports itself."""
    found = re.findall(r"""^(?:import|export)\b[^"']*["'](\.[^"']+)["'];""", script.read_text(), re.MULTILINE)
    return [path for path in ((script.parent / name).resolve() for name in found) if path.is_relative_to(JS)]


def imports_later(script: Path) -> list[Path]:
    """Return the modules of ours that a module imports when they are needed."""
    found = re.findall(r"""\bimport\("(\.[^"]+)"\)""", script.read_text())
    return [(script.parent / name).resolve() for name in found]


def loads(script: Path) -> set[Path]:
    """Return the script, and everything that it imports now or later."""
    found = reached(script)
    waiting = [later for path in found for later in imports_later(path)]
    return found.union(*(loads(later) for later in waiting))


def reached(script: Path) -> set[Path]:
    """Return the script and everything that it imports."""
    found: set[Path] = set()
    waiting = [script]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += imports(path)
    return found


def loaded(kind: str) -> set[Path]:
    """Return the scripts (js) or style sheets (css) that templates name."""
    texts = "".join(template.read_text() for template in TEMPLATES)
    return {ROOT / "static" / path for path in re.findall(rf'{{% static "({kind}/[^"]+)" %}}', texts)}


def functions(script: Path) -> Iterator[tuple[int, int]]:
    """Return the first line and the number of lines of each function that goes over several.

    Our scripts are formatted: the brace that closes a function stands at the indent of the line that opens it.
    """
    lines = script.read_text().splitlines()
    for at, line in enumerate(lines):
        if FUNCTION_START.match(line):
            close = re.match(r" *", line)[0] + "}"  # type: ignore[index]
            yield at + 1, next(n for n, other in enumerate(lines[at + 1 :], 2) if other.startswith(close))


def test_no_function_and_no_file_is_too_long_to_read() -> None:
    found = [(name_of(script), line, length) for script in SCRIPTS for line, length in functions(script)]
    assert len(found) > 300, "the measure finds functions"
    assert [each for each in found if each[2] > FUNCTION_LINES_MAX] == []
    lengths = {name_of(script): len(script.read_text().splitlines()) for script in SCRIPTS}
    assert {name: length for name, length in lengths.items() if length > FILE_LINES_MAX} == {}


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_what_is_below_it(room: str) -> None:
    found = {path.relative_to(JS).parts[0] for script in (JS / room).glob("*.js") for path in imports(script)}
    assert found <= MAY_IMPORT[room]


def test_every_room_is_known() -> None:
    assert {path.name for path in JS.iterdir() if path.is_dir()} == set(MAY_IMPORT)


def test_the_worker_reaches_nothing_that_needs_a_page() -> None:
    for script in itertools.chain.from_iterable(reached(worker) for worker in WORKERS):
        code = re.sub(r"//.*|/\*.*?\*/", "", script.read_text())
        assert not re.search(r"\bdocument\.|\bwindow\.", code), name_of(script)


def test_the_worker_names_itself_what_it_needs() -> None:
    """Else it asks for it rank by rank, a trip to the server each. No page can preload for it."""
    for worker in WORKERS:
        assert set(imports(worker)) == reached(worker) - {worker}


def test_a_page_loads_every_script_and_every_style_sheet() -> None:
    scripts = set().union(*(loads(script) for script in loaded("js") | WORKERS))
    assert set(SCRIPTS) - scripts == set()
    assert set((ROOT / "static" / "css").glob("*.css")) == loaded("css")


def test_the_watch_page_preloads_what_its_scripts_import() -> None:
    """Else a module of the fourth rank is asked for after three trips to the server.

    What the picture needs comes first; the rest waits in a template until the picture stands, or comes with the rest
    of the page.
    """
    first, later = (JS / "watch" / f"{name}.js" for name in ("start", "watch"))
    page, rest = ((ROOT / "templates" / "videos" / name).read_text() for name in ("watch.html", "_watch_later.html"))
    at_once, waiting = (preloaded(part) for part in page.split("<template "))
    assert sorted(at_once) == sorted(reached(first) - {first})
    assert sorted(waiting + preloaded(rest)) == sorted(reached(later) - reached(first))


def preloaded(text: str) -> list[Path]:
    found = re.findall(r'rel="modulepreload" href="{% static "(js/[^"]+)" %}"', text)
    return [ROOT / "static" / path for path in found]


def test_every_text_that_a_script_asks_for_exists() -> None:
    from videos import words

    for script, texts in (
        ("watch/watch", words.WATCH),
        ("studio/studio", words.STUDIO),
        ("messages/messages", words.MESSAGES),
    ):
        modules = reached(JS / f"{script}.js")
        asked = {key for path in modules for key in re.findall(r'\btranslate\("([a-z_.]+)"', path.read_text())}
        counted = {key for path in modules for key in re.findall(r'\bplural\("([a-z_.]+)"', path.read_text())}
        assert asked | {f"{key}.other" for key in counted} <= set(texts)
