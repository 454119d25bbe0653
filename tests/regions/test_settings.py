"""Settings of regions: what makes no sense is refused in one line that names the variable and shows no secret."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

KEY = "0123456789abcdefghijklmnopqrstuv"
GOOD = {"LIVE_REGION": "eu", "LIVE_PEERS": "us=https://us.example.org", "LIVE_RELAY_KEYS": f"us:1:{KEY}"}


@pytest.fixture
def read(read_settings: Callable[..., dict[str, Any]]) -> Any:
    """Read the settings with these variables in place of some of good ones."""
    return lambda **variables: read_settings(**{**GOOD, **variables})


def test_peers_and_keys_are_read(read: Any) -> None:
    found = read(
        LIVE_PEERS="us=https://us.example.org/,ap=http://127.0.0.1:8100",
        LIVE_RELAY_KEYS=f"us:2026-11:{KEY}+/==,us:2026-05:{KEY}x,ap:1:{KEY}y",
    )
    assert found["LIVE_PEERS"] == {"us": "https://us.example.org", "ap": "http://127.0.0.1:8100"}
    assert [(key.region, key.id) for key in found["LIVE_RELAY_KEYS"]] == [
        ("us", "2026-11"),
        ("us", "2026-05"),
        ("ap", "1"),
    ]


def test_one_region_needs_no_keys(read: Any) -> None:
    assert read(LIVE_PEERS="", LIVE_RELAY_KEYS="")["LIVE_PEERS"] == {}


@pytest.mark.parametrize(
    "peers",
    [
        "us",
        "us=",
        "us=us.example.org",
        "us=ftp://us.example.org",
        "us=https://",
        "us=https://us.example.org:0",
        "us=https://us.example.org:99999",
        "us=https://me:password@us.example.org",
        "us=https://us.example.org/relay",
        "us=https://us.example.org?a=1",
        "us=http://us.example.org",
        "us=http://10.0.0.1:8100",
        "eu=https://eu.example.org",
        "us=https://us.example.org,us=https://us2.example.org",
        "u s=https://us.example.org",
        "u-s=https://us.example.org",
    ],
)
def test_peers_that_make_no_sense_are_refused(read: Any, peers: str) -> None:
    """No address, this region itself, two of one name, what anybody on the way could read."""
    with pytest.raises(ImproperlyConfigured, match=r"^LIVE_PEERS") as refused:
        read(LIVE_PEERS=peers)
    assert "\n" not in str(refused.value)


def test_plain_http_is_for_networks_that_encrypt_by_themselves(read: Any) -> None:
    found = read(LIVE_PEERS="us=http://10.0.0.1:8100", LIVE_RELAY_PLAIN="on")
    assert found["LIVE_PEERS"] == {"us": "http://10.0.0.1:8100"}


@pytest.mark.parametrize(
    "keys",
    [
        "",
        "us:1",
        f"us:1:{KEY}:more",
        f":1:{KEY}",
        "us:1:short",
        f"us:1:{'k' * 32}",
        f"ap:1:{KEY}",
        f"us:1:{KEY},us:1:{KEY}x",
        f"us:1:{KEY},us:2:{KEY}",
        f"us:a/b:{KEY}",
        "us:1:a secret with spaces in it, and a comma",
    ],
)
def test_keys_that_make_no_sense_are_refused(read: Any, keys: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^LIVE_RELAY_KEYS") as refused:
        read(LIVE_RELAY_KEYS=keys)
    assert "\n" not in str(refused.value) and KEY not in str(refused.value)


def test_one_secret_in_two_roles_is_refused(read: Any) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^LIVE_RELAY_KEYS"):
        read(SECRET_KEY=KEY)


@pytest.mark.parametrize("region", ["e u", "eu-1", "eu/1", "été", "e" * 33])
def test_region_that_is_no_name_is_refused(read: Any, region: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^LIVE_REGION"):
        read(LIVE_REGION=region)
