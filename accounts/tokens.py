"""Bearer tokens, and what a token says about its viewer. The signature is proof enough, without a query."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from django.core import signing
from django.utils.crypto import constant_time_compare

from accounts.models import Viewer, stamp_of
from web.door import Unauthorized
from web.refusals import SignedOut

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Claim:
    """The viewer who acts, known only by the signature of their credentials.

    The transaction checks, for all commands at once, that the account still exists and that `stamp` (`Viewer.stamp`;
    empty: not checked) is still right.
    """

    id: UUID
    stamp: str = ""


def acting(who: Viewer | Claim, found: R | None, password: Callable[[R], str]) -> R:
    """Return who acts, as the transaction has read them. `password`: its hash, in what was read.

    Raises SignedOut if the account is not there any more, or has another password since.
    """
    stamp = who.stamp if isinstance(who, Claim) else ""
    if found is None or (stamp and not constant_time_compare(stamp, stamp_of(password(found)))):
        raise _signed_out()
    return found


def _signed_out() -> SignedOut:
    return SignedOut("You are signed out: sign in again, or become a guest.")


TOKEN_SALT = "live.token"
TOKEN_DAYS = 30


def issue_token(viewer: Viewer) -> str:
    """Return a bearer token for the viewer. It is good for `TOKEN_DAYS`, or until a new password or the guest's end."""
    return signing.dumps([viewer.id.hex, viewer.stamp()], salt=TOKEN_SALT)


def claim_of_token(token: str) -> Claim:
    """Return the token's viewer, from the signature alone. No query. Raises Unauthorized."""
    try:
        id, stamp = signing.loads(token[:512], salt=TOKEN_SALT, max_age=TOKEN_DAYS * 86_400)
        return Claim(UUID(id), stamp)
    except (signing.BadSignature, ValueError, TypeError, AttributeError) as error:
        raise Unauthorized("The token is not valid.") from error


def viewer_of_token(token: str) -> Viewer:
    """Return the token's viewer. One query. Raises Unauthorized."""
    claim = claim_of_token(token)
    viewer = Viewer.objects.filter(id=claim.id, is_active=True).first()
    if viewer is None or not constant_time_compare(claim.stamp, viewer.stamp()):
        raise Unauthorized("The token is not valid any more.")
    return viewer


def viewer_of_claim(claim: Viewer | Claim) -> Viewer:
    """Return the acting viewer as the database has them now. Raises SignedOut."""
    viewer = Viewer.objects.filter(id=claim.id, is_active=True).first()
    if viewer is None:
        raise _signed_out()
    return viewer
