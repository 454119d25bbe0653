"""Redis as an operator writes it: one server, or sentinels who know the primary."""

from __future__ import annotations

import pytest
from kombu import Connection

from realtime.table.addresses import RedisAddress, is_valid, is_valid_list, parse_list

SENTINEL = "sentinel://:p%40ss@one:26380,two,[::1]:26381/live/3"


def test_one_server_is_its_url() -> None:
    address = RedisAddress.parse("redis://:secret@redis:6379/0")
    assert address.layer_host(socket_connect_timeout=1) == {
        "address": "redis://:secret@redis:6379/0",
        "socket_connect_timeout": 1,
    }
    assert address.broker() == ("redis://:secret@redis:6379/0", {})


def test_tls_says_in_so_many_words_that_the_certificate_is_checked() -> None:
    """Celery's client checks nothing when nothing is said."""
    url, _ = RedisAddress.parse("rediss://redis/0?ssl_check_hostname=false").broker()
    assert url == "rediss://redis/0?ssl_cert_reqs=required&ssl_check_hostname=false"


def test_sentinels_are_told_to_the_channel_layer_as_it_likes_it() -> None:
    host = RedisAddress.parse(SENTINEL).layer_host()
    assert host["sentinels"] == [("one", 26380), ("two", 26379), ("::1", 26381)]
    assert (host["master_name"], host["db"], host["password"]) == ("live", 3, "p@ss")
    assert host["sentinel_kwargs"]["password"] == "p@ss"


def test_sentinels_are_told_to_celery_as_it_likes_it() -> None:
    url, options = RedisAddress.parse(SENTINEL).broker()
    assert options["master_name"] == "live"
    first, *others = url.split(";")
    assert len(others) == 2
    broker = Connection(first)
    assert (broker.hostname, broker.port, broker.password, broker.virtual_host) == ("one", 26380, "p@ss", "3")


def test_a_list_is_split_between_addresses_and_not_within_one() -> None:
    urls = ["redis://a:1/0", SENTINEL, "redis://b:2/0"]
    assert [address.url for address in parse_list(", ".join(urls))] == urls


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://redis",
        "redis://",
        "redis://host:0/0",
        "redis://host:99999/0",
        "sentinel://one,two",
        "sentinel://one,,two/live",
        "sentinel:///live",
        "sentinel://one:0/live",
        "sentinel://one:70000/live",
        "sentinel://one/live/x",
        "sentinel://:pa:ss@wo@rd@one/live",
    ],
)
def test_what_is_no_address(url: str) -> None:
    assert not is_valid(url)
    assert not is_valid_list(f"redis://a:1/0,{url}") or url == ""


def test_one_place_is_not_a_list() -> None:
    assert not is_valid("redis://a:1/0,redis://b:2/0")
    assert is_valid(SENTINEL)
