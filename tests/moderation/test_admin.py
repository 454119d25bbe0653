"""Moderation in the admin: to look at, and to let people in again."""

from __future__ import annotations

import pytest

from moderation import acts, complaints
from moderation.models import AuditEntry, Complaint
from moderation.restrictions import current
from tests.console import Console
from tests.videos.acts import Stage, allow, as_account

LISTS = ("restriction", "auditentry", "role", "complaint")


def test_who_is_kept_out_is_let_in(stage: Stage, root: Console) -> None:
    acts.restrict(stage.owner.id, stage.viewers[0].id, stage.owner, kind="ban", reason="spam")
    acts.restrict(None, stage.viewers[1].id, root.who, kind="time_out", seconds=60)
    acts.give_role(stage.owner.id, as_account(stage.viewers[2]).id, stage.owner, "helper")
    shown = [root.get(f"moderation_{name}_changelist").content.decode() for name in LISTS[:3]]
    assert stage.viewers[0].name in shown[0]
    assert "whole site" in shown[0]
    chosen = [str(each.pk) for each in current()]
    page = root.post("moderation_restriction_changelist", action="lift", index="0", _selected_action=chosen)
    assert all("can take part again" in message for message in root.messages(page))
    assert not current().exists()


def test_people_of_the_site_dismiss_what_is_reported(stage: Stage, root: Console) -> None:
    """Also what is about the broadcaster, which no moderator of the channel sees. What is about oneself nobody sees."""
    stranger, troll = stage.viewers[:2]
    for viewer in (stage.owner, troll, root.who):
        complaints.report_person(stage.owner.id, viewer.id, stranger, reason="hate", remark=f"About {viewer.name}")
    for_site = root.get("moderation_complaint_changelist", state="for_site").content.decode()
    assert [f"About {viewer.name}" in for_site for viewer in (stage.owner, troll)] == [True, False]
    waiting = list(Complaint.objects.filter(viewer__in=[stage.owner, troll]))
    page = root.get("moderation_complaint_changelist", state="open").content.decode()
    assert [f"About {viewer.name}" in page for viewer in (stage.owner, troll, root.who)] == [True, True, False]
    chosen = [str(each.pk) for each in waiting]
    root.post("moderation_complaint_changelist", action="dismiss", index="0", _selected_action=chosen)
    assert [each.viewer for each in Complaint.objects.filter(settled_at=None)] == [root.who]
    acts_of = AuditEntry.objects.filter(act="dismiss").values_list("channel", "viewer")
    assert set(acts_of) == {(None, stage.owner.id), (stage.owner.id, troll.id)}
    settled = root.get("moderation_complaint_changelist", state="settled").content.decode()
    assert f"About {troll.name}" in settled
    assert root.get("moderation_complaint_change", waiting[0].pk).status_code == 200


@pytest.mark.parametrize("name", LISTS)
def test_only_those_who_moderate_the_site_look(stage: Stage, clerk: Console, name: str) -> None:
    acts.restrict(stage.owner.id, stage.viewers[0].id, stage.owner, kind="ban")
    assert clerk.get(f"moderation_{name}_changelist").status_code == 403
    allow(clerk.who, "delete_comment")
    assert Console(type(clerk.who).objects.get(pk=clerk.who.pk)).get(f"moderation_{name}_changelist").status_code == 200
    restriction = current().get()
    assert clerk.get("moderation_restriction_change", restriction.pk).status_code == 200
