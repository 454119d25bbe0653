"""A guest who signs in: likes, comments, conversations, receipts and blocks become the account's, on open pages too."""

from __future__ import annotations

import copy
import random
from typing import Any
from uuid import UUID

import orjson
import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.test import Client

from accounts.identities import identity_of, review
from accounts.merging import merge
from accounts.models import Viewer
from accounts.tokens import issue_token, viewer_of_token
from messaging import acts, merging
from messaging.models import Block, Conversation, Member, Message
from messaging.representation import user_topic
from realtime.events import Counters, Durable
from tests.messaging.circle import Circle
from tests.messaging.test_state_and_events import follow, follow_all
from tests.videos.acts import Stage
from videos import likes, moderation
from videos.likes import group_commit
from videos.models import Comment, Like, LikeCount
from videos.topics import VideoTopics, snapshot_of
from web.door import Unauthorized

PASSWORD = "a password of the tests"
pytestmark = pytest.mark.usefixtures("no_guesses")


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, transactional_db: None) -> Any:
    yield Stage(monkeypatch)
    group_commit.close()


def account(name: str = "vera") -> Viewer:
    return Viewer.objects.create_user(name, password=PASSWORD, name=name.title())


def like(stage: Stage, who: Viewer, kind: str) -> None:
    async_to_sync(likes.like)(stage.video.id, who, kind)


def comment(stage: Stage, who: Viewer, text: str, client_id: str | None = None) -> UUID:
    return UUID(async_to_sync(likes.comment)(stage.video.id, who, text, client_id=client_id)["id"])


def kinds_of(stage: Stage) -> dict[str, int]:
    return dict(LikeCount.objects.filter(video=stage.video, count__gt=0).values_list("kind", "count"))


# Videos


def test_of_two_likes_the_accounts_stays_and_totals_follow(stage: Stage) -> None:
    """With an event, so that a page that is open shows the right number at once."""
    vera, guest, other = account(), *stage.viewers[:2]
    for who, kind in ((vera, "love"), (guest, "like"), (other, "like")):
        like(stage, who, kind)
    stage.events.clear()
    merge(guest, vera)
    assert set(Like.objects.values_list("viewer__name", "kind")) == {("Vera", "love"), ("Viewer 1", "like")}
    assert kinds_of(stage) == {"like": 1, "love": 1}
    [totals] = stage.events
    assert isinstance(totals, Counters)
    assert {kind: count for kind, count in totals.kinds.items() if count} == kinds_of(stage)


def test_like_of_the_guest_alone_is_the_accounts_and_changes_no_total(stage: Stage) -> None:
    vera, guest = account(), stage.viewers[0]
    like(stage, guest, "funny")
    stage.events.clear()
    merge(guest, vera)
    assert list(Like.objects.values_list("viewer__name", "kind")) == [("Vera", "funny")]
    assert (kinds_of(stage), stage.events) == ({"funny": 1}, [])


def test_comments_are_the_accounts_on_pages_that_are_open(stage: Stage) -> None:
    """First state + events = fresh state: also the pinned one, and one of the same client_id."""
    vera, guest = account(), stage.viewers[0]
    for who in (vera, guest, stage.viewers[1]):
        written = comment(stage, who, f"of {who.name}", client_id="same")
    moderation.pin_comment(stage.video.id, comment(stage, guest, "pinned"), stage.owner)
    moderation.delete_comment(stage.video.id, written, stage.owner)
    known = copy.deepcopy(snapshot_of(stage.refreshed()))
    stage.events.clear()
    merge(guest, vera)
    for event in stage.events:
        assert isinstance(event, Durable)
        VideoTopics().apply(known, event.name, orjson.loads(event.body))
    assert known == snapshot_of(stage.refreshed())
    assert {shown["author"]["name"] for shown in known["comments"] if "author" in shown} == {"Vera"}
    assert not Comment.objects.filter(author=guest).exists()
    moderation.delete_comment(stage.video.id, Comment.objects.get(body="pinned").id, vera)


def test_guest_has_ended(stage: Stage) -> None:
    """Token and streams are worth nothing any more, and a second time changes nothing."""
    vera, guest = account(), stage.viewers[0]
    token, watcher = issue_token(guest), identity_of(guest)
    merge(guest, vera)
    with pytest.raises(Unauthorized):
        viewer_of_token(token)
    assert review([watcher]).signed_out == {watcher}
    stage.events.clear()
    merge(guest, vera)
    assert stage.events == []


# Messages


@pytest.mark.parametrize("seed", range(3))
def test_conversations_and_inboxes_follow_by_events(circle: Circle, seed: int) -> None:
    """After random acts, whatever the two have in common. Nobody can read the inbox of the guest any more."""
    chance = random.Random(seed)
    for _ in range(120):
        circle.act(chance)
    guest, person = circle.people[:2]
    circle.events.clear()
    followers = follow_all(circle)
    merge(guest, person)
    circle.people.remove(guest)
    circle.events[:] = [event for event in circle.events if event.topic != user_topic(guest.id)]
    follow(circle, followers)
    assert not Member.objects.filter(viewer=guest).exists()
    assert not Message.objects.filter(author=guest).exists()
    assert not Block.objects.filter(blocker=guest).exists() and not Block.objects.filter(blocked=guest).exists()
    for member in Member.objects.filter(left_at=None):
        unseen = Message.objects.filter(conversation_id=member.conversation_id, deleted_at=None)
        unseen = unseen.filter(seq__gt=max(member.seen_seq, member.joined_seq)).exclude(author_id=member.viewer_id)
        assert member.unread == unseen.count()


