"""What the forms of all apps have in common, in pages and in the admin."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.exceptions import ValidationError

from web.refusals import Conflict, Invalid


@contextmanager
def as_form_errors() -> Iterator[None]:
    """Have what the block refuses be an error of the form, in the language of the one who reads it."""
    try:
        yield
    except (Invalid, Conflict) as error:
        raise ValidationError(error.translated(), code=error.code) from error
