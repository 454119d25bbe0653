"""Stream keys: what a broadcaster enters into an encoder, once. Called by the API, the studio and the ingest.

A key is made of the viewer, a version and the site's SECRET_KEY, so no secret is stored. Another version makes the key
of before worthless, also for a picture that is coming in.
"""

from __future__ import annotations

from uuid import UUID

from django.db.models import F
from django.utils.crypto import constant_time_compare, salted_hmac

from accounts.models import Viewer
from videos import rights
from videos.models import StreamKey
from web.refusals import Forbidden

_SALT = "videos.stream_key"
_HEX = 32


class WrongKey(Forbidden):
    """The key is none, or was replaced, or its broadcaster may not broadcast."""

    code = "wrong_key"


def key_of(viewer: Viewer) -> str:
    """Return the viewer's key. Raises Forbidden for who may not broadcast."""
    if not rights.may_broadcast(viewer):
        raise Forbidden("Only broadcasters can do this.")
    kept = StreamKey.objects.filter(viewer=viewer).first()
    return _key(viewer.id, kept.version if kept else 1)


def replace_key(viewer: Viewer) -> str:
    """Make another key for the viewer; return it. Raises Forbidden."""
    key_of(viewer)
    StreamKey.objects.get_or_create(viewer=viewer)
    StreamKey.objects.filter(viewer=viewer).update(version=F("version") + 1)
    return key_of(viewer)


def stream_id_of(key: str) -> str:
    """Return what of the key says whose it is, and is no secret."""
    return key[:_HEX]


def named_by(key: str) -> Viewer | None:
    """Return whose key, or stream id, it says to be. Anybody may say so."""
    try:
        return Viewer.objects.filter(id=UUID(stream_id_of(key)), is_active=True).first()
    except ValueError:
        return None


def key_named(stream_id: str) -> str:
    """Return the key that an encoder must know which calls itself so. Raises WrongKey."""
    viewer = named_by(stream_id) if len(stream_id) == _HEX else None
    try:
        if viewer is not None:
            return key_of(viewer)
    except Forbidden as error:
        raise WrongKey("Only broadcasters can send a picture.") from error
    raise WrongKey("The stream id is nobody's. Copy the address from the studio.")


def broadcaster_of(key: str) -> Viewer:
    """Return whose key it is. Raises WrongKey."""
    try:
        UUID(stream_id_of(key))
    except ValueError as error:
        raise WrongKey("This is no stream key. Copy it from the studio.") from error
    viewer = named_by(key)
    try:
        known = key_of(viewer) if viewer else ""
    except Forbidden as error:
        raise WrongKey("Only broadcasters can send a picture.") from error
    if not constant_time_compare(key, known) or viewer is None:
        raise WrongKey("The stream key is wrong, or was replaced. Copy it from the studio.")
    return viewer


def _key(id: UUID, version: int) -> str:
    return f"{id.hex}-{salted_hmac(_SALT, f'{id.hex} {version}', algorithm='sha256').hexdigest()[:_HEX]}"
