"""The catalogs of translations, locale/<language>/LC_MESSAGES/django.po.

`./run` calls `compile`: it makes the .mo file of each .po that has changed. Whoever has changed texts calls
`./run -m liveplatform.catalogs update`, which brings new texts into the .po files, and takes those away that nobody
shows any more; then they write the translations (docs/languages.md).
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
LOCALE = ROOT / "locale"
APPS = (
    "accounts",
    "following",
    "notices",
    "liveplatform",
    "messaging",
    "moderation",
    "polls",
    "realtime",
    "screening",
    "videos",
    "web",
)
WORDS = {
    "moderation.words": ("ACTS", "TOOLS"),
    "polls.words": ("BOARD",),
    "videos.words": ("WATCH", "STUDIO", "CHANNEL", "HOME", "MESSAGES"),
}
"""The texts of scripts: modules and their tables."""
_REFUSALS = "Conflict Forbidden Invalid Malformed NotFound Refused SignedOut Unauthorized UnsupportedMediaType"
KEYWORDS: dict[str, tuple[int, ...] | None] = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    # Refusals, translated where they are answered.
    **dict.fromkeys(_REFUSALS.split(), (1,)),
    "Refusal": (3,),
    "error": (3,),
}
HEADER = """msgid ""
msgstr ""
"Content-Type: text/plain; charset=utf-8\\n"
"Language: {}\\n"
"Plural-Forms: {};\\n"

"""
Marked = str | tuple[str, str]


def po_files() -> list[Path]:
    return sorted(LOCALE.glob("*/LC_MESSAGES/django.po"))


def read(po: Path) -> Catalog:
    with po.open("rb") as file:
        return read_po(file, locale=po.parts[-3], domain="django")


def compile_all() -> None:
    """Make the .mo files whose .po has changed. Each is written beside and renamed: processes may be reading it."""
    for po in po_files():
        mo = po.with_suffix(".mo")
        if mo.exists() and mo.stat().st_mtime_ns >= po.stat().st_mtime_ns:
            continue
        new = mo.with_suffix(f".{os.getpid()}")
        with new.open("wb") as file:
            write_mo(file, read(po))
        new.replace(mo)


def update_all() -> None:
    found = sorted(messages(), key=str)
    for po in po_files():
        before, after = read(po), Catalog(locale=po.parts[-3], domain="django", fuzzy=False)
        for message in found:
            known = before.get(message if isinstance(message, str) else message[0])
            is_same = known is not None and known.pluralizable == isinstance(message, tuple)
            after.add(message, known.string if known is not None and is_same else "")
        written = BytesIO()
        write_po(written, after, width=120, omit_header=True)
        header = HEADER.format(po.parts[-3], after.plural_forms.rstrip(";"))
        po.write_text(header + written.getvalue().decode())


def messages() -> set[Marked]:
    """Return all texts that people see: of Python, of templates, of scripts. A pair has a plural."""
    found = {*_of_python(), *_of_templates(), *_of_scripts()}
    counted = {message[0] for message in found if isinstance(message, tuple)}
    return {message for message in found if str(message).strip() and message not in counted}


def _extracted(text: str) -> Iterator[Marked]:
    for _, message, _, _ in extract("python", BytesIO(text.encode()), keywords=KEYWORDS):
        yield message if isinstance(message, str) else (message[0], message[1])


def _of_python() -> Iterator[Marked]:
    for app in APPS:
        for path in sorted((ROOT / app).rglob("*.py")):
            if path.name != "words.py" and "migrations" not in path.parts:
                yield from _extracted(path.read_text())


def _of_templates() -> Iterator[Marked]:
    from django.utils.translation.template import templatize

    for path in sorted((ROOT / "templates").rglob("*")):
        if path.suffix in (".html", ".txt"):
            # Django writes what surrounds the calls as rows of X, which is no Python.
            for call in re.findall(
                r"n?gettext\(.*?\)(?=\s)|_\(.*?\)(?=\s)", templatize(path.read_text()) + " ", re.DOTALL
            ):
                yield from _extracted(call)


def _of_scripts() -> Iterator[Marked]:
    from web.words import in_english

    for module, tables in WORDS.items():
        for table in tables:
            words = getattr(import_module(module), table)
            for key, text in words.items():
                base, _, form = key.rpartition(".")
                if form == "one" and f"{base}.other" in words:
                    yield in_english(text), in_english(words[f"{base}.other"])
                elif form != "other" or f"{base}.one" not in words:
                    yield in_english(text)


def main() -> None:
    if sys.argv[1:] == ["compile"]:
        compile_all()
    elif sys.argv[1:] == ["update"]:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "liveplatform.settings")
        import_module("django").setup()
        update_all()
        compile_all()
    else:
        raise SystemExit("liveplatform.catalogs: compile, or update")


if __name__ == "__main__":
    main()
