"""Who hears of which comments, on the real database."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from asgiref.sync import async_to_sync
from django.utils import timezone

from accounts.exports import copy_of
from accounts.merging import merge
from accounts.models import Viewer
from accounts.removal import delete_viewer
from messaging import acts as messages
from messaging.representation import user_topic
from moderation import acts as roles
from moderation.models import Restriction
from notices import choices, inbox, reading, telling
from notices.models import ChangedComment, Notice, NoticeComment
from realtime.events import Durable
from tests.videos.acts import Stage
from videos import broadcasts, channel_rules, gate, held, likes, moderation, purges, removal
from videos.models import Comment, HeldComment
from web.refusals import Refused


def account(name: str) -> Viewer:
    return Viewer.objects.create_user(name.lower().replace(" ", "-"), name=name)


@pytest.fixture
def ana(stage: Stage) -> Viewer:
    return account("Ana Maria")


@pytest.fixture
def ben(stage: Stage) -> Viewer:
    return account("Ben")


def say(stage: Stage, who: Viewer, body: str, *, reply_to: UUID | None = None) -> UUID:
    return UUID(async_to_sync(likes.comment)(stage.video.id, who, body, reply_to=reply_to)["id"])


def heard(viewer: Viewer) -> list[tuple[str, str, int]]:
    """Return what somebody has heard, after the job: kind, text, and how many others."""
    telling.tell()
    return [(line["kind"], line["comment"]["body"], line["others"]) for line in reading.lines(viewer.id)]


def unread(viewer: Viewer) -> int:
    return int(reading.inbox_values([viewer.id])[viewer.id]["unread"])


def events(stage: Stage, viewer: Viewer) -> list[dict[str, Any]]:
    """Return what a person's own topic was told."""
    of_inbox = [event for event in stage.events if isinstance(event, Durable) and event.topic == user_topic(viewer.id)]
    return [orjson.loads(event.body)["notices"] for event in of_inbox if event.name == "notices"]


def test_an_answer_is_heard_by_the_one_who_is_answered(stage: Stage, ana: Viewer, ben: Viewer) -> None:
    said = say(stage, ana, "Who plays?")
    answer = say(stage, ben, "The Ravens", reply_to=said)
    assert heard(ana) == [("answer", "The Ravens", 0)]
    assert heard(ben) == []
    [line] = reading.lines(ana.id)
    assert line["path"] == f"/videos/{stage.video.id}/?comment={answer}"
    assert line["comment"]["author"] == {"id": str(ben.id), "name": "Ben"}
    assert (unread(ana), events(stage, ana)) == (1, [{"unread": 1, "counts_messages": True}])


@pytest.mark.parametrize(
    "text", ["@Ana Maria look", "look, @ana maria!", "(@ANA MARIA)", "@Ana Maria", "@ana   maria?"]
)
def test_an_account_hears_who_names_it_anywhere_public(stage: Stage, ana: Viewer, ben: Viewer, text: str) -> None:
    say(stage, ben, text)
    assert heard(ana) == [("mention", text, 0)]


@pytest.mark.parametrize("text", ["Ana Maria", "@Ana", "mail@Ana Maria", "@Ana Mariana", "@ Ana Maria"])
def test_other_texts_name_nobody(stage: Stage, ana: Viewer, ben: Viewer, text: str) -> None:
    say(stage, ben, text)
    assert heard(ana) == []


def test_a_name_is_the_same_however_its_accent_is_written(stage: Stage, ben: Viewer) -> None:
    elodie = account("Élodie")
    say(stage, ben, "@e\u0301lodie hello")
    assert [kind for kind, *_ in heard(elodie)] == ["mention"]


