"""DATABASE_URL, DATABASE_REPLICA_URL and REDIS_URL: their options hold for all who use them, or stop the start."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from channels_redis.pubsub import RedisPubSubChannelLayer
from django.core.exceptions import ImproperlyConfigured
from django.db.utils import ConnectionHandler
from kombu import Connection

from realtime.log import writer as log
from realtime.table.addresses import RedisAddress
from tests.certificates import certificate

Read = Callable[..., dict[str, Any]]


# PostgreSQL


@pytest.mark.parametrize(("variable", "alias"), [("DATABASE_URL", "default"), ("DATABASE_REPLICA_URL", "replica")])
def test_tls_that_the_url_requires_is_required(
    read_settings: Read, monkeypatch: pytest.MonkeyPatch, variable: str, alias: str
) -> None:
    """The options of the URL were dropped: the site connected without TLS where psycopg itself refuses. The test's
    server has no TLS.
    """
    url = os.environ["DATABASE_URL"] + "?sslmode=require"
    with pytest.raises(psycopg.OperationalError, match="SSL"):
        psycopg.connect(url)
    databases = read_settings(**{variable: url})["DATABASES"]
    assert databases[alias]["OPTIONS"]["pool"], "the pool has the same parameters"
    databases[alias]["OPTIONS"]["pool"] = False
    django = ConnectionHandler(databases)[alias]
    with pytest.raises(psycopg.OperationalError, match="SSL"):
        django.connect()
    monkeypatch.setattr(log, "connection", django)
    with pytest.raises(psycopg.OperationalError, match="SSL"):
        psycopg.connect(**log.connection_parameters())


def test_options_of_the_url_win_over_ours(read_settings: Read) -> None:
    query = "sslrootcert=/etc/ca.pem&target_session_attrs=read-write&channel_binding=require&connect_timeout=9"
    url = f"postgresql://me:p%40ss@one:5433,two/live?{query}&options=-c%20search_path%3Dlive"
    found = read_settings(DATABASE_URL=url)["DATABASES"]["default"]
    assert (found["HOST"], found["PORT"], found["USER"], found["PASSWORD"]) == ("one,two", "5433,", "me", "p@ss")
    assert found["OPTIONS"] | {"pool": None} == {
        "sslrootcert": "/etc/ca.pem",
        "target_session_attrs": "read-write",
        "channel_binding": "require",
        "connect_timeout": "9",
        "application_name": "liveplatform",
        "tcp_user_timeout": 2000,
        "options": "-c statement_timeout=5000 -c lock_timeout=2000 -c search_path=live",
        "pool": None,
    }
    behind = read_settings(DATABASE_URL=url, LIVE_PGBOUNCER="on")["DATABASES"]["default"]["OPTIONS"]
    assert behind["options"] == "-c search_path=live"


@pytest.mark.parametrize("variable", ["DATABASE_URL", "DATABASE_REPLICA_URL"])
@pytest.mark.parametrize(
    "url",
    [
        "x",
        "postgresql://me:secret@host",
        "postgresql:///live",
        "postgresql://me:secret@host:0/live",
        "postgresql://me:secret@host:99999/live",
        "postgresql://me:sec%ret@host/live",
        "mysql://me:secret@host/live",
        "postgresql://me:secret@host/live?sslmod=require",
        "postgresql://me:secret@host/live?conn_max_age=60",
    ],
)
def test_what_is_no_database_is_one_line_without_the_secret(read_settings: Read, variable: str, url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"^{variable} ") as refused:
        read_settings(**{variable: url})
    assert "sec" not in str(refused.value)
    assert "\n" not in str(refused.value)
    if "?" in url:
        assert url.partition("?")[2].partition("=")[0] in str(refused.value)


# Redis


@pytest.mark.parametrize(
    "query", ["ssl_cert_reqs=none", "ssl_cert_reqs=perhaps", "ssl_ca_cert=x", "db=1", "protocol=2", "x", "ssl_keyfile="]
)
@pytest.mark.parametrize("variable", ["REDIS_URL", "LIVE_LAYER_URLS"])
def test_option_of_redis_that_not_all_know_is_one_line(read_settings: Read, variable: str, query: str) -> None:
    scheme = "redis" if query == "ssl_cert_reqs=none" else "rediss"
    with pytest.raises(ImproperlyConfigured, match=f"^{variable} ") as refused:
        read_settings(**{variable: f"{scheme}://:secret@host/0?{query}"})
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("variable", ["REDIS_URL", "LIVE_LAYER_URLS"])
@pytest.mark.parametrize("option", ["ssl_ca_certs=none.pem", "ssl_ca_certs=empty.pem", "ssl_certfile=certificate.pem"])
def test_file_of_redis_that_is_of_no_use_is_one_line(
    read_settings: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, option: str
) -> None:
    """The site said that it was ready, and tried again for ever without a word."""
    certificate(tmp_path)
    (tmp_path / "empty.pem").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ImproperlyConfigured, match=f"^{variable}: {option} cannot be used: ") as refused:
        read_settings(**{variable: f"rediss://:secret@host/0?{option}"})
    assert "secret" not in str(refused.value)
    read_settings(
        **{variable: "rediss://host/0?ssl_ca_certs=certificate.pem&ssl_certfile=certificate.pem&ssl_keyfile=key.pem"}
    )


@pytest.fixture
async def tls_redis(tmp_path: Path) -> AsyncIterator[str]:
    """The run's Valkey behind TLS, with a certificate that nobody knows; the beginning of a URL."""
    valkey = urlsplit(os.environ["REDIS_URL"])
    key, own = certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(own, key)

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(valkey.hostname, valkey.port)
        await asyncio.gather(copy(reader, back), copy(there, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    login = valkey.netloc.rpartition("@")[0]
    yield f"rediss://{login}{'@' * bool(login)}127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    server.close()


async def table(address: RedisAddress) -> None:
    client = address.client(socket_timeout=5)
    try:
        await client.ping()
    finally:
        await client.aclose()


async def layer(address: RedisAddress) -> None:
    made = RedisPubSubChannelLayer(hosts=[address.layer_host()], prefix="tls.")
    try:
        await made.send("here", {"type": "hello"})
    finally:
        await made.flush()


async def broker(address: RedisAddress) -> None:
    url, options = address.broker()

    def ping() -> None:
        with Connection(url, transport_options=options) as connection:
            connection.default_channel.client.ping()

    await asyncio.to_thread(ping)


@pytest.mark.parametrize("user", [table, layer, broker])
async def test_certificate_of_redis_is_checked_by_each_of_its_users(
    tls_redis: str, tmp_path: Path, user: Callable[[RedisAddress], Awaitable[None]]
) -> None:
    """The broker connected to anybody, while table and layer refused."""
    with pytest.raises(Exception, match="CERTIFICATE_VERIFY_FAILED"):
        await user(RedisAddress.parse(tls_redis))
    await user(RedisAddress.parse(f"{tls_redis}?ssl_ca_certs={tmp_path / 'certificate.pem'}"))
    await user(RedisAddress.parse(f"{tls_redis}?ssl_cert_reqs=none"))
