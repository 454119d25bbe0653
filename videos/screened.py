"""What a batch of comments, or of viewers' questions, must pass: the rules and words of each channel, the words of the
site, and whose names their authors bear.

Hop: called by videos.likes and polls.asking in their transactions. It asks one question with the batch's others;
without rules, lists and namesakes the answer is empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from accounts.taken import NAMESAKES_MAX
from screening import followers
from screening.followers import Following
from screening.lists import wordlists
from screening.rules import ALLOWED, Draft, Rules, Verdict, check, closed_for
from videos.changes import HeldBack
from videos.channel_emoji import CODES_OF

AT_VIDEO = (
    "({viewer} = {owner}"
    " OR EXISTS (SELECT FROM moderation_role m WHERE m.channel_id = {owner} AND m.viewer_id = {viewer})"
    " OR EXISTS (SELECT FROM videos_comment c"
    " WHERE c.video_id = {video} AND c.author_id = {viewer} AND c.deleted_at IS NULL))"
)
"""SQL: whether a viewer is known at a video: its broadcaster, somebody with a role there, or who has written."""
_RULES = [field.name for field in fields(Rules)]
QUESTION = f"""
SELECT asked.video_id, asked.author_id, v.owner_id, r.owner_id IS NOT NULL AS has_rules,
  {", ".join(f"r.{name}" for name in _RULES)}, w.version AS channel_words, s.version AS site_words,
  a.is_guest, a.date_joined, g.since AS gate_since, g.until AS gate_until,
  {CODES_OF}, last.created_at AS last_at, last.body AS last_body, namesake.id IS NOT NULL AS is_name_taken
FROM (SELECT DISTINCT * FROM unnest(%s::uuid[], %s::uuid[]) AS pairs (video_id, author_id)) AS asked
JOIN videos_video v ON v.id = asked.video_id JOIN accounts_viewer a ON a.id = asked.author_id
LEFT JOIN screening_channelrules r ON r.owner_id = v.owner_id
LEFT JOIN screening_channelwords w ON w.owner_id = v.owner_id
LEFT JOIN screening_sitewords s ON true
LEFT JOIN screening_gate g ON g.owner_id = v.owner_id AND g.until > now()
LEFT JOIN LATERAL (
  SELECT created_at, body FROM videos_comment c
  WHERE r.owner_id IS NOT NULL AND c.video_id = asked.video_id AND c.author_id = asked.author_id
  ORDER BY seq DESC LIMIT 1
) AS last ON true
LEFT JOIN LATERAL (
  SELECT n.id FROM (
    SELECT id, is_guest FROM accounts_viewer
    WHERE name_key = a.name_key AND name_key <> '' AND id <> a.id ORDER BY is_guest, id DESC LIMIT {NAMESAKES_MAX}
  ) AS n WHERE {AT_VIDEO.format(viewer="n.id", video="v.id", owner="v.owner_id")} OR NOT n.is_guest LIMIT 1
) AS namesake ON a.is_guest AND a.id <> v.owner_id
WHERE r.owner_id IS NOT NULL OR w.owner_id IS NOT NULL OR s.id IS NOT NULL OR g.owner_id IS NOT NULL
  OR namesake.id IS NOT NULL
"""
"""Asked with the videos and the authors of the comments, a pair each. `is_name_taken`: of a guest whose name an account
has, or somebody who is known at the video."""


@dataclass(frozen=True, slots=True)
class Text:
    """What somebody writes at a video."""

    video_id: UUID
    author_id: UUID
    body: str
    at: datetime
    is_edit: bool = False


class Screen:
    """The rules that the comments of a batch must pass, of the rows that answer `QUESTION`."""

    def __init__(self, connection: psycopg.Connection[Any], rows: Iterable[Mapping[str, Any]]) -> None:
        self._rows = {(row["video_id"], row["author_id"]): row for row in rows}
        versions = {row[name] for row in self._rows.values() for name in ("channel_words", "site_words")}
        self._words = wordlists(connection, versions - {None}) if self._rows else {}
        self._last: dict[Following, tuple[datetime, str]] = {}
        self._followed = self._followers(connection)

    def _followers(self, connection: psycopg.Connection[Any]) -> Mapping[Following, datetime]:
        asked = [
            (row["owner_id"], row["author_id"]) for row in self._rows.values() if row["follow_minutes"] is not None
        ]
        return followers.followed_at(connection, asked) if asked else {}

    def check(self, text: Text, *, site: Verdict) -> None:
        """Raise what is said against a text. `site`: the verdict of the site's own program.

        Raises Forbidden, Limited (slow mode), HeldBack.
        """
        ours = self.verdict(text.video_id, text.author_id, text.body, text.at, is_edit=text.is_edit)
        for verdict in (site, ours):
            if verdict.refusal is not None:
                raise verdict.refusal
            if verdict.hold:
                raise HeldBack(verdict.hold)

    def is_name_taken(self, video_id: UUID, author_id: UUID) -> bool:
        """Return whether a guest's name is that of an account, or of somebody else at the video."""
        row = self._rows.get((video_id, author_id))
        return row is not None and bool(row["is_name_taken"])

    def verdict(self, video_id: UUID, author_id: UUID, body: str, at: datetime, *, is_edit: bool = False) -> Verdict:
        """Return the verdict on a comment. The next one of this batch comes after it, unless it is an edit.

        An edit comes after nothing: it is not too soon, and it may be like the comment that it changes.
        """
        row = self._rows.get((video_id, author_id))
        if row is None:
            return ALLOWED
        if row["gate_since"] is not None and row["date_joined"] >= row["gate_since"]:
            return Verdict(closed_for(row["gate_until"] - at))
        last_at, last_body = (
            (None, None) if is_edit else self._last.get((video_id, author_id), (row["last_at"], row["last_body"]))
        )
        draft = Draft(
            body,
            at,
            row["is_guest"],
            row["date_joined"],
            self._followed.get((row["owner_id"], author_id)),
            last_at,
            last_body,
            frozenset(row["emoji_codes"] or ()),
        )
        rules = Rules(**{name: row[name] for name in _RULES}) if row["has_rules"] else Rules()
        lists = [self._words[row[name]] for name in ("channel_words", "site_words") if row[name] in self._words]
        found = check(draft, rules, lists)
        if found == ALLOWED and not is_edit:
            self._last[video_id, author_id] = (at, body)
        return found
