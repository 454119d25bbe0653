"""What viewers want messages of, and in which browsers. Committed when they return.

Called by the API. following.news sends the messages.
"""

from __future__ import annotations

from uuid import UUID

from allauth.account.models import EmailAddress
from django.conf import settings
from django.db import connection, transaction

from accounts.models import Viewer
from following.models import PushDevice, Reminder
from following.push import check_address
from videos.models import Video
from videos.topics import visible_video
from web.refusals import Conflict

DEVICES_MAX = 10

# The browser may have been another viewer's before: it is theirs who use it now.
_KEEP = """
INSERT INTO following_pushdevice (id, viewer_id, endpoint, p256dh, auth, session_key) VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (endpoint) DO UPDATE SET viewer_id = excluded.viewer_id, p256dh = excluded.p256dh, auth = excluded.auth,
session_key = excluded.session_key
"""


def remind(video_id: UUID, viewer: Viewer) -> None:
    """Have the viewer get a message before the broadcast starts. Raises NotFound, Conflict (it has begun)."""
    if visible_video(video_id, viewer).status != Video.Status.UPCOMING:
        raise Conflict("This broadcast has begun already.", code="not_upcoming")
    Reminder.objects.bulk_create([Reminder(video_id=video_id, viewer=viewer)], ignore_conflicts=True)


def forget_reminder(video_id: UUID, viewer: Viewer) -> None:
    Reminder.objects.filter(video_id=video_id, viewer=viewer).delete()


def is_reminded(video_id: UUID, viewer: Viewer) -> bool:
    """Raises NotFound."""
    visible_video(video_id, viewer)
    return Reminder.objects.filter(video_id=video_id, viewer=viewer).exists()


@transaction.atomic
def keep_device(viewer: Viewer, *, endpoint: str, p256dh: str, auth: str, session_key: str) -> None:
    """Have a browser show messages to the viewer. Of too many the oldest go. Raises Invalid."""
    check_address(endpoint, p256dh, auth)
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, [PushDevice().id, viewer.id, endpoint, p256dh, auth, session_key])
    own = PushDevice.objects.filter(viewer=viewer).order_by("-id").values_list("id", flat=True)
    PushDevice.objects.filter(id__in=list(own[DEVICES_MAX : 2 * DEVICES_MAX])).delete()


def takes_mail(viewer: Viewer) -> bool:
    """Return whether a viewer without a browser for messages gets them by mail."""
    return bool(settings.LIVE_URL) and EmailAddress.objects.filter(user=viewer, verified=True).exists()


def forget_devices(viewer: Viewer) -> None:
    PushDevice.objects.filter(viewer=viewer).delete()
