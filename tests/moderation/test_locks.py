"""Who may do an act is asked again under the locks: the right may have gone while the act waited for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from uuid import UUID

import pytest
from asgiref.sync import async_to_sync

from accounts.models import Viewer
from moderation import acts, complaints, undoing
from moderation.models import AuditEntry, Role
from polls import announcements, questions
from realtime.events import TopicName
from realtime.log import writer
from tests.videos.acts import Stage
from videos import channel_rules, gate, likes, moderation, purges
from web.refusals import Forbidden


def _undo(stage: Stage, actor: Viewer) -> None:
    undoing.undo(stage.owner.id, AuditEntry.objects.get(act="delete").id, actor)


ACTS: dict[str, Callable[[Stage, Viewer], object]] = {
    "ban": lambda stage, actor: acts.restrict(stage.owner.id, stage.viewers[1].id, actor, kind="ban"),
    "close the gate": lambda stage, actor: gate.close(stage.owner.id, actor),
    "open the gate": lambda stage, actor: gate.open_again(stage.owner.id, actor),
    "undo": _undo,
    "delete all": lambda stage, actor: purges.delete_comments_of(stage.owner.id, stage.viewers[1].id, actor),
    "announcement": lambda stage, actor: announcements.take_away(stage.video.id, actor),
    "dismiss": lambda stage, actor: complaints.dismiss(stage.owner.id, stage.viewers[1].id, actor),
    "rules": lambda stage, actor: channel_rules.set_rules(stage.owner.id, actor, {"no_links": True}),
    "words": lambda stage, actor: channel_rules.set_words(stage.owner.id, actor, refused="rude", held=""),
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_a_role_that_is_taken_away_while_an_act_waits_gives_no_right(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, act: Callable[[Stage, Viewer], object]
) -> None:
    """Most acts asked only before they waited."""
    moderator = stage.viewers[0]
    Role.objects.create(channel=stage.owner, viewer=moderator, kind="moderator")
    written = [async_to_sync(likes.comment)(stage.video.id, stage.viewers[1], body) for body in ("gone", "there")]
    moderation.delete_comment(stage.video.id, UUID(written[0]["id"]), stage.owner)
    gate.close(stage.owner.id, stage.owner, back_minutes=0)
    questions.set_open(stage.video.id, stage.owner, True)
    lock_topics = writer.lock_topics

    def late(topics: Iterable[TopicName]) -> writer.LockedHeads:
        Role.objects.all().delete()
        return lock_topics(topics)

    monkeypatch.setattr(writer, "lock_topics", late)
    with pytest.raises(Forbidden):
        act(stage, moderator)
