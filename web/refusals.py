"""Refusals of acts, by kind. All code that acts raises them, and web.errors answers them.

Each has a `code`, which is stable, and a text that says what to do.
"""

from __future__ import annotations


class Refused(Exception):
    """An act that is not possible: the caller's mistake. `code` is stable, the text says what to do."""

    code = "refused"

    def __init__(self, detail: str, *, code: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or self.code


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