class TestCommentThatGoes:
    def test_one_before_it_takes_its_place(self, stage: Stage, ana: Viewer, ben: Viewer) -> None:
        """A line keeps one comment of each person. When that was deleted, an older one that still stood was lost."""
        first = say(stage, ben, "@Ana Maria first")
        say(stage, ben, "Nothing to her")
        second = say(stage, ben, "@Ana Maria second")
        assert heard(ana) == [("mention", "@Ana Maria second", 0)]
        moderation.delete_comment(stage.video.id, second, stage.owner)
        assert heard(ana) == [("mention", "@Ana Maria first", 0)]
        [line] = reading.lines(ana.id)
        assert line["at_ms"] == line["comment"]["at_ms"]
        assert unread(ana) == 1
        moderation.delete_comment(stage.video.id, first, stage.owner)
        assert heard(ana) == []

    def test_a_line_that_was_seen_stays_seen(self, stage: Stage, ana: Viewer, ben: Viewer) -> None:
        say(stage, ben, "@Ana Maria first")
        second = say(stage, ben, "@Ana Maria second")
        telling.tell()
        inbox.see(ana.id, timezone.now())
        moderation.delete_comment(stage.video.id, second, stage.owner)
        assert heard(ana) == [("mention", "@Ana Maria first", 0)]
        assert unread(ana) == 0

    def test_what_was_seen_in_the_line_before_does_not_come_again(self, stage: Stage, ana: Viewer, ben: Viewer) -> None:
        say(stage, ben, "@Ana Maria first")
        telling.tell()
        inbox.see(ana.id, timezone.now())
        second = say(stage, ben, "@Ana Maria second")
        assert len(heard(ana)) == 2
        moderation.delete_comment(stage.video.id, second, stage.owner)
        assert heard(ana) == [("mention", "@Ana Maria first", 0)]

    def test_the_others_of_the_line_stay_in_their_order(self, stage: Stage, ana: Viewer, ben: Viewer) -> None:
        say(stage, ben, "@Ana Maria by Ben")
        say(stage, stage.owner, "@Ana Maria by the owner")
        later = say(stage, ben, "@Ana Maria later")
        assert heard(ana) == [("mention", "@Ana Maria later", 1)]
        moderation.delete_comment(stage.video.id, later, stage.owner)
        assert heard(ana) == [("mention", "@Ana Maria by the owner", 1)]


def test_the_longest_name_counts(stage: Stage, ana: Viewer, ben: Viewer) -> None:
    short = account("Ana")
    say(stage, ben, "@Ana Maria is here")
    assert (len(heard(ana)), heard(short)) == (1, [])


def test_an_answer_that_names_is_heard_once_and_nobody_hears_themselves(stage: Stage, ana: Viewer, ben: Viewer) -> None:
    said = say(stage, ana, "I am @Ana Maria")
    say(stage, ana, "Me again", reply_to=said)
    assert heard(ana) == []
    say(stage, ben, "@Ana Maria hello", reply_to=said)
    assert heard(ana) == [("answer", "@Ana Maria hello", 0)]


def test_guests_hear_only_where_they_have_written(stage: Stage, ben: Viewer) -> None:
    guest = stage.viewers[0]
    say(stage, ben, "@Viewer 0 are you there?")
    assert heard(guest) == []
    say(stage, guest, "Yes")
    say(stage, ben, "@Viewer 0 fine")
    assert heard(guest) == [("mention", "@Viewer 0 fine", 0)]


def test_who_has_written_there_is_named_without_accents(stage: Stage, ben: Viewer) -> None:
    """Who cannot write an accent named nobody. Somebody who has the name as it is written comes first."""
    jose = account("José Ángel")
    say(stage, ben, "@Jose Angel look")
    assert heard(jose) == [], "nobody knows him there"
    say(stage, jose, "Hello")
    say(stage, ben, "@jose angel look")
    assert heard(jose) == [("mention", "@jose angel look", 0)]
    plain = account("Jose Angel")
    say(stage, ben, "@Jose Angel and you")
    assert (len(heard(jose)), heard(plain)) == (1, [("mention", "@Jose Angel and you", 0)])


def test_a_name_is_no_invitation_to_what_is_not_public(stage: Stage, ana: Viewer, ben: Viewer) -> None:
    broadcasts.update_video(stage.video.id, stage.owner, visibility="unlisted")
    say(stage, ben, "@Ana Maria look")
    assert heard(ana) == []
    said = say(stage, ana, "I have the address")
    say(stage, ben, "@Ana Maria look")
    assert len(heard(ana)) == 1
    inbox.see(ana.id, timezone.now())
    broadcasts.update_video(stage.video.id, stage.owner, visibility="private")
    assert heard(ana) == []
    say(stage, stage.owner, "Closed now", reply_to=said)
    assert (heard(ana), unread(ana)) == ([], 0)
    roles.give_role(stage.owner.id, ana.id, stage.owner, "moderator")
    say(stage, stage.owner, "Come in", reply_to=said)
    assert [kind for kind, _, _ in heard(ana)] == ["answer", "mention"]


