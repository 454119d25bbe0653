"""Where Redis is: an address as an operator writes it, and what each of its clients wants to know of it.

`redis://` and `rediss://` name one server. `sentinel://:password@host1:26379,host2:26379/<name>/<db>` names sentinels,
who know the primary; the password is theirs and the servers', the database 0 if left out. Read by settings, used by
realtime.shared, the channel layer and Celery.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from redis.asyncio import Redis
from redis.asyncio.sentinel import Sentinel

SENTINEL_PORT = 26379
SENTINEL_SECONDS = 0.5  # each is asked in turn: a dead one must not use up the time that an answer may take
_SENTINEL = re.compile(
    r"sentinel://(?:(?P<user>[^:@/,]*):(?P<password>[^@/]*)@)?(?P<hosts>[^@/]+)/(?P<name>[^/?#]+)(?:/(?P<db>\d{1,4}))?"
)
_HOST = re.compile(r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\])(?::(?P<port>\d{1,5}))?")


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """One Redis, or the primary that sentinels know of. `sentinels` is empty for a server that the URL names itself."""

    url: str
    sentinels: tuple[tuple[str, int], ...] = ()
    name: str = ""
    user: str = ""
    password: str = ""
    db: int = 0

    @classmethod
    def parse(cls, url: str) -> RedisAddress:
        """Raises ValueError when it is no address."""
        if not url.startswith("sentinel://"):
            parts = urlsplit(url)
            if parts.scheme not in ("redis", "rediss") or not parts.hostname or parts.port == 0:
                raise ValueError(url)
            return cls(url)
        if not (found := _SENTINEL.fullmatch(url)):
            raise ValueError(url)
        sentinels = []
        for text in found["hosts"].split(","):
            host = _HOST.fullmatch(text)
            if host is None or not 0 < (port := int(host["port"] or SENTINEL_PORT)) < 65_536:
                raise ValueError(url)
            sentinels.append((host["host"].strip("[]"), port))
        user, password = unquote(found["user"] or ""), unquote(found["password"] or "")
        return cls(url, tuple(sentinels), unquote(found["name"]), user, password, int(found["db"] or 0))

    @property
    def _login(self) -> dict[str, str]:
        given = {"username": self.user, "password": self.password}
        return {name: value for name, value in given.items() if value}

    @property
    def _asking(self) -> dict[str, Any]:
        """How sentinels are asked."""
        return {**self._login, "socket_timeout": SENTINEL_SECONDS, "socket_connect_timeout": SENTINEL_SECONDS}

    def client(self, **options: Any) -> Redis:
        """Return a client of the primary, for the event loop that uses it first; `options` are redis-py's."""
        if not self.sentinels:
            return Redis.from_url(self.url, **options)
        options = {**options, **self._login, "db": self.db}
        sentinel = Sentinel(self.sentinels, sentinel_kwargs=self._asking)  # type: ignore[no-untyped-call]
        client: Redis = sentinel.master_for(self.name, **options)
        return client

    def layer_host(self, **options: Any) -> dict[str, Any]:
        """Return an entry of `hosts` for channels_redis."""
        if not self.sentinels:
            return {"address": self.url, **options}
        sentinels = {"sentinels": list(self.sentinels), "master_name": self.name, "sentinel_kwargs": self._asking}
        return {**sentinels, "db": self.db, **self._login, **options}

    def broker(self) -> tuple[str, dict[str, Any]]:
        """Return Celery's broker URL, and what its transport has to be told beside it."""
        if not self.sentinels:
            return self.url, {}
        login = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}@" if self._login else ""
        hosts = [(f"[{host}]" if ":" in host else host, port) for host, port in self.sentinels]
        url = ";".join(f"sentinel://{login}{host}:{port}/{self.db}" for host, port in hosts)
        return url, {"master_name": self.name, "sentinel_kwargs": self._asking}


def parse_list(text: str) -> list[RedisAddress]:
    """Return the addresses of a comma separated list; those of sentinels hold commas too. Raises ValueError."""
    return [RedisAddress.parse(url.strip()) for url in re.split(r",(?=\s*\w+://)", text)]


def is_valid_list(text: str) -> bool:
    try:
        return bool(parse_list(text))
    except ValueError:
        return False


def is_valid(text: str) -> bool:
    return is_valid_list(text) and len(parse_list(text)) == 1
