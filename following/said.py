"""Sends to browsers what was said to people (notices), where they want that: once for each line that is not seen.

Hop: beside the path, called by a periodic job. Each is sent at most once: a run that is killed loses what it has taken.
The line is on the site all the same.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from functools import partial
from typing import Any

from django.utils.translation import gettext as _

from following.browsers import push
from following.push import PushMessage
from notices.telling import take_due

logger = logging.getLogger(__name__)

LINES_MAX = 200  # of one page
PAGES_MAX = 10  # of one run
FRESH = timedelta(minutes=10)
"""A line that is older is no news."""
TTL_SECONDS = 3_600


def send() -> int:
    """Send what is due; return how many browsers took it."""
    taken = 0
    for _page in range(PAGES_MAX):
        due = take_due(LINES_MAX, FRESH)
        if due is None:
            break
        taken += sum(push([(viewer_id, partial(_message, line)) for viewer_id, line in due]))
    if taken:
        logger.info("notices: %d browsers have taken them", taken)
    return taken


def _message(line: dict[str, Any]) -> PushMessage:
    """Return what is said, in the language that is active. Not the text of the comment: it may be deleted."""
    says = {"answer": _("{name} answered you"), "mention": _("{name} mentioned you")}[line["kind"]]
    title = says.format(name=line["comment"]["author"]["name"])
    return PushMessage(title, line["video"]["title"], line["path"], f"notice:{line['id']}", TTL_SECONDS)
