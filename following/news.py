"""Sends viewers messages of what they wait for: a planned broadcast before it starts, a channel when it goes live.

Hop: beside the path, called by a periodic job. What is new is found in the database, so no act has to think of it,
and no message is lost. A viewer gets it in the browsers in which they have said yes, by mail if there is none, in the
language of their account. Each run sends to so many viewers and writes down how far it came. A run that was killed is
repeated by the next one from there: a message may come twice then, and a browser shows the two as one
(`PushMessage.tag`).
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import override

from following.browsers import IS_SIGNED_IN, push
from following.models import Announced
from following.push import PushMessage
from following.reading import channel_path
from notices.choices import MAIL, PUSH, wanting
from videos.models import Video
from videos.reading import read_video
from videos.syndication import REMINDED_BEFORE
from web import statements

logger = logging.getLogger(__name__)

VIEWERS_MAX = 200  # of one page
PAGES_MAX = 10  # of one run
LEASE = timedelta(minutes=2)  # the longest time that a page may take
FRESH = timedelta(minutes=10)
"""A start that is longer ago than that is no news."""
TTL_SECONDS = 3_600
_MAIL = """{title}: {about}

{video}

{why} {channel}
"""

# One that was planned anew is announced anew.
_FIND_SOON = """
INSERT INTO following_announced AS a (video_id, kind, at)
SELECT id, 'soon', starts_at FROM videos_video v WHERE status = 'upcoming' AND visibility <> 'private'
AND starts_at BETWEEN statement_timestamp() AND statement_timestamp() + %s
AND EXISTS (SELECT FROM following_reminder WHERE video_id = v.id)
ON CONFLICT (video_id, kind) DO UPDATE SET at = excluded.at, after = DEFAULT, done_at = NULL
WHERE a.at + %s < excluded.at
"""
_FIND_LIVE = """
INSERT INTO following_announced (video_id, kind, at)
SELECT id, 'live', started_at FROM videos_video v WHERE status = 'live' AND visibility <> 'private'
AND started_at > statement_timestamp() - %s
AND (EXISTS (SELECT FROM following_reminder WHERE video_id = v.id)
OR EXISTS (SELECT FROM following_follow WHERE channel_id = v.owner_id AND alerts))
ON CONFLICT (video_id, kind) DO NOTHING
"""
_TAKE = """
UPDATE following_announced SET leased_until = statement_timestamp() + %s WHERE (video_id, kind) = (
    SELECT video_id, kind FROM following_announced WHERE done_at IS NULL AND leased_until <= statement_timestamp()
    ORDER BY leased_until LIMIT 1 FOR UPDATE SKIP LOCKED
) RETURNING video_id, kind, after
"""
_GO_ON = """
UPDATE following_announced SET after = %s, leased_until = statement_timestamp(),
done_at = CASE WHEN %s THEN statement_timestamp() END WHERE video_id = %s AND kind = %s
"""
_WAITING = """
SELECT viewer_id FROM following_reminder WHERE video_id = %(video)s AND viewer_id > %(after)s
UNION SELECT viewer_id FROM following_follow
WHERE channel_id = %(channel)s AND alerts AND viewer_id > %(after)s AND %(to_followers)s
ORDER BY viewer_id LIMIT %(limit)s
"""
_MAILS = f"""
SELECT DISTINCT ON (e.user_id) v.language, e.email
FROM account_emailaddress e JOIN accounts_viewer v ON v.id = e.user_id
WHERE e.user_id = ANY(%s) AND v.is_active AND e.verified
AND NOT (e.user_id = ANY(%s) AND EXISTS (
    SELECT FROM following_pushdevice d WHERE d.viewer_id = e.user_id AND {IS_SIGNED_IN}
))
ORDER BY e.user_id, e.primary DESC
"""


@dataclass(frozen=True, slots=True)
class _News:
    """What is announced next, to the viewers after that one."""

    video: Video
    kind: Announced.Kind
    after: UUID

    @property
    def holds(self) -> bool:
        """Whether it is still true."""
        is_status = self.video.status == (Video.Status.LIVE if self.kind == Announced.Kind.LIVE else "upcoming")
        return is_status and self.video.visibility != Video.Visibility.PRIVATE

    def message(self) -> PushMessage:
        """Return what is said, in the language that is active."""
        says = {Announced.Kind.LIVE: _("%(name)s is live"), Announced.Kind.SOON: _("%(name)s starts soon")}[self.kind]
        title, path = says % {"name": self.video.owner.name}, f"/videos/{self.video.id}/"
        return PushMessage(title, self.video.title, path, self.video.topic, TTL_SECONDS)


def announce() -> int:
    """Find what is new, and send it to some viewers; return how many browsers took it."""
    statements.run(_FIND_SOON, [REMINDED_BEFORE, REMINDED_BEFORE])
    statements.run(_FIND_LIVE, [FRESH])
    taken = 0
    for _page in range(PAGES_MAX):
        news = _take()
        if news is None:
            break
        taken += _send(news)
    return taken


def _take() -> _News | None:
    """Return what has to be announced next. Nobody else does it meanwhile."""
    found = statements.rows(_TAKE, [LEASE])
    if not found:
        return None
    [(video_id, kind, after)] = found
    video = read_video(video_id)
    return None if video is None else _News(video, Announced.Kind(kind), after)


def _send(news: _News) -> int:
    """Send it to one page of viewers; return how many browsers took it."""
    waiting = _waiting(news) if news.holds else []
    pushed = wanting(waiting, news.kind, PUSH)
    results = push([(viewer_id, news.message) for viewer_id in pushed])
    is_done = len(waiting) < VIEWERS_MAX
    with transaction.atomic():
        _mail(news, wanting(waiting, news.kind, MAIL), pushed)
        statements.run(_GO_ON, [waiting[-1] if waiting else news.after, is_done, news.video.id, news.kind.value])
    taken = sum(results)
    if results:
        logger.info("%s: %s, %d of %d browsers have taken it", news.video.topic, news.kind.value, taken, len(results))
    return taken


def _waiting(news: _News) -> list[UUID]:
    """Return the viewers of the next page: those who wait for the video, and followers of a channel that is live."""
    is_for_all = news.kind == Announced.Kind.LIVE and news.video.visibility == Video.Visibility.PUBLIC
    values = {
        "video": news.video.id,
        "channel": news.video.owner_id,
        "after": news.after,
        "to_followers": is_for_all,
        "limit": VIEWERS_MAX,
    }
    return [id for (id,) in statements.rows(_WAITING, values)]


def _mail(news: _News, viewer_ids: Collection[UUID], pushed: Collection[UUID]) -> None:
    """Write to those who have a confirmed address, and get it in no browser: once each, for it is a row as well."""
    if not settings.LIVE_URL:
        return
    mails = []
    for language, to in statements.rows(_MAILS, [list(viewer_ids), list(pushed)]):
        with override(language or settings.LANGUAGE_CODE):
            said = news.message()
            body = _MAIL.format(
                title=said.title,
                about=said.body,
                video=settings.LIVE_URL + said.path,
                why=_("You asked to hear of this. To hear no more of the channel, press the bell on its page:"),
                channel=settings.LIVE_URL + channel_path(news.video.owner_id, None),
            )
        mails.append(EmailMessage(f"{said.title}: {said.body}", body, None, [to]))
    if mails:
        get_connection().send_messages(mails)
