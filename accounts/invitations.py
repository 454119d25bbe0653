"""Invitations to sign up, where it is by invitation: each lets in one person, by a link, until it ends.

Made in the admin. A browser that opens the link keeps the code in its session until the person has signed up.
"""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import Invitation, Viewer

KEY = "invitation"


def keep(request: HttpRequest) -> None:
    """Keep the code that the address brings, if it is good for something."""
    code = request.GET.get(KEY, "")
    if code and _good(code).exists():
        request.session[KEY] = code


def is_invited(request: HttpRequest) -> bool:
    code = request.session.get(KEY)
    return code is not None and _good(code).exists()


def take(request: HttpRequest) -> Invitation | None:
    """Return the browser's invitation, locked, if it is still good."""
    return _good(request.session.get(KEY, "")).select_for_update().first()


def use(invitation: Invitation, viewer: Viewer) -> None:
    invitation.used_by = viewer
    invitation.save(update_fields=["used_by"])


def _good(code: str) -> QuerySet[Invitation]:
    return Invitation.objects.filter(code=code, used_by=None, expires_at__gt=timezone.now())
