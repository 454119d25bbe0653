"""Data in a page, for its scripts and for search engines. Called by what pages are made of."""

from __future__ import annotations

import orjson
from django.utils.safestring import SafeString, mark_safe

_UNSAFE = str.maketrans({char: f"\\u{ord(char):04x}" for char in "<>&"})


def script_json(value: object) -> SafeString:
    """Return the value as JSON that may stand in a `<script>`: nothing in it ends that."""
    return mark_safe(orjson.dumps(value).decode().translate(_UNSAFE))