def test_those_whom_one_blocks_are_not_heard(stage: Stage, ana: Viewer, ben: Viewer) -> None:
    said = say(stage, ana, "Who plays?")
    say(stage, ben, "The Ravens", reply_to=said)
    assert len(heard(ana)) == 1
    messages.block(ana, ben.id)
    assert (heard(ana), unread(ana), events(stage, ana)[-1]["unread"]) == ([], 0, 0)
    messages.unblock(ana, ben.id)
    assert (len(heard(ana)), unread(ana), events(stage, ana)[-1]["unread"]) == (1, 1, 1)
    messages.block(ana, ben.id)
    inbox.see(ana.id, timezone.now())
    say(stage, ben, "@Ana Maria", reply_to=said)
    assert (heard(ana), unread(ana)) == ([], 0)


def test_shadowed_ones_are_not_heard_and_held_ones_when_they_are_approved(
    stage: Stage, ana: Viewer, ben: Viewer
) -> None:
    Restriction.objects.create(viewer=ben, kind="shadow", channel=stage.owner)
    say(stage, ben, "@Ana Maria from the dark")
    assert heard(ana) == []
    Restriction.objects.all().delete()
    channel_rules.set_words(stage.owner.id, stage.owner, refused="", held="ravens")
    async_to_sync(likes.comment)(stage.video.id, ben, "@Ana Maria ravens")
    assert heard(ana) == []
    waiting = HeldComment.objects.get(body="@Ana Maria ravens")
    held.approve(stage.video.id, waiting.id, stage.owner)
    assert heard(ana) == [("mention", "@Ana Maria ravens", 0)]


def test_a_deleted_comment_leaves_the_list_and_comes_back_with_its_restoration(
    stage: Stage, ana: Viewer, ben: Viewer
) -> None:
    said = say(stage, ben, "@Ana Maria look")
    assert (len(heard(ana)), unread(ana)) == (1, 1)
    moderation.delete_comment(stage.video.id, said, stage.owner)
    assert reading.lines(ana.id) == [], "at once"
    assert (heard(ana), unread(ana), Notice.objects.count()) == ([], 0, 0)
    assert events(stage, ana)[-1]["unread"] == 0
    purges.restore_comment(stage.video.id, said, stage.owner)
    assert (len(heard(ana)), unread(ana)) == (1, 1)


@pytest.mark.parametrize("way", ["author", "many", "purge", "gate", "account", "video"])
def test_every_way_by_which_comments_go_is_followed(stage: Stage, ana: Viewer, ben: Viewer, way: str) -> None:
    said = say(stage, ben, "@Ana Maria look")
    assert len(heard(ana)) == 1
    root = Viewer.objects.create_superuser("root")
    match way:
        case "author":
            moderation.delete_comment(stage.video.id, said, ben)
        case "many":
            moderation.delete_comments(stage.video.id, [said], stage.owner)
        case "purge":
            purges.delete_comments_of(stage.owner.id, ben.id, stage.owner)
        case "gate":
            gate.close(stage.owner.id, stage.owner)
        case "account":
            delete_viewer(ben.id, root)
        case "video":
            removal.delete_video(stage.video.id, root)
    assert (heard(ana), unread(ana)) == ([], 0)
    assert (Notice.objects.count(), NoticeComment.objects.count()) == (0, 0)
    assert events(stage, ana)[-1]["unread"] == 0


def test_an_edit_may_name_somebody_and_name_them_no_more(stage: Stage, ana: Viewer, ben: Viewer) -> None:
    said = say(stage, ben, "Look")
    async_to_sync(likes.edit_comment)(stage.video.id, ben, said, "@Ana Maria look")
    assert heard(ana) == [("mention", "@Ana Maria look", 0)]
    async_to_sync(likes.edit_comment)(stage.video.id, ben, said, "@Ana Maria look here")
    assert heard(ana) == [("mention", "@Ana Maria look here", 0)]
    async_to_sync(likes.edit_comment)(stage.video.id, ben, said, "Look")
    assert (heard(ana), unread(ana)) == ([], 0)