def test_account_goes_on_where_the_guest_was(circle: Circle) -> None:
    guest, vera, bea = circle.people[:3]
    talk = circle.start(0, 2)
    seq = acts.send(talk, bea, "hello")["seq"]
    acts.see(talk, guest, seq)
    acts.send(talk, bea, "still there?")
    merge(guest, vera)
    member = Member.objects.get(conversation_id=talk, viewer=vera)
    assert (member.seen_seq, member.unread) == (seq, 1)
    acts.send(talk, vera, "yes")
    assert circle.start(1, 2) == talk, "it is the conversation of these two"


def test_second_conversation_with_the_same_person_stays_as_a_group(circle: Circle) -> None:
    guest, vera, bea = circle.people[:3]
    theirs, mine = circle.start(0, 2), circle.start(1, 2)
    acts.send(theirs, guest, "written as a guest")
    merge(guest, vera)
    assert {row.id: row.pair is None for row in Conversation.objects.all()} == {theirs: True, mine: False}
    acts.send(theirs, bea, "read by the account")
    assert Member.objects.get(conversation_id=theirs, viewer=vera).unread == 1


def test_conversation_of_the_guest_with_the_account_is_kept_to_read(circle: Circle) -> None:
    guest, vera = circle.people[:2]
    talk = circle.start(0, 1)
    acts.send(talk, guest, "to myself")
    acts.block(guest, vera.id)
    merge(guest, vera)
    assert list(Member.objects.filter(conversation_id=talk).values_list("viewer", "unread")) == [(vera.id, 0)]
    assert not Block.objects.exists()


def test_blocks_hold_in_both_directions(circle: Circle) -> None:
    """Else a guest who is blocked signs in, and writes on."""
    guest, vera, bea, cem = circle.people[:4]
    acts.block(bea, guest.id)
    acts.block(guest, cem.id)
    merge(guest, vera)
    assert set(Block.objects.values_list("blocker", "blocked")) == {(bea.id, vera.id), (vera.id, cem.id)}


# The sign-in


def browser_of(guest: Viewer) -> Client:
    made = Client()
    made.force_login(guest)
    return made


def sign_in(browser: Client, name: str, password: str = PASSWORD, page: str = "/accounts/login/") -> Any:
    return browser.post(page, {"username": name, "password": password, "next": "/studio/"})


@pytest.mark.parametrize("page", ["/accounts/login/", "/admin/login/"])
def test_guest_who_signs_in_becomes_the_account(stage: Stage, page: str) -> None:
    """The only way was to log out, which loses the name and all that was written."""
    vera, guest = account(), stage.viewers[0]
    Viewer.objects.filter(id=vera.id).update(is_staff=True)
    comment(stage, guest, "hello")
    browser = browser_of(guest)
    if page == "/accounts/login/":
        assert "You are here as the guest <bdi>Viewer 0</bdi>" in browser.get(page).content.decode()
    answer = sign_in(browser, "vera", page=page)
    assert answer.status_code == 302
    assert Comment.objects.get().author == vera
    assert browser.session["_auth_user_id"] == str(vera.id)


def test_wrong_password_changes_nothing(stage: Stage) -> None:
    account()
    guest = stage.viewers[0]
    browser = browser_of(guest)
    assert sign_in(browser, "vera", "wrong").status_code == 200
    guest.refresh_from_db()
    assert guest.is_active
    assert browser.session["_auth_user_id"] == str(guest.id)


def test_sign_in_and_merge_are_one(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database goes away in the middle: the guest is still who they were."""
    account()
    guest = stage.viewers[0]
    comment(stage, guest, "hello")
    browser = browser_of(guest)

    def fail(*_: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    monkeypatch.setattr(merging.MessagesOfGuest, "hand_over", fail)
    answer = sign_in(browser, "vera")
    assert answer.status_code == 503
    connection.close()
    assert Comment.objects.get().author == guest
    assert browser.session["_auth_user_id"] == str(guest.id)


@pytest.mark.parametrize("page", ["/studio/", "/operator/"])
def test_page_that_is_not_for_guests_says_so(stage: Stage, page: str) -> None:
    """It led to the sign-in, which led back: ERR_TOO_MANY_REDIRECTS."""
    answer = browser_of(stage.viewers[0]).get(page)
    assert answer.status_code == 403
    text = answer.content.decode()
    assert "You are here as the guest <bdi>Viewer 0</bdi>" in text
    assert f'href="/accounts/login/?next={page}"' in text
    account()
    browser = browser_of(Viewer.objects.get(username="vera"))
    assert browser.get("/accounts/login/").status_code == 200
    if page == "/operator/":
        assert "You are signed in as <bdi>Vera</bdi>" in browser.get(page).content.decode()
