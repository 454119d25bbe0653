"""Likes and comments, and edits of comments: written, committed, and only then published.

Hop: called by the API and WebSocket commands; writes videos' tables and the topic's event log;
realtime.dispatch.publisher hears of it after the commit. All of a process go through one group commit, which locks
the topics first.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from operator import attrgetter
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from accounts.models import Viewer
from accounts.representation import with_picture
from accounts.tokens import Claim, acting
from moderation.restrictions import RESTRICTIONS_OF, by_viewer, check
from moderation.roles import ROLES_OF
from realtime.events import NAMES_MAX, Counters, Durable, Event, TopicName
from realtime.limits import Limited
from realtime.log import writer as log
from realtime.log.group_commit import Applied, GroupCommit
from realtime.log.threads import backend_threads
from screening import hook
from videos import alarms, held, listeners, screened
from videos.actors import ACTORS, Actor, Names, is_moderator_in, may_watch, roles_by
from videos.changes import AddComment, Command, EditComment, HeldBack, SetLike, Shadowed, new_row
from videos.models import Video
from videos.representation import KINDS, comment_fields, likes_json, role_of
from videos.screened import Screen
from web.refusals import Conflict, Forbidden, Invalid, NotFound, Refused
from web.text import clean_body

logger = logging.getLogger(__name__)


EDIT_SECONDS = 300


async def like(video_id: UUID, who: Viewer | Claim, kind: str) -> dict[str, Any]:
    """Like the video; return `{"total", "kinds", "mine"}` as committed. Repeating changes nothing.

    Raises SignedOut, NotFound, Invalid, StoreUnavailable.
    """
    if kind not in KINDS:
        raise Invalid(f"kind must be one of {', '.join(KINDS)}")
    return await group_commit.submit(SetLike(video_id, who, kind))


async def unlike(video_id: UUID, who: Viewer | Claim) -> dict[str, Any]:
    """Take the viewer's like back; return as `like` does. Without one, nothing changes."""
    return await group_commit.submit(SetLike(video_id, who, None))


async def comment(
    video_id: UUID, who: Viewer | Claim, body: str, *, reply_to: UUID | None = None, client_id: str | None = None
) -> dict[str, Any]:
    """Write a comment; return it as viewers see it, or `{"held"}` if it waits for a moderator.

    The same `client_id` again answers the same.
    Raises SignedOut, NotFound, Forbidden (comments off, the channel's rules), Limited (slow mode), Invalid,
    StoreUnavailable.
    """
    body = clean_body(body)
    verdict = await hook.ask(body, author_id=who.id, video_id=video_id)
    command = AddComment(video_id, who, body, reply_to, client_id, verdict)
    written = held.Written(video_id, who.id, body, reply_to, client_id)
    try:
        made = await group_commit.submit(command)
    except HeldBack as reason:
        return await held.hold(written, str(reason))
    except Shadowed as shadowed:
        with contextlib.suppress(Conflict):  # The queue is full: who does not know of the shadow must not learn of it.
            shadowed.shown["id"] = str(await backend_threads.run(held.keep, written, held.SHADOW))
        return shadowed.shown
    await alarms.look(command)
    return made


async def edit_comment(video_id: UUID, who: Viewer | Claim, comment_id: UUID, body: str) -> dict[str, Any]:
    """Have a comment of one's own say something else, within `EDIT_SECONDS`; return it as viewers see it.
    What it said is kept for moderators (`CommentVersion`). The same text again changes nothing.
    Raises SignedOut, NotFound, Forbidden (another's, too late, comments off, the channel's rules), Invalid,
    StoreUnavailable.
    """
    body = clean_body(body)
    verdict = await hook.ask(body, author_id=who.id, video_id=video_id)
    try:
        return await group_commit.submit(EditComment(video_id, who, comment_id, body, verdict))
    except HeldBack as reason:
        raise Forbidden("A moderator looks at this first: write it as a new comment.", code="edit_held") from reason
    except Shadowed as shadowed:
        return shadowed.shown


