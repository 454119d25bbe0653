"""Topics are those of the kinds that apps declare."""

from __future__ import annotations

import pytest

from realtime.dispatch.publisher import publisher
from realtime.events import Burst, Counters, Durable, Event, Signal, State, TopicName
from realtime.registry import Registry, registry
from realtime.table.presence import online
from tests.realtime.fakes import FakeKind


@pytest.mark.parametrize("text", ["video:1", "user:0c9d-4", "conversation:A1", "presence:x"])
def test_topic_names(text: str) -> None:
    assert registry.topic(text) == text


@pytest.mark.parametrize(
    "text", ["", "video", "video:", "video:a b", "video:1\n", "video:*", "other:1", "video:" + "1" * 65]
)
def test_what_is_no_topic(text: str) -> None:
    with pytest.raises(ValueError, match="a topic looks like"):
        registry.topic(text)


@pytest.mark.parametrize("value", [None, 7, b"video:1", ["video:1"]])
def test_topic_is_a_text(value: object) -> None:
    with pytest.raises(ValueError, match=r"a topic looks like \w+:<id>"):
        registry.topic(value)


def test_site_without_the_app_does_not_know_its_topics() -> None:
    """The platform had the prefixes of this site's apps in a regular expression."""
    bare = Registry()
    assert not bare.is_topic("video:1")
    with pytest.raises(ValueError, match="a topic looks like kind:<id>"):
        bare.topic("video:1")


def test_a_site_says_where_it_shows_who_is_online(monkeypatch: pytest.MonkeyPatch) -> None:
    """The platform published it on `presence:`, also for a site with inboxes whose apps know no such topics."""
    monkeypatch.setattr(registry, "kinds", {"lot": FakeKind(), "mood": MoodKind()})
    assert online("ana", 7).topic == "mood:ana"
    assert Registry({"lot": FakeKind()}).presence_prefix == ""


class MoodKind(FakeKind):
    is_presence = True


VIDEO, USER = TopicName("video:1"), TopicName("user:1")


@pytest.mark.parametrize(
    "event",
    [
        Durable(VIDEO, 1, "bid", b"{}"),
        State(VIDEO, 1, "presence", {}),
        Signal(VIDEO, "waving", "", {}, 0),
        Counters(USER, 1, {}),
        Burst(USER, {}, 0),
        Durable(TopicName("lot:1"), 1, "bid", b"{}"),
    ],
    ids=lambda event: f"{event.topic} {type(event).__name__}",
)
def test_what_no_kind_names_is_not_published(event: Event) -> None:
    """A name that was spelled wrong went all the way to the pages, where nothing waits for it."""
    with pytest.raises(ValueError, match=event.topic):
        publisher.publish([event])


@pytest.mark.parametrize(
    "event", [Durable(VIDEO, 1, "comment", b"{}"), Signal(VIDEO, "typing", "", {}, 0), Counters(VIDEO, 1, {})]
)
def test_what_a_kind_names_is(event: Event) -> None:
    registry.check(event)
