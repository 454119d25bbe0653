"""Sessions that have expired, and guests who have left nothing. Called by the periodic jobs.

All in short transactions, so that even years of rows delay nobody. If a job is interrupted, it goes on the next time.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Exists, ManyToOneRel, OuterRef, Q, QuerySet
from django.utils import timezone

from accounts.belongings import belongings
from accounts.models import SignedIn, Viewer
from accounts.tokens import TOKEN_DAYS

ROWS_MAX = 1_000  # of one transaction or look


def forget_sessions() -> int:
    """Delete the sessions that have expired. Returns how many."""
    expired = Session.objects.filter(expire_date__lt=timezone.now()).values_list("session_key", flat=True)
    deleted = 0
    while keys := list(expired[:ROWS_MAX]):
        SignedIn.objects.filter(session_key__in=keys).delete()
        deleted += Session.objects.filter(session_key__in=keys).delete()[0]
    return deleted


def guests_gone_before() -> datetime:
    """Return a time: guests who were here last before it cannot come back by any session or token.

    A session lasts from the sign-in, and gives new tokens until its end.
    """
    return timezone.now() - timedelta(seconds=settings.SESSION_COOKIE_AGE, days=TOKEN_DAYS)


def forget_guests() -> int:
    """Delete the guests who cannot come back and have left nothing. Returns how many."""
    before = guests_gone_before()
    deleted, place = 0, UUID(int=0)
    # Ids begin with the time in ms (UUID version 7), so each look takes up where the last one ended.
    old = Viewer.objects.filter(id__lt=UUID(int=int(before.timestamp() * 1000) << 80)).order_by("id")
    while ids := list(old.filter(id__gt=place).values_list("id", flat=True)[:ROWS_MAX]):
        place = ids[-1]
        deleted += _forget(list(_traceless(before).filter(id__in=ids).values_list("id", flat=True)), before)
    return deleted


def _traceless(before: datetime) -> QuerySet[Viewer]:
    """Return the guests from before that time who own no row of any table and have no right."""
    guests = Viewer.objects.filter(is_guest=True, is_broadcaster=False, is_staff=False, is_superuser=False)
    for moment in ("date_joined", "last_login", "last_active_at"):
        guests = guests.filter(Q(**{moment: None}) | Q(**{f"{moment}__lt": before}))
    for relation in Viewer._meta.get_fields(include_hidden=True):
        if isinstance(relation, ManyToOneRel):
            rows = relation.related_model._default_manager.filter(**{relation.field.name: OuterRef("pk")})
            guests = guests.filter(~Exists(rows))
    return guests


@transaction.atomic
def _forget(guest_ids: list[UUID], before: datetime) -> int:
    # Locked, and then checked again: a transaction that refers to them meanwhile waits, and then finds no viewer.
    locked = Viewer.objects.select_for_update(skip_locked=True).filter(id__in=guest_ids)
    ids = list(_traceless(before).filter(id__in=[guest.id for guest in locked]).values_list("id", flat=True))
    for kept in belongings:
        kept.forget(ids)
    Viewer.objects.filter(id__in=ids).delete()
    return len(ids)
