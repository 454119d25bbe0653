"""Messages to the browsers in which viewers have said yes, each in the language of its viewer's account.

Called by what has news for them (news, said), in a periodic job.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from uuid import UUID

from django.conf import settings
from django.utils.translation import override

from following.models import PushDevice
from following.push import Delivery, PushAddress, PushMessage, send_all
from web.statements import rows

IS_SIGNED_IN = """(d.session_key = '' OR EXISTS (
    SELECT FROM django_session s WHERE s.session_key = d.session_key AND s.expire_date > statement_timestamp()
))"""
"""SQL: whether the viewer of a device `d` is still signed in with it."""
_DEVICES = f"""
SELECT v.id, v.language, d.id, d.endpoint, d.p256dh, d.auth
FROM following_pushdevice d JOIN accounts_viewer v ON v.id = d.viewer_id
WHERE d.viewer_id = ANY(%s) AND v.is_active AND {IS_SIGNED_IN}
"""


def push(messages: Sequence[tuple[UUID, Callable[[], PushMessage]]]) -> list[bool]:
    """Send viewers messages, each made in the viewer's language; return of each for each browser whether it was taken.

    Browsers that are gone are forgotten.
    """
    devices = rows(_DEVICES, [[viewer_id for viewer_id, _ in messages]])
    by_viewer: dict[UUID, list[tuple[str, PushAddress]]] = {}
    for viewer_id, language, *address in devices:
        by_viewer.setdefault(viewer_id, []).append((language, PushAddress(*address)))
    made = []
    for viewer_id, message in messages:
        for language, to in by_viewer.get(viewer_id, ()):
            with override(language or settings.LANGUAGE_CODE):
                made.append((to, message()))
    results = asyncio.run(send_all(made))
    gone = [address.id for address, result in results if result is Delivery.GONE]
    PushDevice.objects.filter(id__in=gone).delete()
    return [result is Delivery.TAKEN for _, result in results]
