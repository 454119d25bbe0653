"""The address of Redis, as an operator writes it, in the form that each client needs.

`redis://` and `rediss://` (TLS) name one server. The options of a `rediss://` URL are those of TLS (`TLS_OPTIONS`).
Clients check the certificate, unless the URL says `ssl_cert_reqs=none`.
`sentinel://:password@host1:26379,host2:26379/<name>/<db>` names sentinels, which know the primary. Sentinels and
servers have this password. The database is 0 if left out. Read by settings, used by realtime.table.redis, the channel
layer and Celery.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from redis.asyncio import Redis
from redis.asyncio.sentinel import Sentinel

SENTINEL_PORT = 26379
SENTINEL_SECONDS = 0.5  # for each sentinel in turn: a dead one must not use up the time that an answer may take
# The options that all three clients understand alike. Any other option would be unknown to one of them.
TLS_OPTIONS = {
    "ssl_cert_reqs": re.compile("none|optional|required"),
    "ssl_check_hostname": re.compile("true|false"),
    "ssl_ca_certs": re.compile(".+"),
    "ssl_certfile": re.compile(".+"),
    "ssl_keyfile": re.compile(".+"),
}
_SENTINEL = re.compile(
    r"sentinel://(?:(?P<user>[^:@/,]*):(?P<password>[^@/]*)@)?(?P<hosts>[^@/]+)/(?P<name>[^/?#]+)(?:/(?P<db>\d{1,4}))?"
)
_HOST = re.compile(r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\])(?::(?P<port>\d{1,5}))?")


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """One Redis, or the primary that sentinels know. `sentinels` is empty if the URL names the server itself."""

    url: str
    sentinels: tuple[tuple[str, int], ...] = ()
    name: str = ""
    user: str = ""
    password: str = ""
    db: int = 0

    @classmethod
    def parse(cls, url: str) -> RedisAddress:
        """Raises ValueError if the text is no address."""
        if not url.startswith("sentinel://"):
            parts = urlsplit(url)
            is_server = parts.scheme in ("redis", "rediss") and parts.hostname and parts.port != 0
            if not is_server or not re.fullmatch(r"/?|/\d{1,4}", parts.path) or parts.fragment:
                raise ValueError(url)
            options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
            if parts.scheme == "redis":
                if options:
                    raise ValueError(url)
                return cls(url)
            if not all(name in TLS_OPTIONS and TLS_OPTIONS[name].fullmatch(options[name]) for name in options):
                raise ValueError(url)
            # Always set: without this option Celery's client checks nothing, and the other clients check everything.
            options = {"ssl_cert_reqs": "required", "ssl_check_hostname": "true", **options}
            return cls(parts._replace(query=urlencode(options)).geturl())
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

    def check_files(self) -> None:
        """Raises ValueError with the reason if a file that the URL names cannot be used. The clients would not report
        it, and would try again for ever.
        """
        options = dict(parse_qsl(urlsplit(self.url).query))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        for name, use in (("ssl_ca_certs", context.load_verify_locations), ("ssl_certfile", context.load_cert_chain)):
            try:
                if name in options:
                    use(options[name], options.get("ssl_keyfile") if name == "ssl_certfile" else None)
            except OSError as error:  # SSLError is one
                raise ValueError(f"{name}={options[name]} cannot be used: {error.strerror or error}") from error

    @property
    def _login(self) -> dict[str, str]:
        given = {"username": self.user, "password": self.password}
        return {name: value for name, value in given.items() if value}

    @property
    def _asking(self) -> dict[str, Any]:
        """The options for asking sentinels."""
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
        """Return Celery's broker URL, and the options of its transport."""
        if not self.sentinels:
            return self.url, {}
        login = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}@" if self._login else ""
        hosts = [(f"[{host}]" if ":" in host else host, port) for host, port in self.sentinels]
        url = ";".join(f"sentinel://{login}{host}:{port}/{self.db}" for host, port in hosts)
        return url, {"master_name": self.name, "sentinel_kwargs": self._asking}


def parse_list(text: str) -> list[RedisAddress]:
    """Return the addresses of a list with commas. Addresses of sentinels hold commas too. Raises ValueError."""
    return [RedisAddress.parse(url.strip()) for url in re.split(r",(?=\s*\w+://)", text)]


def is_valid_list(text: str) -> bool:
    try:
        return bool(parse_list(text))
    except ValueError:
        return False


def is_valid(text: str) -> bool:
    return is_valid_list(text) and len(parse_list(text)) == 1
