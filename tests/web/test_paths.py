"""How the site finds what answers a path."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.urls import resolve
from django.urls.resolvers import RoutePattern

from liveplatform.urls import OFTEN


@pytest.mark.parametrize("path", OFTEN)
def test_call_that_a_crowd_makes_is_found_at_once(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """Django tries one path after the other: 64 came before a like, and took an eighth of its time."""
    tried = []
    match = RoutePattern.match

    def counted(self: RoutePattern, path: str) -> object:
        tried.append(str(self))
        return match(self, path)

    monkeypatch.setattr(RoutePattern, "match", counted)
    found = resolve(f"/api/v1/{path.replace('<video_id>', str(uuid4()))}")
    assert found.route == f"api/v1/{path}"
    assert len(tried) <= 8
