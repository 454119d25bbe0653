"""Topics are those of the kinds that apps declare."""

from __future__ import annotations

import pytest

from realtime.registry import Registry, registry


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
    with pytest.raises(ValueError, match="a topic looks like video:<id>"):
        registry.topic(value)


def test_site_without_the_app_does_not_know_its_topics() -> None:
    """The platform had the prefixes of this site's apps in a regular expression."""
    bare = Registry()
    assert not bare.is_topic("video:1")
    with pytest.raises(ValueError, match="a topic looks like kind:<id>"):
        bare.topic("video:1")
