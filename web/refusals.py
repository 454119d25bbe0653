"""Refusals of acts, by kind. All code that acts raises them, and web.errors answers them.

Each has a `code`, which is stable, and a text that says what to do.
"""

from __future__ import annotations

from django.utils.translation import gettext


class Refused(Exception):
    """An act that is not possible: the caller's mistake. `code` is stable, the text says what to do.

    `values` fill the places `{name}` of the text, after it is translated.
    """

    code = "refused"

    def __init__(self, text: str, *, code: str = "", **values: str) -> None:
        self._text = text
        self._values = values
        self.detail = text.format_map(values) if values else text
        self.code = code or self.code
        super().__init__(self.detail)

    def translated(self) -> str:
        """Return the text in the language of the one who reads it."""
        text = gettext(self._text) if self._text else ""
        return text.format_map(self._values) if self._values else text


class NotFound(Refused):
    """The thing does not exist, or this viewer may not see it. Both look the same."""

    code = "not_found"


class SignedOut(Refused):
    """The credentials were good once: the account is gone, or its password was changed."""

    code = "unauthenticated"


class Forbidden(Refused):
    code = "forbidden"


class Conflict(Refused):
    code = "conflict"


class Invalid(Refused):
    code = "invalid"
