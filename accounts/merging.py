"""A guest who signs in: everything that they did becomes the account's, in one transaction, and all people concerned
get an event.

Hop: beside the path, called by the sign-in. The apps hand over what they keep (accounts.belongings). The guest stays as
an inactive row that owns nothing. This ends the guest's tokens and streams.

Locks come in the same order as everywhere: all topics, by name, then rows. The lock on the guest's own row still lets
others refer to its key, because a transaction that writes as the guest may hold the row and wait for a topic.
"""

from __future__ import annotations

import logging

from django.db import transaction

from accounts.belongings import belongings
from accounts.models import Viewer
from realtime.log import writer as log

logger = logging.getLogger(__name__)


@transaction.atomic
def merge(guest: Viewer, account: Viewer) -> None:
    """Give everything that the guest has to the account."""
    heads = log.lock_topics({topic for kept in belongings for topic in kept.topics(guest.id, account.id)})
    if not Viewer.objects.filter(id=guest.id, is_active=True).update(is_active=False):
        return
    for kept in belongings:
        kept.hand_over(guest, account, heads)
    logger.info("guest %s has become %s", guest.id, account.id)
