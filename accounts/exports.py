"""A copy of what an account has, for its owner: one JSON file with all that they have made and chosen.

Called by the API. The apps add what they keep (accounts.belongings). It is written to a temporary file first, row by
row, so memory is bounded.
"""

from __future__ import annotations

import contextlib
from base64 import b64encode
from collections.abc import Iterable, Mapping
from tempfile import TemporaryFile
from typing import Any, BinaryIO

import orjson
from allauth.account.models import EmailAddress

from accounts import portraits
from accounts.belongings import belongings
from accounts.models import SignedIn, Viewer


def copy_of(viewer: Viewer) -> BinaryIO:
    """Return a file, at its end. It stays open: the answer closes it."""
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(TemporaryFile())
        file.write(b'{"account":' + orjson.dumps(_account(viewer)))
        for kept in belongings:
            for name, rows in kept.copies(viewer.id).items():
                _write(file, name, rows)
        file.write(b"}\n")
        file.flush()  # the server sends what the disk has
        stack.pop_all()
        return file


def _account(viewer: Viewer) -> dict[str, Any]:
    return {
        "id": str(viewer.id),
        "username": viewer.username,
        "name": viewer.name,
        "joined_at": viewer.date_joined,
        "last_active_at": viewer.last_active_at,
        "email_addresses": list(EmailAddress.objects.filter(user=viewer).values("email", "verified")),
        "portrait": b64encode(portraits.read(viewer.id) or b"").decode(),
        "browsers": list(SignedIn.objects.filter(viewer=viewer).values("agent", "address", "began_at")),
    }


def _write(file: BinaryIO, name: str, rows: Iterable[Mapping[str, Any]]) -> None:
    file.write(b"," + orjson.dumps(name) + b":[")
    for number, row in enumerate(rows):
        file.write((b",\n" if number else b"\n") + orjson.dumps(row))
    file.write(b"]")
