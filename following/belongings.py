"""What a viewer follows when a guest becomes an account, or an account is deleted. Part of accounts.belongings.

Hop: beside the path, called by accounts.merging in its transaction, and by accounts.removal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from accounts.belongings import Belongings
from accounts.models import Viewer
from following.models import Channel, Follow, PushDevice, Reminder
from realtime.log.writer import LockedHeads

# The account's own follow stays; nobody follows themselves. Counters are held in the order of their channels.
_HOLD = """
SELECT owner_id FROM following_channel WHERE owner_id IN (SELECT channel_id FROM following_follow WHERE viewer_id = %s)
OR owner_id = %s ORDER BY owner_id FOR UPDATE
"""
_TAKE_BACK = """
WITH gone AS (
    DELETE FROM following_follow f WHERE viewer_id = %s AND (channel_id = %s
    OR EXISTS (SELECT FROM following_follow mine WHERE mine.viewer_id = %s AND mine.channel_id = f.channel_id))
    RETURNING channel_id
  )
UPDATE following_channel c SET followers = followers - 1 FROM gone WHERE c.owner_id = gone.channel_id
"""
_TAKE_REMINDERS = """
DELETE FROM following_reminder r USING following_reminder mine
WHERE r.viewer_id = %s AND mine.viewer_id = %s AND mine.video_id = r.video_id
"""
_LEAVE = """
WITH gone AS (DELETE FROM following_follow WHERE viewer_id = %s RETURNING channel_id)
UPDATE following_channel c SET followers = followers - 1 FROM gone WHERE c.owner_id = gone.channel_id
"""
_DELETE = """
WITH follows AS (DELETE FROM following_follow WHERE channel_id = %(viewer)s),
reminders AS (DELETE FROM following_reminder WHERE viewer_id = %(viewer)s),
devices AS (DELETE FROM following_pushdevice WHERE viewer_id = %(viewer)s)
DELETE FROM following_channel WHERE owner_id = %(viewer)s
"""
_ARE_LEFT = """
SELECT FROM following_follow WHERE viewer_id = %(viewer)s
UNION ALL SELECT FROM following_reminder WHERE viewer_id = %(viewer)s
UNION ALL SELECT FROM following_pushdevice WHERE viewer_id = %(viewer)s
UNION ALL SELECT FROM following_channel WHERE owner_id = %(viewer)s
LIMIT 1
"""


class FollowingOfViewer(Belongings):
    def hand_over(self, guest: Viewer, account: Viewer, heads: LockedHeads) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_HOLD, [guest.id, guest.id])
            cursor.execute(_TAKE_BACK, [guest.id, account.id, account.id])
            Follow.objects.filter(viewer=guest).update(viewer=account)
            cursor.execute(_TAKE_REMINDERS, [guest.id, account.id])
            Reminder.objects.filter(viewer=guest).update(viewer=account)
            PushDevice.objects.filter(viewer=guest).update(viewer=account)
            self._hand_over_channel(guest, account)

    @staticmethod
    def _hand_over_channel(guest: Viewer, account: Viewer) -> None:
        """Give the guest's channel to the account. If the account has one too, it stays, and gets the followers."""
        theirs = Channel.objects.filter(owner=guest).first()
        if theirs is None:
            return
        Channel.objects.filter(owner=guest).update(handle=None)
        mine, _ = Channel.objects.select_for_update().get_or_create(
            owner=account, defaults={"handle": theirs.handle, "about": theirs.about}
        )
        followers = Follow.objects.filter(channel_id=account.id).values("viewer_id")
        Follow.objects.filter(channel_id=guest.id).filter(viewer_id__in=followers).delete()
        Follow.objects.filter(channel_id=guest.id, viewer=account).delete()
        Follow.objects.filter(channel_id=guest.id).update(channel_id=account.id)
        mine.followers = Follow.objects.filter(channel_id=account.id).count()
        mine.save(update_fields=["followers"])
        Channel.objects.filter(owner=guest).delete()

    def take_away(self, viewer_id: UUID, actor: Viewer) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_HOLD, [viewer_id, viewer_id])
            cursor.execute(_LEAVE, [viewer_id])
            cursor.execute(_DELETE, {"viewer": viewer_id})

    def copies(self, viewer_id: UUID) -> Mapping[str, Iterable[Mapping[str, Any]]]:
        followed = Follow.objects.filter(viewer_id=viewer_id).order_by("created_at")
        return {
            "channel": Channel.objects.filter(owner_id=viewer_id).values("handle", "about"),
            "follows": followed.values("channel_id", "channel__owner__name", "alerts", "created_at").iterator(),
            "reminders": Reminder.objects.filter(viewer_id=viewer_id).values("video_id", "video__title", "created_at"),
            "push_devices": PushDevice.objects.filter(viewer_id=viewer_id).values("id", "endpoint"),
        }

    def are_left(self, viewer_id: UUID) -> bool:
        with connection.cursor() as cursor:
            cursor.execute(_ARE_LEFT, {"viewer": viewer_id})
            return cursor.fetchone() is not None