def test_an_edit_of_something_older_is_no_news(stage: Stage, ana: Viewer, ben: Viewer) -> None:
    older = say(stage, ben, "@Ana Maria one")
    say(stage, ben, "@Ana Maria two")
    assert heard(ana) == [("mention", "@Ana Maria two", 0)]
    inbox.see(ana.id, timezone.now())
    async_to_sync(likes.edit_comment)(stage.video.id, ben, older, "@Ana Maria uno")
    assert (heard(ana), unread(ana)) == ([("mention", "@Ana Maria two", 0)], 0)


def test_a_flood_is_one_line_and_one_event_a_run(stage: Stage, ana: Viewer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "PEOPLE_MAX", 3)
    for viewer in stage.viewers:
        for number in range(3):
            say(stage, viewer, f"@Ana Maria {number} from {viewer.name}")
    assert heard(ana) == [("mention", "@Ana Maria 2 from Viewer 4", 2)]
    assert (unread(ana), len(events(stage, ana)), NoticeComment.objects.count()) == (1, 1, 3)


def test_old_lines_make_room_for_new_ones(
    stage: Stage, ana: Viewer, ben: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "LINES_MAX", 2)
    for number in range(4):
        say(stage, ben, f"@Ana Maria {number}")
        assert len(heard(ana)) == min(number + 1, 2)
        inbox.see(ana.id, timezone.now())
    assert [text for _, text, _ in heard(ana)] == ["@Ana Maria 3", "@Ana Maria 2"]
    assert NoticeComment.objects.count() == 2


def test_what_is_seen_stays_seen_and_what_comes_later_is_new(stage: Stage, ana: Viewer, ben: Viewer) -> None:
    say(stage, ben, "@Ana Maria one")
    heard(ana)
    [line] = reading.lines(ana.id)
    say(stage, ben, "@Ana Maria two")
    assert heard(ana) == [("mention", "@Ana Maria two", 0)]
    assert inbox.see(ana.id, Comment.objects.get(id=line["comment"]["id"]).created_at)["unread"] == 1
    told = len(events(stage, ana))
    for _ in range(2):
        assert inbox.see(ana.id, timezone.now())["unread"] == 0
    assert len(events(stage, ana)) == told + 1
    say(stage, ben, "@Ana Maria three")
    assert len(heard(ana)) == 2
    assert [line["is_seen"] for line in reading.lines(ana.id)] == [False, True]


def test_what_one_sees_at_one_video_is_new_at_others(stage: Stage, ana: Viewer, ben: Viewer) -> None:
    """The bell counted an answer that was on the screen. The page of its video says so, and of no other."""
    other = broadcasts.create_video(stage.owner, title="Another one")
    say(stage, ben, "@Ana Maria here")
    async_to_sync(likes.comment)(other.id, ben, "@Ana Maria there")
    assert len(heard(ana)) == 2
    assert inbox.see(ana.id, timezone.now(), video_id=stage.video.id)["unread"] == 1
    assert {line["video"]["title"]: line["is_seen"] for line in reading.lines(ana.id)} == {
        stage.video.title: True,
        "Another one": False,
    }


def test_a_run_that_fails_is_repeated(stage: Stage, ana: Viewer, ben: Viewer, monkeypatch: pytest.MonkeyPatch) -> None:
    say(stage, ben, "@Ana Maria look")
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(telling, "record", lambda heads, people: 1 / 0)
        telling.tell()
    assert (unread(ana), ChangedComment.objects.count()) == (0, 1)
    assert (len(heard(ana)), unread(ana), ChangedComment.objects.count()) == (1, 1, 0)


def test_comments_that_concern_nobody_leave_no_work(stage: Stage) -> None:
    say(stage, stage.viewers[0], "Hello")
    assert ChangedComment.objects.count() == 0


def test_who_wants_to_hear_in_no_way_has_no_line(stage: Stage, ana: Viewer, ben: Viewer) -> None:
    choices.choose(ana, {"mention": {"site": False}})
    say(stage, ben, "@Ana Maria look")
    assert heard(ana) == []
    choices.choose(ana, {"mention": {"push": True}})
    say(stage, ben, "@Ana Maria look")
    assert (len(heard(ana)), unread(ana)) == (1, 0), "in the list, and not counted"
    assert Notice.objects.get().is_due
    choices.choose(ana, {"mention": {"site": True}})
    assert events(stage, ana)[-1]["unread"] == 1


