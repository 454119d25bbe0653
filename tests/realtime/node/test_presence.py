"""Presence: heartbeats, the table of who is online, and what those who watch a presence topic are told."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from realtime.events import Event, NodeId, State, TopicName, to_wire
from realtime.identity import Identity
from realtime.kinds import Access
from realtime.node.node import Node
from realtime.node.presence import Presence
from realtime.table.presence import BATCH_MAX_VIEWERS, BEAT_SECONDS, PresenceLook, PresenceTable, gone_seconds, offline
from realtime.table.scripts import TableUnavailable
from tests.kit import Clock, until
from tests.realtime.fakes import FakeKind, FakeStore, FakeTable, Viewer, write_descriptor

ANA_INBOX, ANA_PRESENCE = TopicName("user:ana"), TopicName("presence:ana")
ANA, BO = Identity("ana"), Identity("bo")
GONE_SECONDS = gone_seconds(BEAT_SECONDS)
QUICK_BEAT_SECONDS = 0.13


@dataclass
class FakePresenceTable:
    """The presence table in memory, with a clock of its own."""

    clock: Clock
    entries: dict[str, float] = field(default_factory=dict)
    since: dict[str, int] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    whole_since: float | None = None
    is_away: bool = False
    beats: list[str] = field(default_factory=list)

    def _now_ms(self) -> int:
        if self.is_away:
            raise TableUnavailable("away")
        return round(self.clock() * 1000)

    async def beat(self, viewer_ids: Sequence[str]) -> tuple[int, list[str]]:
        now = self._now_ms()
        self.whole_since = self.clock() if self.whole_since is None else self.whole_since
        self.beats += viewer_ids
        heard = [id for id in viewer_ids if id not in self.hidden]
        came = [id for id in heard if id not in self.entries]
        self.entries.update((id, self.clock() + GONE_SECONDS) for id in heard)
        self.since.update((id, now) for id in came)
        return now, came

    async def sweep(self) -> tuple[int, dict[str, int]]:
        now = self._now_ms()
        gone = {id: round((at - GONE_SECONDS) * 1000) for id, at in self.entries.items() if at <= self.clock()}
        for id in gone:
            del self.entries[id]
        return now, gone

    async def look(self, viewer_ids: Sequence[str]) -> PresenceLook:
        is_whole = self.whole_since is not None and self.clock() - self.whole_since > GONE_SECONDS
        return PresenceLook(self._now_ms(), {id: self.since[id] for id in viewer_ids if id in self.entries}, is_whole)

    def flush(self) -> None:
        self.entries.clear()
        self.whole_since = None


# The table, on real Redis


@pytest.fixture
def prefix() -> str:
    return f"test:{uuid.uuid4().hex}:"


@pytest.fixture
def table(redis: Redis, prefix: str) -> PresenceTable:
    return PresenceTable(redis, prefix=prefix, beat_seconds=QUICK_BEAT_SECONDS)


async def test_only_the_first_heartbeat_brings_a_viewer_online(table: PresenceTable) -> None:
    assert (await table.beat(["ana", "bo"]))[1] == ["ana", "bo"]
    at_ms, came = await table.beat(["bo", "cy"])
    assert came == ["cy"]
    look = await table.look(["ana", "cy", "nobody"])
    assert look.online.keys() == {"ana", "cy"}
    assert look.online["cy"] == at_ms


async def test_who_is_gone_is_told_to_one_sweeper_with_the_last_heartbeat(table: PresenceTable) -> None:
    at_ms, _ = await table.beat(["ana"])
    while not (swept := [gone for _, gone in [await table.sweep(), await table.sweep()] if gone]):
        await asyncio.sleep(0.01)
    assert swept == [{"ana": at_ms}]
    assert (await table.look(["ana"])).online == {}
    assert (await table.beat(["ana"]))[1] == ["ana"]


async def test_heartbeat_that_comes_before_the_sweep_changes_nothing_for_others(table: PresenceTable) -> None:
    """Expired is not gone: nobody was told so yet."""
    await table.beat(["ana"])
    await asyncio.sleep(gone_seconds(QUICK_BEAT_SECONDS) + 0.05)
    assert (await table.beat(["ana"]))[1] == []
    assert (await table.sweep())[1] == {}


async def test_hidden_viewer_is_out_at_once_and_no_heartbeat_brings_him_back(table: PresenceTable) -> None:
    await table.beat(["ana"])
    assert (await table.hide("ana"))[1] is True
    assert (await table.beat(["ana", "bo"]))[1] == ["bo"]
    assert (await table.hide("ana"))[1] is False
    await table.show("ana")
    assert (await table.beat(["ana"]))[1] == ["ana"]


async def test_flushed_table_says_that_it_does_not_know(table: PresenceTable, redis: Redis, prefix: str) -> None:
    await table.beat(["ana"])
    while not (await table.look(["ana"])).is_whole:
        await table.beat(["ana"])
    await redis.delete(*await redis.keys(f"{prefix}*"))
    assert not (await table.look(["ana"])).is_whole
    await table.beat(["ana"])
    assert not (await table.look(["ana"])).is_whole


async def test_heartbeats_of_many_are_one_command(table: PresenceTable, redis: Redis) -> None:
    await table.beat(["first"])
    before = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
    _, came = await table.beat([f"viewer {number}" for number in range(BATCH_MAX_VIEWERS)])
    assert len(came) == BATCH_MAX_VIEWERS
    assert (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"] - before == 1


async def test_redis_away_is_said() -> None:
    away = PresenceTable(Redis.from_url("redis://127.0.0.1:1", retry=Retry(NoBackoff(), 0)))
    for call in (away.beat(["ana"]), away.sweep(), away.look(["ana"]), away.hide("ana"), away.show("ana")):
        with pytest.raises(TableUnavailable):
            await call


# The node


@dataclass
class InboxKind(FakeKind):
    prefix: str = "user"
    is_logged = counts_viewers = False
    counter = ""
    is_inbox = True

    def access(self, snapshot: Mapping[str, Any]) -> Access:
        return Access(public=True)


@dataclass
class PresenceKind(FakeKind):
    """Its snapshot is what the fake store keeps: who `may` see it, `is_hidden`, `last_active_ms`."""

    prefix: str = "presence"
    is_logged = counts_viewers = False
    counter = ""
    is_presence = True
    kept_events = 0

    def apply(self, snapshot: dict[str, Any], name: str, data: Mapping[str, Any]) -> None:
        snapshot.update(data)

    def shown(self, snapshot: Mapping[str, Any]) -> dict[str, Any]:
        return {"status": snapshot["status"], "last_active_ms": snapshot["last_active_ms"]}

    def access(self, snapshot: Mapping[str, Any]) -> Access:
        return Access(viewer_ids=frozenset(snapshot["may"]))


class PresenceStore(FakeStore):
    async def load(self, topic: TopicName) -> Any:
        loaded = await super().load(topic)
        loaded.snapshot.update(self._snapshot(topic))
        return loaded

    async def snapshots(self, topics: Sequence[TopicName]) -> Mapping[TopicName, dict[str, Any]]:
        await self._asked("snapshots")
        return {topic: self._snapshot(topic) for topic in topics if topic in self.kept}

    def create(self, topic: TopicName = ANA_PRESENCE) -> None:
        super().create(topic)
        del self.totals[topic]

    def _snapshot(self, topic: TopicName) -> dict[str, Any]:
        kept = self.kept.get(topic, {})
        return {"status": "offline", "last_active_ms": None, "may": kept.get("may", ()), "kept": dict(kept)}


@dataclass
class Region:
    """One presence table and two nodes, with a dispatcher that loses nothing unless told so."""

    clock: Clock
    table: FakePresenceTable
    store: FakeStore
    nodes: list[Node] = field(default_factory=list)
    presences: list[Presence] = field(default_factory=list)
    published: list[State] = field(default_factory=list)
    is_lossy: bool = False

    def publish(self, events: Sequence[Event]) -> None:
        for event in events:
            assert isinstance(event, State)
            self.published.append(event)
            for node in [] if self.is_lossy else self.nodes:
                node.deliver([to_wire(event)])

    def changes(self) -> list[tuple[str, Any]]:
        return [(state.data["status"], state.data["last_active_ms"]) for state in self.published]

    async def pass_time(self, *, seconds: float) -> None:
        """Have the nodes do what they do on their own, every quarter of a second."""
        for _ in range(round(seconds * 4)):
            self.clock.advance(seconds=0.25)
            for presence in self.presences:
                await presence.beat()
                await presence.sweep()


@pytest.fixture
async def region() -> AsyncIterator[Region]:
    clock = Clock()
    store = PresenceStore()
    for topic in (ANA_INBOX, ANA_PRESENCE):
        store.create(topic)
    store.kept[ANA_PRESENCE] = {"may": ["bo"], "is_hidden": False, "last_active_ms": 7}
    made = Region(clock, FakePresenceTable(clock), store)
    for number in (1, 2):
        presence = Presence(
            made.table,  # type: ignore[arg-type]
            publish=made.publish,
            save=store.save_last_active,
            clock=clock,
        )
        node = Node(
            NodeId(f"node-{number}"),
            table=FakeTable(clock=clock),
            store=store,
            kinds={kind.prefix: kind for kind in (InboxKind(), PresenceKind())},
            frame_seconds=0.0,
            presence=presence,
            clock=clock,
            write=write_descriptor,
        )
        made.nodes.append(node)
        made.presences.append(presence)
    yield made
    for node in made.nodes:
        await node.aclose()


async def come(region: Region, *, node: int = 0, identity: Identity = ANA) -> Viewer:
    return await Viewer(region.nodes[node], identity=identity).watch(ANA_INBOX)


async def test_viewer_is_online_from_the_first_heartbeat_until_the_last_is_too_old(region: Region) -> None:
    ana = await come(region)
    await region.pass_time(seconds=1)
    assert region.changes() == [("online", None)]
    await region.pass_time(seconds=60)
    assert region.changes() == [("online", None)]
    region.nodes[0].remove(ana.connection)
    left_ms = round(region.clock() * 1000)
    await region.pass_time(seconds=GONE_SECONDS - 0.25)
    assert region.changes() == [("online", None)]
    await region.pass_time(seconds=0.75)
    [_, (status, last_active_ms)] = region.changes()
    assert (status, region.store.last_active) == ("offline", {"ana": last_active_ms})
    assert 0 <= last_active_ms - left_ms <= 250


async def test_connection_that_flaps_inside_d_is_told_to_nobody(region: Region) -> None:
    """Whenever it breaks: the last heartbeat comes at its end, not up to d before it."""
    ana = await come(region)
    for seconds in (9.75, 3, 5):
        await region.pass_time(seconds=seconds)
        region.nodes[0].remove(ana.connection)
        await region.pass_time(seconds=BEAT_SECONDS)
        ana = await come(region, node=1)
        region.nodes.reverse()
    await region.pass_time(seconds=5)
    assert region.changes() == [("online", None)]


async def test_connection_that_stays_away_for_longer_is_told(region: Region) -> None:
    ana = await come(region)
    await region.pass_time(seconds=1)
    region.nodes[0].remove(ana.connection)
    await region.pass_time(seconds=GONE_SECONDS + 1)
    await come(region)
    await region.pass_time(seconds=1)
    assert [status for status, _ in region.changes()] == ["online", "offline", "online"]


async def test_second_connection_keeps_the_viewer_online(region: Region) -> None:
    first = await come(region)
    second = await come(region)
    elsewhere = await come(region, node=1)
    for node, viewer in ((0, first), (0, second)):
        region.nodes[node].remove(viewer.connection)
        await region.pass_time(seconds=20)
    assert region.changes() == [("online", None)]
    region.nodes[1].remove(elsewhere.connection)
    await region.pass_time(seconds=20)
    assert [status for status, _ in region.changes()] == ["online", "offline"]


async def test_viewers_of_a_node_that_died_are_swept_by_another(region: Region) -> None:
    await come(region)
    await region.pass_time(seconds=1)
    region.nodes.pop(0)
    region.presences.pop(0)
    await region.pass_time(seconds=GONE_SECONDS + 0.5)
    assert [status for status, _ in region.changes()] == ["online", "offline"]


async def test_who_may_see_it_reads_status_and_changes_and_nobody_else_does(region: Region) -> None:
    bo = await Viewer(region.nodes[1], identity=BO).watch(ANA_PRESENCE)
    assert bo.opening["snapshot"] == {"status": "offline", "last_active_ms": 7}
    with pytest.raises(Exception, match="presence:ana"):
        await Viewer(region.nodes[1], identity=Identity("cy")).watch(ANA_PRESENCE)
    ana = await come(region)
    await region.pass_time(seconds=1)
    online = {"topic": ANA_PRESENCE, "status": "online", "last_active_ms": None}
    await until(lambda: bo.read() == [("presence", online)])
    late = await Viewer(region.nodes[1], identity=BO).watch(ANA_PRESENCE)
    assert late.opening["snapshot"] == {"status": "online", "last_active_ms": None}
    region.nodes[0].remove(ana.connection)
    await region.pass_time(seconds=20)
    await until(lambda: bo.last("presence")["status"] == "offline")
    fresh = await Viewer(region.nodes[1], identity=BO).watch(ANA_PRESENCE)
    assert fresh.opening["snapshot"]["last_active_ms"] == bo.last("presence")["last_active_ms"]


async def test_who_has_just_been_written_to_need_not_wait_for_the_next_look(region: Region) -> None:
    await Viewer(region.nodes[1], identity=BO).watch(ANA_PRESENCE)
    await come(region)
    await region.pass_time(seconds=1)
    region.store.kept[ANA_PRESENCE]["may"] = ["bo", "cy"]
    cy = await Viewer(region.nodes[1], identity=Identity("cy")).watch(ANA_PRESENCE)
    assert cy.opening["snapshot"]["status"] == "online"


async def test_changes_that_were_lost_on_the_way_are_found_by_the_next_look(region: Region) -> None:
    bo = await Viewer(region.nodes[1], identity=BO).watch(ANA_PRESENCE)
    region.is_lossy = True
    ana = await come(region)
    await region.pass_time(seconds=20)
    await region.nodes[1].online.check()
    await until(lambda: bo.last("presence")["status"] == "online")
    region.nodes[0].remove(ana.connection)
    await region.pass_time(seconds=20)
    region.store.kept[ANA_PRESENCE]["last_active_ms"] = region.store.last_active["ana"]
    await region.nodes[1].online.check()
    await until(lambda: bo.last("presence")["last_active_ms"] == region.store.last_active["ana"])
    await region.nodes[1].online.check()
    assert len(bo.read()) == 2, "what has not changed is not told"


async def test_thousand_topics_are_read_in_turn_and_looked_at_each_time(region: Region, monkeypatch: Any) -> None:
    """The database is asked for so many at most, whatever the number: each pass costs it the same."""
    monkeypatch.setattr("realtime.node.online.LOOK_MAX_TOPICS", 10)
    topics = [TopicName(f"presence:{number}") for number in range(25)]
    for topic in topics:
        region.store.create(topic)
        region.store.kept[topic] = {"may": ["bo"], "is_hidden": False, "last_active_ms": 1}
        await Viewer(region.nodes[1], identity=BO).watch(topic)
    for topic in topics:
        region.store.kept[topic]["last_active_ms"] = 2
    region.is_lossy = True
    region.table.whole_since = -100.0
    region.presences[0].enter("24", is_hidden=False)
    told: list[int] = []
    for _ in range(3):
        await region.pass_time(seconds=1)
        await region.nodes[1].online.check()
        feeds = [region.nodes[1].feeds[topic] for topic in topics]
        told.append(sum(feed.states["presence"].data["last_active_ms"] == 2 for feed in feeds))
        assert feeds[24].states["presence"].data["status"] == "online"
    assert told == [10, 19, 24], "who was found online is read in the second pass, out of turn"


async def test_what_is_hidden_is_not_told_by_what_was_read_before(region: Region) -> None:
    bo = await Viewer(region.nodes[1], identity=BO).watch(ANA_PRESENCE)
    await come(region)
    await region.pass_time(seconds=1)
    await until(lambda: bo.last("presence")["status"] == "online")
    at_ms = round(region.clock() * 1000) + 1
    region.table.hidden.add("ana")
    del region.table.entries["ana"]
    region.publish([offline("ana", at_ms, None)])
    await until(lambda: bo.last("presence")["status"] == "offline")
    feed = region.nodes[1].feeds[ANA_PRESENCE]
    await region.nodes[1].online.look([feed], set())
    await asyncio.sleep(0)
    assert bo.last("presence")["last_active_ms"] is None
    assert len(bo.read()) == 2


async def test_flushed_table_takes_nobody_offline(region: Region) -> None:
    bo = await Viewer(region.nodes[1], identity=BO).watch(ANA_PRESENCE)
    await come(region)
    await region.pass_time(seconds=20)
    await until(lambda: bo.last("presence")["status"] == "online")
    region.table.flush()
    await region.nodes[1].online.check()
    await region.pass_time(seconds=15)
    await region.nodes[1].online.check()
    assert {data["status"] for _, data in bo.read()} == {"online"}


async def test_table_away_delays_the_heartbeats_and_loses_none(region: Region) -> None:
    bo = await Viewer(region.nodes[1], identity=BO).watch(ANA_PRESENCE)
    region.table.is_away = True
    await come(region)
    await region.pass_time(seconds=5)
    await region.nodes[1].online.check()
    region.table.is_away = False
    await region.pass_time(seconds=1)
    await until(lambda: bo.last("presence")["status"] == "online")


async def test_heartbeats_are_one_every_d_whatever_happens_meanwhile(region: Region) -> None:
    await come(region)
    for _ in range(3):
        region.nodes[0].remove((await come(region)).connection)  # a second tab, closed again
    await region.pass_time(seconds=101)
    assert region.table.beats.count("ana") == 11


async def test_hidden_viewer_sends_no_heartbeats_and_looks_as_if_he_had_never_come(region: Region) -> None:
    region.store.kept[ANA_PRESENCE]["is_hidden"] = True
    bo = await Viewer(region.nodes[1], identity=BO).watch(ANA_PRESENCE)
    assert bo.opening["snapshot"] == {"status": "offline", "last_active_ms": None}
    await come(region, identity=Identity("ana", is_hidden=True))
    await region.pass_time(seconds=30)
    assert region.table.beats == []
    assert bo.read() == []


async def test_who_hides_and_shows_himself_again_is_noticed_without_reconnecting(region: Region) -> None:
    bo = await Viewer(region.nodes[1], identity=BO).watch(ANA_PRESENCE)
    await come(region)
    await region.pass_time(seconds=1)
    region.store.hidden = {"ana"}
    region.store.kept[ANA_PRESENCE]["is_hidden"] = True
    await region.nodes[0].rights.check()
    await region.nodes[1].online.check()
    await until(lambda: bo.last("presence")["status"] == "offline")
    assert bo.last("presence")["last_active_ms"] is None
    await region.pass_time(seconds=30)
    assert bo.last("presence")["status"] == "offline"
    region.store.hidden = set()
    region.store.kept[ANA_PRESENCE]["is_hidden"] = False
    await region.nodes[0].rights.check()
    await region.pass_time(seconds=1)
    await until(lambda: bo.last("presence")["status"] == "online")


async def test_who_hides_and_leaves_is_forgotten_but_not_before_the_last_heartbeat(region: Region) -> None:
    rights, presence = region.nodes[0].rights, region.presences[0]
    ana, bo = await come(region), Viewer(region.nodes[0], identity=BO)
    await bo.watch(ANA_PRESENCE)
    region.store.hidden = {"ana"}
    await rights.check()
    region.store.hidden = set()
    region.nodes[0].remove(ana.connection)
    await rights.check()
    assert presence.hidden == {"ana"}
    await rights.check()
    assert presence.hidden == frozenset()


async def test_who_may_not_see_it_any_more_loses_the_topic(region: Region) -> None:
    bo = await Viewer(region.nodes[1], identity=BO).watch(ANA_PRESENCE)
    await bo.watch(ANA_INBOX)
    region.store.kept[ANA_PRESENCE]["may"] = []
    await region.nodes[1].online.check()
    assert bo.read() == [("unsubscribed", {"topic": ANA_PRESENCE, "reason": "private"})]
    await come(region)
    await region.pass_time(seconds=1)
    assert len(bo.read()) == 1


async def test_presence_of_a_viewer_who_is_deleted_ends(region: Region) -> None:
    bo = await Viewer(region.nodes[1], identity=BO).watch(ANA_PRESENCE)
    del region.store.kept[ANA_PRESENCE]
    await region.nodes[1].online.check()
    assert bo.read()[-1] == ("bye", {"reason": "gone"})
