"""Stream keys: what a broadcaster enters into an encoder, once. Called by the API, the studio and the ingest.

A key is made of the viewer, a version and the site's SECRET_KEY, so no secret is stored. Another version makes the key
of before worthless, also for a picture that is coming in.
"""

from __future__ import annotations

import secrets
import time
from uuid import UUID

from django.core.signing import BadSignature, TimestampSigner
from django.db.models import F
from django.utils.crypto import constant_time_compare, salted_hmac

from accounts.models import Viewer
from videos import rights
from videos.models import StreamKey
from web.refusals import Forbidden

_SALT = "videos.stream_key"
_HEX = 32
_ONCE = "once-"
ONCE_SECONDS = 60
_used: dict[str, float] = {}  # names that were good once, and since when they are not


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


def name_for_once(viewer: Viewer) -> str:
    """Return what an encoder on this machine sends with in place of the viewer's key: once, within `ONCE_SECONDS`.

    Command lines can be read by all users of a machine. Raises Forbidden for who may not broadcast.
    """
    key_of(viewer)
    return _ONCE + _signer().sign(f"{viewer.id.hex}.{secrets.token_hex(8)}")


def key_behind(name: str) -> str:
    """Return the key that a name of `name_for_once` stands for; the second time, too late, or for any other: the name.

    One query.
    """
    if not name.startswith(_ONCE):
        return name
    try:
        id, _, _nonce = _signer().unsign(name.removeprefix(_ONCE), max_age=ONCE_SECONDS).partition(".")
        viewer = Viewer.objects.filter(id=UUID(id), is_active=True).first()
    except (BadSignature, ValueError):
        return name
    now = time.monotonic()
    for used in [used for used, at in _used.items() if at < now - 2 * ONCE_SECONDS]:
        del _used[used]
    if viewer is None or _used.setdefault(name, now) != now:
        return name
    return key_of(viewer)


def _signer() -> TimestampSigner:
    return TimestampSigner(sep=".", salt=_SALT)


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
