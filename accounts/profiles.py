"""What the owner of an account may change of it, and when they may leave. One check for the pages and the API."""

from __future__ import annotations

from django.contrib.auth.hashers import check_password
from django.db import transaction

from accounts.models import Viewer
from accounts.names import clean_name
from accounts.taken import claim
from web.refusals import Conflict, Forbidden, Invalid


def allowed_name(viewer: Viewer, name: str) -> str:
    """Return the name as it is stored, kept for the account until the transaction has written it.

    Only staff may have a reserved one. Raises Invalid, Conflict (another account has it).
    """
    try:
        name = clean_name(name)
    except Invalid as error:
        if error.code != "reserved" or not viewer.is_staff:
            raise
    claim(name, owner_id=viewer.id)
    return name


@transaction.atomic
def rename(viewer: Viewer, name: str) -> None:
    """Raises Invalid, Conflict."""
    viewer.name = allowed_name(viewer, name)
    viewer.save(update_fields=["name"])


def check_leaving(viewer: Viewer, username: str, password: str) -> None:
    """Check that somebody may delete their account, and means it. Raises Conflict, Forbidden."""
    if viewer.is_staff or viewer.is_superuser:
        raise Conflict("This account is staff: another administrator deletes it.", code="staff")
    if username != viewer.username:
        raise Conflict("This is not the username of the account.", code="username")
    if viewer.has_usable_password() and not check_password(password, viewer.password):
        raise Forbidden("This is not the password of the account.", code="password")
