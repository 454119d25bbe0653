"""The admin of direct messages: to look at only, and never what is written."""

from __future__ import annotations

import html
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Viewer
from messaging import acts
from messaging.models import Block, Conversation, Message
from tests.console import Console
from tests.messaging.circle import Circle


@pytest.fixture
def circle(monkeypatch: pytest.MonkeyPatch, db: None) -> Circle:
    return Circle(monkeypatch)


@pytest.fixture
def root(circle: Circle) -> Console:
    return Console(Viewer.objects.create_superuser("root"))


def test_conversation_is_shown_without_its_messages(circle: Circle, root: Console) -> None:
    group = circle.start(0, 1, 2, title="<b>Us</b>")
    for number in range(3):
        acts.send(group, circle.people[0], f"very secret {number}")
    acts.remove_member(group, circle.people[2], circle.id_of(2))
    pages = [
        root.get("messaging_conversation_changelist").content.decode(),
        root.get("messaging_conversation_change", group).content.decode(),
        root.get("accounts_viewer_change", circle.id_of(0)).content.decode(),
    ]
    assert all("secret" not in page for page in pages)
    assert "<bdi>&lt;b&gt;Us&lt;/b&gt;</bdi>" in pages[0]
    assert "<bdi>Person 0</bdi> · <bdi>Person 1</bdi>" in pages[1]
    assert "Person 2" not in pages[1]


def test_nothing_can_be_changed_here(circle: Circle, root: Console) -> None:
    pair = circle.start(0, 1)
    acts.block(circle.people[0], circle.id_of(1))
    block = Block.objects.get()
    for model, id in (("conversation", pair), ("block", block.id)):
        assert root.get(f"messaging_{model}_add").status_code == 403
        assert root.post(f"messaging_{model}_delete", id, post="yes").status_code == 403
        assert root.post(f"messaging_{model}_change", id, title="x", blocker=circle.id_of(2)).status_code == 403
        shown = root.post(f"messaging_{model}_changelist", action="delete_selected", _selected_action=[str(id)])
        assert shown.status_code in (200, 403)
    assert Conversation.objects.get().title == ""
    assert Block.objects.get().blocker_id == circle.id_of(0)


@pytest.mark.parametrize("model", ["conversation", "block"])
def test_list_is_searched_by_ids_and_bears_any_parameters(circle: Circle, root: Console, model: str) -> None:
    circle.start(0, 1)
    circle.start(2, 3, 4, title="Found")
    acts.block(circle.people[0], circle.id_of(1))
    acts.block(circle.people[2], circle.id_of(3))
    page = f"messaging_{model}_changelist"
    for query, count in ((str(circle.id_of(3)), 1), (str(UUID(int=0)), 0), ("", 2), ("'; --", 0)):
        response = root.client.get(reverse(f"admin:{page}"), {"q": query}, follow=True)
        assert response.status_code == 200
        assert f"{count} {model}" in html.unescape(response.content.decode())
    assert root.client.get(reverse(f"admin:{page}"), {"q": "\0"}).status_code == 400
    for parameters in ({"o": "99"}, {"p": "-1"}, {"nonsense": "x"}, {"pair": "x"}):
        assert root.client.get(reverse(f"admin:{page}"), parameters, follow=True).status_code == 200


def test_list_takes_the_same_queries_for_many_rows(circle: Circle, root: Console) -> None:
    counts = []
    for _ in range(2):
        for _ in range(4):
            circle.start(0, 1, 2)
        with CaptureQueriesContext(connection) as queries:
            assert root.get("messaging_conversation_changelist").status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_deleted_account_takes_its_messages_with_it(circle: Circle, root: Console) -> None:
    group = circle.start(0, 1, 2)
    acts.send(group, circle.people[0], "hello")
    kept = acts.send(group, circle.people[1], "hi")
    acts.block(circle.people[2], circle.id_of(0))
    root.post("accounts_viewer_delete", circle.id_of(0), post="yes")
    assert not Viewer.objects.filter(id=circle.id_of(0)).exists()
    assert list(Message.objects.values_list("id", flat=True)) == [UUID(kept["id"])]
    assert not Block.objects.exists()
    assert Conversation.objects.get().creator is None
