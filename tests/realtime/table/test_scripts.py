"""The Lua files: each belongs to a table, and names what the table sends."""

from __future__ import annotations

import re
import uuid
from collections import Counter
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import pytest
from redis.asyncio import Redis

from realtime.events import NodeId, TopicName
from realtime.limits import RateLimit
from realtime.relay.table import RelayTable
from realtime.table.presence import PresenceTable
from realtime.table.scripts import LUA, load_script
from realtime.table.subscriptions import Share, SharedTable
from realtime.table.throttle import Throttle

NAMES = sorted(path.stem for path in LUA.glob("*.lua"))
NAMED_FIRST = re.compile(r"local ([\w, ]+) = (.*\b(?:KEYS|ARGV)\b.*)")
VALUE = re.compile(r"(?:\w+\()?(?:KEYS|ARGV)(?:\[\d+\]|, \d+)?\)?(?: == '1')?")
NODE, TOPIC = NodeId("node-a"), TopicName("video:1")


@dataclass(frozen=True, slots=True)
class Header:
    """What a script says in its first lines that it is called with."""

    names: list[str]
    values: list[str]
    body: str  # all but the header

    @classmethod
    def of(cls, name: str) -> Header:
        own = [line for line in _without_comments(_text(name)).splitlines() if line]
        header = list(takewhile(NAMED_FIRST.fullmatch, own))
        found = [NAMED_FIRST.fullmatch(line) for line in header]
        body = [line for line in _without_comments(load_script(name).text).splitlines() if line not in header]
        names = [name for line in found if line for name in line[1].split(", ")]
        values = [value for line in found if line for value in VALUE.findall(line[2])]
        return cls(names, values, "\n".join(body))

    def numbers(self, kind: str) -> list[int]:
        return [int(number) for value in self.values for number in re.findall(rf"{kind}(?:\[|, )(\d+)", value)]

    def is_open(self, kind: str) -> bool:
        """Whether a call has as many of them as it likes."""
        return any(re.fullmatch(rf"{kind}|rest\({kind}, \d+\)", value) for value in self.values)

    def takes(self, kind: str, count: int) -> bool:
        named = len(self.numbers(kind))
        return count >= named if self.is_open(kind) else count == named


def test_each_file_belongs_to_one_table(checkout: Path) -> None:
    sources = [path.read_text() for path in checkout.glob("realtime/**/*.py")]
    loaded = Counter(name for source in sources for name in re.findall(r'load_script\("(\w+)"\)', source))
    assert loaded == Counter(NAMES)


def test_what_is_included_is_there_and_what_is_there_is_included() -> None:
    included = {part for name in NAMES for part in re.findall(r"^-- include (\w+)$", _text(name), re.MULTILINE)}
    assert included == {path.stem for path in (LUA / "include").glob("*.lua")}


@pytest.mark.parametrize("name", NAMES)
def test_script_names_its_keys_and_arguments_first(name: str) -> None:
    """They were `ARGV[1]` to `ARGV[16]`, in the middle of the rules."""
    header = Header.of(name)
    for kind in ("KEYS", "ARGV"):
        numbers = header.numbers(kind)
        assert numbers == list(range(1, len(numbers) + 1))
        assert kind not in header.body
    assert len(header.names) == len(header.values)
    assert [each for each in header.names if not re.search(rf"\b{each}\b", header.body)] == []


async def test_tables_send_as_many_keys_and_arguments_as_the_scripts_name(redis: Redis) -> None:
    """One too few is nil in Lua, which some commands take for an end, and others for an error of Redis."""
    prefix = f"test:{uuid.uuid4().hex}:"
    async with redis.monitor() as monitor:
        await call_everything(redis, prefix)
        await redis.echo(prefix)
        sent: dict[str, list[tuple[int, int]]] = {}
        names = {load_script(name).digest: name for name in NAMES}
        while (words := (await monitor.next_command())["command"].split(" ")) != ["ECHO", prefix]:
            if words[0] == "EVALSHA" and words[3].startswith(prefix):
                keys = int(words[2])
                sent.setdefault(names[words[1]], []).append((keys, len(words) - 3 - keys))
    assert sorted(sent) == NAMES
    wrong = {
        name: call
        for name, calls in sent.items()
        for call in calls
        if not all(Header.of(name).takes(kind, count) for kind, count in zip(("KEYS", "ARGV"), call, strict=True))
    }
    assert wrong == {}


async def call_everything(redis: Redis, prefix: str) -> None:
    """Call each script of each table, without a blank or an empty word, which a monitor would not tell apart."""
    shared = SharedTable(redis, lease_seconds=5, prefix=prefix)
    share = Share(viewers=1, sampled=1, joined=[1], left=[2], is_whole=True, names=frozenset(["ana"]), is_named=True)
    await shared.renew(NODE, {TOPIC: share})
    await shared.enter(NODE, [TOPIC])
    await shared.hold(NODE, read=0)
    await shared.missing(NODE, {TOPIC: None})
    await shared.nodes_for([TOPIC])
    await shared.note_remote("eu", {TOPIC: (1, 2)})
    await shared.watched([TOPIC])
    await shared.named(TOPIC)
    await shared.present(TOPIC, [1])
    await shared.leave(NODE, [TOPIC])
    await shared.release(NODE)
    await shared.sweep()
    presence = PresenceTable(redis, prefix=prefix)
    await presence.beat(["ana", "bo"])
    await presence.look(["ana", "bo"])
    await presence.hide("ana")
    await presence.show("ana")
    await presence.sweep()
    relay = RelayTable(redis, lease_seconds=5, prefix=prefix)
    await relay.watch_all(NODE, b"\1")
    await relay.watch(NODE, [TOPIC])
    await relay.count({TOPIC: (1, 2)})
    await relay.gather("none", bitmap_bytes=1)
    await relay.push({"eu": [b"entry"]})
    await relay.once("eu", "nonce")
    throttle = Throttle(redis, RateLimit(1, 1), prefix=f"{prefix}sign-in:")
    await throttle.take("vera")
    await throttle.give_back("vera")


def _text(name: str) -> str:
    return (LUA / f"{name}.lua").read_text()


def _without_comments(text: str) -> str:
    return re.sub(r"--.*", "", text)