def test_a_guest_who_signs_in_takes_the_lines_along(stage: Stage, ana: Viewer, ben: Viewer) -> None:
    guest = stage.viewers[0]
    said = say(stage, guest, "Who plays?")
    say(stage, ben, "The Ravens", reply_to=said)
    assert len(heard(guest)) == 1
    own = say(stage, ana, "And who wins?")
    say(stage, ben, "Nobody", reply_to=own)
    assert len(heard(ana)) == 1
    merge(guest, ana)
    assert sorted(text for _, text, _ in heard(ana)) == ["Nobody", "The Ravens"]
    assert (unread(ana), events(stage, ana)[-1]["unread"]) == (1, 1), "of a video and kind one line is new"


def test_who_blocks_a_guest_does_not_hear_them_as_an_account_either(stage: Stage, ana: Viewer, ben: Viewer) -> None:
    guest = stage.viewers[0]
    say(stage, guest, "@Ana Maria look")
    assert (len(heard(ana)), unread(ana)) == (1, 1)
    messages.block(ana, guest.id)
    merge(guest, ben)
    assert (heard(ana), unread(ana), events(stage, ana)[-1]["unread"]) == ([], 0, 0)
    messages.unblock(ana, ben.id)
    assert (len(heard(ana)), unread(ana), events(stage, ana)[-1]["unread"]) == (1, 1, 1)


def test_copy_and_end_of_an_account_include_it(stage: Stage, ana: Viewer, ben: Viewer) -> None:
    say(stage, ben, "@Ana Maria look")
    heard(ana)
    choices.choose(ana, {"mention": {"push": True}})
    with copy_of(ana) as file:
        file.seek(0)
        copied = orjson.loads(file.read())
    assert [(line["kind"], line["video_id"]) for line in copied["notices"]] == [("mention", str(stage.video.id))]
    assert [(line["kind"], line["way"], line["is_on"]) for line in copied["notice_choices"]] == [
        ("mention", "push", True)
    ]
    delete_viewer(ana.id, Viewer.objects.create_superuser("root"))
    assert (Notice.objects.count(), NoticeComment.objects.count()) == (0, 0)


def test_old_lines_are_forgotten(stage: Stage, ana: Viewer, ben: Viewer) -> None:
    say(stage, ben, "@Ana Maria look")
    heard(ana)
    assert telling.forget() == 0
    Notice.objects.update(at=timezone.now() - telling.KEPT_FOR - timedelta(seconds=1))
    assert telling.forget() == 1
    assert (heard(ana), events(stage, ana)[-1]["unread"]) == ([], 0)


@pytest.mark.parametrize("seed", range(3))
def test_what_events_said_last_is_what_a_fresh_page_reads(stage: Stage, ana: Viewer, ben: Viewer, seed: int) -> None:
    """First state + events = fresh state, whatever happens in which order."""
    chance = random.Random(seed)
    said = say(stage, ana, "Who plays?")
    written: list[UUID] = []

    def write() -> None:
        body = chance.choice(["@Ana Maria look", "Look"])
        reply_to = chance.choice([said, None])
        written.append(say(stage, chance.choice([ben, *stage.viewers]), body, reply_to=reply_to))

    acts: list[Callable[[], object]] = [
        write,
        write,
        telling.tell,
        telling.tell,
        lambda: inbox.see(ana.id, timezone.now()),
        lambda: choices.choose(ana, {chance.choice(["answer", "mention", "message"]): {"site": chance.random() < 0.7}}),
        lambda: moderation.delete_comment(stage.video.id, chance.choice(written), stage.owner),
        lambda: purges.restore_comment(stage.video.id, chance.choice(written), stage.owner),
        lambda: messages.block(ana, chance.choice([ben, *stage.viewers]).id),
        lambda: messages.unblock(ana, chance.choice([ben, *stage.viewers]).id),
    ]
    write()
    for _ in range(60):
        with contextlib.suppress(Refused):
            chance.choice(acts)()
        fresh = reading.inbox_values([ana.id])[ana.id]
        assert (events(stage, ana) or [{"unread": 0, "counts_messages": True}])[-1] == fresh
