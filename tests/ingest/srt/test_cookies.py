"""Cookies of handshakes."""

from __future__ import annotations

from ingest.srt.cookies import Cookies
from tests.kit import Clock

HOME = ("192.0.2.1", 5000)


def test_a_cookie_is_good_at_its_address_for_a_minute_or_two() -> None:
    clock = Clock()
    cookies = Cookies(clock)
    cookie = cookies.make(HOME)
    assert cookies.is_good(cookie, HOME)
    assert not cookies.is_good(cookie, ("192.0.2.1", 5001))
    assert not cookies.is_good(cookie, ("192.0.2.2", 5000))
    assert not cookies.is_good(0, HOME)
    clock.advance(seconds=60)
    assert cookies.is_good(cookie, HOME)
    clock.advance(seconds=60)
    assert not cookies.is_good(cookie, HOME)