def _apply(connection: psycopg.Connection[Any], commands: Sequence[Command]) -> Applied[dict[str, Any]]:
    """Apply likes and comments in order, in the open transaction: one round trip to read, whatever their number."""
    batch = _Batch(connection, commands)
    outcomes: list[dict[str, Any] | Exception] = []
    for command in commands:
        try:
            outcomes.append(batch.take(command))
        except (Refused, Limited, HeldBack, Shadowed) as refusal:
            outcomes.append(refusal)
    return Applied(outcomes, batch.write())


class _Batch:
    """The rows that a batch of commands touches, read under the topics' locks, changed in memory, written once."""

    def __init__(self, connection: psycopg.Connection[Any], commands: Sequence[Command]) -> None:
        self._connection = connection
        self._read(commands)
        self._new_likes: dict[tuple[UUID, UUID], str | None] = {}
        self._likers: dict[UUID, list[tuple[SetLike, str]]] = {}
        self._deltas: dict[tuple[UUID, str], int] = {}
        self._comments: list[tuple[Any, ...]] = []
        self._edits: dict[UUID, tuple[Any, ...]] = {}
        self._versions: list[tuple[Any, ...]] = []
        self._concerning: list[UUID] = []
        self._names = Names()
        self._events: list[Event] = []

    def _read(self, commands: Sequence[Command]) -> None:
        likes = [command for command in commands if isinstance(command, SetLike)]
        comments = [command for command in commands if isinstance(command, AddComment)]
        ids = list({command.video_id for command in commands})
        topics = [f"video:{id}" for id in ids]
        repeatable = [command for command in comments if command.client_id is not None]
        cursors: dict[str, psycopg.Cursor[dict[str, Any]]] = {}

        def ask(name: str, query: str, *args: Any) -> None:
            cursors[name] = self._connection.cursor(row_factory=dict_row).execute(query, args)

        heads = self._connection.execute(log.LOCK, [topics])
        ask(
            "videos",
            "SELECT id, owner_id, status, visibility, comments_enabled, comments_after_end FROM videos_video"
            " WHERE id = ANY(%s)",
            ids,
        )
        people = list({command.who.id for command in commands})
        ask("viewers", ACTORS, people)
        ask("roles", ROLES_OF, people)
        ask("restrictions", RESTRICTIONS_OF, people)
        if likes:
            ask("counts", "SELECT video_id, kind, count FROM videos_likecount WHERE video_id = ANY(%s)", ids)
            ask(
                "likes",
                "SELECT video_id, viewer_id, kind FROM videos_like"
                " JOIN unnest(%s::uuid[], %s::uuid[]) AS asked (video_id, viewer_id) USING (video_id, viewer_id)",
                [command.video_id for command in likes],
                [command.who.id for command in likes],
            )
        if repeatable:
            ask(
                "repeated",
                "SELECT c.* FROM videos_comment c JOIN unnest(%s::uuid[], %s::uuid[], %s::text[])"
                " AS asked (video_id, author_id, client_id) USING (video_id, author_id, client_id)",
                [command.video_id for command in repeatable],
                [command.who.id for command in repeatable],
                [command.client_id for command in repeatable],
            )
        if texts := [command for command in commands if not isinstance(command, SetLike)]:
            ask(
                "screened",
                screened.QUESTION,
                [command.video_id for command in texts],
                [command.who.id for command in texts],
            )
        if edits := [command.comment_id for command in commands if isinstance(command, EditComment)]:
            ask("edited", "SELECT * FROM videos_comment WHERE id = ANY(%s) AND deleted_at IS NULL", edits)
        if replies := [command.reply_to for command in comments if command.reply_to is not None]:
            ask("replies", "SELECT id, video_id FROM videos_comment WHERE id = ANY(%s) AND deleted_at IS NULL", replies)
        answers = {name: cursor.fetchall() for name, cursor in cursors.items()}
        self._heads = log.locked(heads.fetchall())
        self._videos = {row["id"]: row for row in answers["videos"]}
        self._viewers = {row["id"]: Actor(**row) for row in answers["viewers"]}
        self._roles = roles_by(answers["roles"])
        self._restrictions = by_viewer(answers["restrictions"])
        self._counts: dict[UUID, dict[str, int]] = {}
        for row in answers.get("counts", ()):
            self._counts.setdefault(row["video_id"], {})[row["kind"]] = row["count"]
        self._likes = {(row["video_id"], row["viewer_id"]): row["kind"] for row in answers.get("likes", ())}
        self._known_comments = {
            (row["video_id"], row["author_id"], row["client_id"]): row for row in answers.get("repeated", ())
        }
        self._channels = answers.get("screened", [])
        self._reply_targets = {(row["video_id"], row["id"]) for row in answers.get("replies", ())}
        self._edited = {(row["video_id"], row["id"]): row for row in answers.get("edited", ())}

    def take(self, command: Command) -> dict[str, Any]:
        """Do what the command says, in memory. Raises Refused."""
        match command:
            case SetLike():
                return self.set_like(command)
            case AddComment():
                return self.add_comment(command)
            case EditComment():
                return self.edit_comment(command)

    @cached_property
    def _screen(self) -> Screen:
        return Screen(self._connection, self._channels)

    def _actor(self, command: Command) -> Actor:
        """Return who acts, as the database has them now. Raises SignedOut."""
        return acting(command.who, self._viewers.get(command.who.id), attrgetter("password"))

    def _open_video(self, video_id: UUID, viewer: Actor, *, also_ended: bool = False) -> dict[str, Any]:
        """Return the row of a video that this viewer may act on. Raises NotFound.

        `also_ended`: also if it has ended, where its broadcaster wants that.
        """
        video = self._videos.get(video_id)
        if video is None or TopicName(f"video:{video_id}") not in self._heads:
            raise NotFound("There is no such video.")
        if not may_watch(video, viewer.id, self._roles, sees_all=viewer.sees_all):
            raise NotFound("There is no such video.")
        if video["status"] == Video.Status.ENDED and not (also_ended and video["comments_after_end"]):
            raise NotFound("This broadcast has ended.", code="video_ended")
        return video

    def _takes_part(self, viewer: Actor, video: Mapping[str, Any]) -> bool:
        """Return whether others see what the viewer does here. Raises Forbidden."""
        return check(video["owner_id"], self._restrictions.get(viewer.id, ()))

    def _may_write(self, viewer: Actor, video: Mapping[str, Any]) -> bool:
        """Check what every text of a viewer has to pass; return whether others see it. Raises Forbidden."""
        is_seen = self._takes_part(viewer, video)
        if not video["comments_enabled"]:
            raise Forbidden("Comments are turned off.", code="comments_off")
        return is_seen

    def set_like(self, command: SetLike) -> dict[str, Any]:
        viewer = self._actor(command)
        video = self._open_video(command.video_id, viewer)
        if command.kind is not None:
            self._takes_part(viewer, video)
        key = (command.video_id, command.who.id)
        counts = self._counts.setdefault(command.video_id, {})
        before = self._likes.get(key)
        if before != command.kind:
            for kind, step in ((before, -1), (command.kind, 1)):
                if kind is not None:
                    counts[kind] = counts.get(kind, 0) + step
                    self._deltas[command.video_id, kind] = self._deltas.get((command.video_id, kind), 0) + step
            self._new_likes[key] = command.kind
            self._likers.setdefault(command.video_id, []).append((command, viewer.name))
            if command.kind is None:
                del self._likes[key]
            else:
                self._likes[key] = command.kind
        return {**likes_json(counts), "mine": command.kind}

    def add_comment(self, command: AddComment) -> dict[str, Any]:
        viewer = self._actor(command)
        video = self._open_video(command.video_id, viewer, also_ended=True)
        key = (command.video_id, viewer.id, command.client_id)
        if command.client_id is not None and (known := self._known_comments.get(key)) is not None:
            is_same = known["edited_at"] is not None or known["body"] == command.body
            if not is_same or known["reply_to_id"] != command.reply_to:
                raise Conflict("This client_id belongs to another comment.", code="client_id_taken")
            return self._comment_json(known, viewer, video)
        is_seen = self._may_write(viewer, video)
        if command.reply_to is not None and (command.video_id, command.reply_to) not in self._reply_targets:
            raise NotFound("The comment you answer is gone.", code="reply_to_gone")
        viewer = self._named(command, viewer, video)
        self._screened(command, viewer, video)
        head = self._heads[TopicName(f"video:{command.video_id}")]
        if not is_seen:
            raise Shadowed(self._comment_json(new_row(command, head.seq), viewer, video))
        row = new_row(command, head.next_seq())
        if command.client_id is not None:
            self._known_comments[key] = row
        self._comments.append(
            (
                row["id"],
                command.video_id,
                viewer.id,
                command.body,
                command.reply_to,
                command.client_id,
                row["seq"],
                row["created_at"],
            )
        )
        if listeners.may_concern(command.body, command.reply_to):
            self._concerning.append(row["id"])
        data = self._comment_json(row, viewer, video)
        self._events.append(
            Durable.of(head.topic, seq=head.seq, name="comment", at_ms=command.at_ms, data={"comment": data})
        )
        return data

    def _named(self, command: AddComment | EditComment, viewer: Actor, video: Mapping[str, Any]) -> Actor:
        """Return who writes, by a name that nobody else has here."""
        is_taken = viewer.id != video["owner_id"] and self._screen.is_name_taken(command.video_id, viewer.id)
        named = self._names.settled(viewer, command.video_id, is_taken=is_taken)
        if named is not viewer:
            self._viewers[viewer.id] = named
            head = self._heads[TopicName(f"video:{command.video_id}")]
            data = {"author": self._author(named, video)}
            self._events.append(
                Durable.of(head.topic, seq=head.next_seq(), name="author", at_ms=command.at_ms, data=data)
            )
        return named

    def _is_marked(self, viewer: Actor, video: Mapping[str, Any]) -> bool:
        """Return whether the viewer moderates the channel, or the site."""
        return is_moderator_in(viewer, video, self._roles)

    def _screened(self, command: AddComment | EditComment, viewer: Actor, video: Mapping[str, Any]) -> None:
        """Raise what the rules of the channel and of the site say. They bind no broadcaster and no moderator."""
        if viewer.id == video["owner_id"] or self._is_marked(viewer, video):
            return
        at = datetime.fromtimestamp(command.at_ms / 1000, UTC)
        written = screened.Text(command.video_id, viewer.id, command.body, at, is_edit=isinstance(command, EditComment))
        self._screen.check(written, site=command.verdict)

    def edit_comment(self, command: EditComment) -> dict[str, Any]:
        viewer = self._actor(command)
        video = self._open_video(command.video_id, viewer, also_ended=True)
        row = self._edited.get((command.video_id, command.comment_id))
        if row is None:
            raise NotFound("There is no such comment.")
        if row["author_id"] != viewer.id:
            raise Forbidden("Only its author edits a comment.")
        is_seen = self._may_write(viewer, video)
        if row["body"] == command.body:
            return self._comment_json(row, viewer, video)
        at = datetime.fromtimestamp(command.at_ms / 1000, UTC)
        if at - row["created_at"] > timedelta(seconds=EDIT_SECONDS):
            raise Forbidden(f"A comment can be edited for {EDIT_SECONDS // 60} minutes.", code="too_late")
        viewer = self._named(command, viewer, video)
        self._screened(command, viewer, video)
        if not is_seen:
            raise Shadowed(self._comment_json({**row, "body": command.body, "edited_at": at}, viewer, video))
        self._versions.append((row["id"], row["body"], row["edited_at"] or row["created_at"]))
        row |= {"body": command.body, "edited_at": at}
        self._edits[row["id"]] = (row["id"], command.body, at)
        self._concerning.append(row["id"])
        data = self._comment_json(row, viewer, video)
        head = self._heads[TopicName(f"video:{command.video_id}")]
        self._events.append(
            Durable.of(
                head.topic, seq=head.next_seq(), name="comment_edited", at_ms=command.at_ms, data={"comment": data}
            )
        )
        return data

    def _author(self, viewer: Actor, video: Mapping[str, Any]) -> dict[str, Any]:
        role = role_of(viewer.id, is_moderator=self._is_marked(viewer, video), owner_id=video["owner_id"])
        return {**with_picture(viewer), "role": role}

    def _comment_json(self, row: Mapping[str, Any], viewer: Actor, video: Mapping[str, Any]) -> dict[str, Any]:
        return comment_fields(row, self._author(viewer, video))

    def write(self) -> list[Event]:
        """Write what has changed, in one round trip; return the events to publish after the commit."""
        for video_id, likers in self._likers.items():
            head = self._heads[TopicName(f"video:{video_id}")]
            names = [name for command, name in reversed(likers) if command.kind is not None]
            self._events.append(
                Counters(
                    head.topic,
                    head.next_version(),
                    likes_json(self._counts[video_id])["kinds"],
                    tuple(dict.fromkeys(names))[:NAMES_MAX],
                    min(command.at_ms for command, _ in likers),
                )
            )
        if not self._events:
            return []
        execute = self._connection.execute
        set_likes = [(*key, kind) for key, kind in self._new_likes.items() if kind is not None]
        if set_likes:
            execute(
                "INSERT INTO videos_like (video_id, viewer_id, kind)"
                " SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::text[])"
                " ON CONFLICT (video_id, viewer_id) DO UPDATE SET kind = excluded.kind",
                _columns(set_likes),
            )
        taken_back = [key for key, kind in self._new_likes.items() if kind is None]
        if taken_back:
            execute(
                "DELETE FROM videos_like USING unnest(%s::uuid[], %s::uuid[]) AS gone (video_id, viewer_id)"
                " WHERE videos_like.video_id = gone.video_id AND videos_like.viewer_id = gone.viewer_id",
                _columns(taken_back),
            )
        if deltas := [(*key, step) for key, step in self._deltas.items() if step]:
            execute(
                "UPDATE videos_likecount SET count = count + step"
                " FROM unnest(%s::uuid[], %s::text[], %s::bigint[]) AS delta (video, of_kind, step)"
                " WHERE video_id = video AND kind = of_kind",
                _columns(deltas),
            )
        self._names.write(execute)
        if self._comments:
            execute(
                "INSERT INTO videos_comment"
                " (id, video_id, author_id, body, reply_to_id, client_id, seq, created_at)"
                " SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::text[], %s::uuid[], %s::text[],"
                " %s::bigint[], %s::timestamptz[])",
                _columns(self._comments),
            )
        if self._edits:
            execute(
                "UPDATE videos_comment c SET body = e.body, edited_at = e.edited_at"
                " FROM unnest(%s::uuid[], %s::text[], %s::timestamptz[]) AS e (id, body, edited_at) WHERE c.id = e.id",
                _columns(list(self._edits.values())),
            )
            execute(
                "INSERT INTO videos_commentversion (comment_id, body, written_at)"
                " SELECT * FROM unnest(%s::uuid[], %s::text[], %s::timestamptz[])",
                _columns(self._versions),
            )
        if self._concerning:
            listeners.changed(self._concerning, execute)
        log.write(execute, self._heads, self._events)
        return self._events


def _columns(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


group_commit: GroupCommit[Command, dict[str, Any]] = GroupCommit(
    _apply, publish=log.publish, parameters=log.connection_parameters
)
