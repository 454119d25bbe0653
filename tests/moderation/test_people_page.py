"""The page of a channel's people, by forms and without a script."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.models import Viewer
from moderation import acts
from moderation.models import AuditEntry, Role
from moderation.restrictions import current
from tests.videos.acts import Stage
from tests.videos.test_rules_page import browser_of


@pytest.fixture
def path(stage: Stage) -> str:
    return f"/people/{stage.owner.id}/"


def send(client: Client, path: str, form: str, **data: Any) -> Any:
    return client.post(path, {"form": form, **data}, follow=True)


def test_owner_gives_and_takes_a_role(stage: Stage, path: str) -> None:
    vera = Viewer.objects.create_user("vera", name="Vera")
    owner = browser_of(stage.owner)
    page = send(owner, path, "give", username=" Vera ", role="moderator")
    assert "Vera has the role now." in page.content.decode()
    assert Role.objects.get(viewer=vera).kind == "moderator"
    assert send(browser_of(vera), path, "give", username="vera", role="helper").status_code == 422
    assert "The role is taken away." in send(owner, path, "take", id=vera.id).content.decode()
    assert not Role.objects.exists()


def test_a_moderator_gives_their_role_up(stage: Stage, path: str) -> None:
    vera = Viewer.objects.create_user("vera", name="Vera")
    acts.give_role(stage.owner.id, vera.id, stage.owner, "helper")
    page = browser_of(vera).get(path).content.decode()
    assert "Give up" in page
    assert "Give the role" not in page
    assert send(browser_of(vera), path, "take", id=vera.id).redirect_chain == [("/", 302)]
    assert browser_of(vera).get(path).status_code == 403


@pytest.mark.parametrize("name", ["nobody", "", "guest"])
def test_an_unknown_username_is_said(stage: Stage, path: str, name: str) -> None:
    name = stage.viewers[0].username if name == "guest" else name
    page = send(browser_of(stage.owner), path, "give", username=name, role="helper")
    assert page.status_code == 422
    assert "There is no account with this username." in page.content.decode()


def test_who_is_kept_out_is_let_in_and_an_act_taken_back(stage: Stage, path: str) -> None:
    owner = browser_of(stage.owner)
    for viewer in stage.viewers[:2]:
        _, entry = acts.restrict(stage.owner.id, viewer.id, stage.owner, kind="ban", reason="spam <b>")
    page = owner.get(path).content.decode()
    assert "spam &lt;b&gt;" in page
    send(owner, path, "lift", id=stage.viewers[0].id)
    send(owner, path, "undo", id=entry.id)
    assert not current().exists()
    assert "taken back" in owner.get(path).content.decode()


def test_all_who_are_kept_out_can_be_found(stage: Stage, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list ended at the newest 50."""
    monkeypatch.setattr("moderation.people_page.SHOWN", 1)
    owner = browser_of(stage.owner)
    for viewer in stage.viewers[:3]:
        acts.restrict(stage.owner.id, viewer.id, stage.owner, kind="ban", reason="")
    found, after = [], "?"
    while after:
        shown = owner.get(f"{path}{after}").context
        found += [each["viewer"]["name"] for each in shown["restrictions"]]
        after = f"?out={shown['more_out']}" if shown["more_out"] else ""
    assert found == ["Viewer 2", "Viewer 1", "Viewer 0"]
    assert owner.get(f"{path}?out=x").status_code == 404


@pytest.mark.parametrize(
    "data",
    [{"form": "other"}, {"form": "lift", "id": "x"}, {}, {"form": "give", "username": "vera", "role": "king"}],
)
def test_a_form_that_is_none_is_not_found(stage: Stage, path: str, data: dict[str, str]) -> None:
    assert browser_of(stage.owner).post(path, data).status_code == 404


def test_others_are_refused_and_nobody_is_not_found(stage: Stage, path: str) -> None:
    assert browser_of(stage.viewers[0]).get(path).status_code == 403
    assert Client().get(path).status_code == 302
    assert browser_of(stage.owner).get(f"/people/{stage.video.id}/").status_code == 404


def test_a_helper_is_offered_no_undo_of_a_ban(stage: Stage, path: str) -> None:
    """The button was there, and refused."""
    vera = Viewer.objects.create_user("vera", name="Vera")
    acts.give_role(stage.owner.id, vera.id, stage.owner, "helper")
    acts.restrict(stage.owner.id, stage.viewers[0].id, stage.owner, kind="ban")
    assert 'value="undo"' not in browser_of(vera).get(path).content.decode()
    acts.restrict(stage.owner.id, stage.viewers[1].id, vera, kind="time_out", seconds=60)
    assert browser_of(vera).get(path).content.decode().count('value="undo"') == 1


def test_small_acts_in_a_row_are_one_line_and_older_ones_a_page_away(stage: Stage, path: str) -> None:
    """Fifty changes of emoji were all that one saw of the log."""
    acts.restrict(stage.owner.id, stage.viewers[0].id, stage.owner, kind="ban", reason="the oldest")
    for number in range(60):
        row = {"seq": number + 100, "act": "emoji_added", "actor": stage.owner, "text": f":wave_{number}:"}
        AuditEntry.objects.create(channel=stage.owner, **row)
    owner = browser_of(stage.owner)
    newest = owner.get(path)
    assert [len(act["alike"]) for act in newest.context["acts"]] == [50]
    assert ":wave_59:" in newest.content.decode()
    older = owner.get(path, {"before": newest.context["older"]})
    assert [act["act"] for act in older.context["acts"]] == ["emoji_added", "ban"]
    assert older.context["older"] is None
    assert "the oldest" in older.content.decode()
    assert owner.get(path, {"before": "x"}).status_code == 404
