"""Redis with a replica and three sentinels: its primary killed, then the next one frozen, while people talk."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from redis.sentinel import Sentinel

from host import embedded
from host.processes import Child, Program
from tests.conftest import watched
from tests.faults.conftest import Talk, fast_path_works
from tests.machines import DEPLOY
from tests.rooms import open_room
from tests.sites import Site, SiteFactory, wait_for
from tests.watching import check, crowd, each, watching

NAME = "live"


class SentinelSite(Site):
    """A site that knows its Redis from three sentinels, configured as deploy/redis/sentinel.conf says."""

    def __init__(self, folder: Path, database_url: str, env: dict[str, str]) -> None:
        super().__init__(folder, database_url, env)
        self._password = str(urlsplit(self.redis_url).password)
        other = folder / "replica"
        other.mkdir(mode=0o711)
        (server,) = embedded.servers(other, postgres=False, durable=False)
        self._ports = [urlsplit(url).port or 0 for url in (self.redis_url, embedded.redis_url(other))]
        login = ("--requirepass", self._password, "--masterauth", self._password)
        self._programs = []
        for name, program in (("valkey", self.valkey_server.program), ("replica", server.program)):
            place = folder / f"data of {name}"  # where a replica puts what it copies
            place.mkdir()
            embedded.hand_over(place, (program.uid, program.gid))
            argv = (*program.argv, *login, "--dir", str(place))
            self._programs.append(dataclasses.replace(program, name=name, argv=argv))
        self.valkey.stop()
        self.servers = [self._run(program) for program in self._programs]
        with self._client(self._ports[0]) as first, self._client(self._ports[1]) as second:
            wait_for(lambda: _answers(first) and _answers(second), "primary and replica")
            second.replicaof("127.0.0.1", self._ports[0])
            wait_for(lambda: second.info("replication")["master_link_status"] == "up", "the replica to have all")
        self.sentinels: list[Child] = []
        self._sentinel_ports = [embedded.free_port() for _ in range(3)]
        for number, port in enumerate(self._sentinel_ports, 1):
            self.sentinels.append(self._run(self._sentinel(f"sentinel-{number}", port)))
        hosts = ",".join(f"127.0.0.1:{port}" for port in self._sentinel_ports)
        self.env["REDIS_URL"] = f"sentinel://:{self._password}@{hosts}/{NAME}"
        self._asking = Sentinel(  # type: ignore[no-untyped-call]
            [("127.0.0.1", port) for port in self._sentinel_ports],
            sentinel_kwargs={"password": self._password, "socket_timeout": 1},
            password=self._password,
        )
        self.wait_until_replicated()

    def _sentinel(self, name: str, port: int) -> Program:
        text = (DEPLOY / "redis" / "sentinel.conf").read_text().replace("CHANGE-ME", self._password)
        text = text.replace("port 26379", f"port {port}").replace("redis-1 6379", f"127.0.0.1 {self._ports[0]}")
        place = self.folder / name
        place.mkdir()
        config = place / "sentinel.conf"
        embedded.write_private(config, text)
        program = self.valkey_server.program
        for path in (place, config):
            embedded.hand_over(path, (program.uid, program.gid))
        return dataclasses.replace(program, name=name, argv=(program.argv[0], str(config), "--sentinel"), cwd=place)

    def _client(self, port: int) -> redis.Redis:
        return redis.Redis(port=port, password=self._password, decode_responses=True, socket_timeout=2)

    def redis(self) -> redis.Redis:
        client: redis.Redis = self._asking.master_for(NAME, decode_responses=True)  # type: ignore[no-untyped-call]
        return client

    def primary(self) -> Child:
        _, port = self._asking.discover_master(NAME)  # type: ignore[no-untyped-call]
        return self.servers[self._ports.index(port)]

    def start_again(self) -> None:
        """Start whichever server has ended, as a replica; return when sentinels could do the same again."""
        for number, server in enumerate(self.servers):
            if server.exit_code() is not None:
                program = self._programs[number]
                argv = (*program.argv, "--replicaof", f"127.0.0.1 {self._ports[1 - number]}")
                self.servers[number] = self._run(dataclasses.replace(program, argv=argv))
        self.wait_until_replicated()

    def wait_until_replicated(self) -> None:
        wait_for(self._is_replicated, "sentinels to know each other, primary and replica")

    def _is_replicated(self) -> bool:
        with contextlib.suppress(redis.RedisError):
            with self.redis() as primary:
                if not primary.info("replication")["connected_slaves"]:
                    return False
            for port in self._sentinel_ports:
                with self._client(port) as sentinel:
                    state = sentinel.sentinel_master(NAME)
                    replicas = sentinel.sentinel_slaves(NAME)
                    if state["num-other-sentinels"] < 2 or all(each["is_sdown"] for each in replicas):
                        return False
            return True
        return False

    def close(self) -> None:
        super().close()
        for child in (*self.sentinels, *self.servers):
            child.kill()  # asked to stop, a primary waits ten seconds for its replica


def _answers(client: redis.Redis) -> bool:
    with contextlib.suppress(redis.RedisError):
        return bool(client.ping())
    return False


@pytest.fixture
def sentinel_site(site_factory: SiteFactory) -> Iterator[SentinelSite]:
    started = site_factory.start(env={"LIVE_LIMITS": "off"}, kind=SentinelSite)
    assert isinstance(started, SentinelSite)
    with watched(started):
        yield started


async def test_viewers_miss_nothing_when_sentinels_name_another_primary(sentinel_site: SentinelSite) -> None:
    """Frozen is what a machine looks like that has lost its cable: connections to it stay open and say nothing."""
    site = sentinel_site
    async with open_room(site) as room, watching(*crowd(site.urls, room.topic, 4)) as viewers:
        async with Talk(room) as talk:
            await each(viewers, lambda viewer: fast_path_works(room, viewer))
            for frozen in (False, True):
                broken = site.primary()
                broken.send(signal.SIGSTOP if frozen else signal.SIGKILL)
                await talk.goes_on()
                said = talk.said[-1]
                await each(viewers, lambda viewer, said=said: viewer.sees_comment(said))  # type: ignore[misc]
                await each(viewers, lambda viewer: fast_path_works(room, viewer))
                assert site.primary() is not broken
                if not frozen:
                    await asyncio.to_thread(site.start_again)
        await each(viewers, lambda viewer: viewer.sees_comment(talk.said[-1]))
        check(viewers)
        assert viewers[0].comments == room.comments_kept() == talk.said
        assert talk.refused == []
