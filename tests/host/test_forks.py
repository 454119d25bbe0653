"""The fork server: what it starts is a program like any other. It runs in a process of its own, without Django."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.sites import CHECKOUT

Result = dict[str, Any]

HEAD = """
import asyncio, json, os, signal, sys
from host.forks import ForkServer
from host.processes import Program
from host.supervisor import Supervisor

class Lines(list):
    def line(self, name, text):
        self.append([name, text])

def program(name, *words, **options):
    return Program(name, (sys.executable, "-u", "-m", "forked", *words), imports=("uuid_utils",), **options)

async def until(holds):
    while not holds():
        await asyncio.sleep(0.005)
"""
FORKED = """
import os, random, sys, time
from pathlib import Path

import uuid_utils

match sys.argv[1:]:
    case ["exit", code]:
        sys.exit(int(code))
    case ["chance"]:
        print(random.random(), uuid_utils.uuid7())
    case ["tell", fd]:
        os.write(int(fd), b"through the descriptor")
        print(Path("/proc/self/cmdline").read_text().replace("\\0", " ").strip())
        print(os.getsid(0) == os.getpid(), os.getcwd(), sys.argv[0].endswith("forked.py"))
    case ["orphan"]:
        if not (middle := os.fork()):
            os.setsid()
            if not (orphan := os.fork()):
                time.sleep(0.05)
                os._exit(0)
            print(orphan)
            os._exit(0)
        os.waitpid(middle, 0)
        time.sleep(600)
    case ["stay"]:
        print("up")
        time.sleep(600)
"""


@pytest.fixture
def parent(tmp_path: Path) -> Callable[[str], Result]:
    """Run a script with a fork server, and return what it has found out."""
    (tmp_path / "forked.py").write_text(FORKED)

    def run(script: str) -> Result:
        env = {**os.environ, "PYTHONPATH": f"{tmp_path}:{CHECKOUT}"}
        command = [sys.executable, "-c", HEAD + script]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        found: Result = json.loads(done.stdout)
        return found

    return run


def test_a_fork_is_a_program_like_any_other(parent: Callable[[str], Result]) -> None:
    found = parent("""
async def work(forks):
    lines = Lines()
    reading, writing = os.pipe()
    async with Supervisor(lines, forks=forks) as supervisor:
        assert await forks.ready() is None
        codes = [await supervisor.run(program("exits", "exit", code)) for code in ("0", "3")]
        await supervisor.run(program("tells", "tell", str(writing), fds=(writing,)))
        for name in ("one", "two"):
            await supervisor.run(program(name, "chance"))
        killed = await supervisor.start(program("stays", "stay"))
        os.kill(killed.pid, signal.SIGKILL)
        await until(lambda: lines.count(["stays", "up"]))
        ended = await supervisor.start(program("done", "exit", "0", may_end=True))
        await until(lambda: ended.exit_code() is not None)
    print(json.dumps({"codes": codes, "lines": lines, "told": os.read(reading, 99).decode(), "cwd": os.getcwd()}))

forks = ForkServer(lambda: None)
asyncio.run(work(forks))
forks.close()
""")
    lines: list[list[str]] = found["lines"]
    assert found["codes"] == [0, 3]
    assert found["told"] == "through the descriptor"
    told = [text for name, text in lines if name == "tells"]
    assert told[0].split()[:-1] == [sys.executable, "-u", "-m", "forked", "tell"]
    assert told[1] == f"True {found['cwd']} True"
    chances = [text.split() for name, text in lines if name in ("one", "two")]
    assert all(one != two for one, two in zip(*chances, strict=True)), "forks must not draw the same numbers"
    assert ["site", "stays ended by SIGKILL: starting it again in 0.1 s"] in lines
    assert not any(text.startswith("done ended") for _, text in lines)


def test_programs_live_on_when_the_fork_server_is_killed_and_come_back_without_it(
    parent: Callable[[str], Result],
) -> None:
    found = parent("""
async def work(forks):
    lines = Lines()
    async with Supervisor(lines, forks=forks) as supervisor:
        await forks.ready()
        first = await supervisor.start(program("first", "stay"))
        os.kill(forks.pid, signal.SIGKILL)
        second = await supervisor.start(program("second", "stay"))
        await until(lambda: ["second", "up"] in lines)
        print(json.dumps({"codes": [first.exit_code(), second.exit_code()], "lines": lines}))

forks = ForkServer(lambda: None)
asyncio.run(work(forks))
forks.close()
""")
    assert found["codes"] == [None, None]
    assert ["second", "up"] in found["lines"]
    assert any(text.startswith("the fork server has ended") for _, text in found["lines"])


def test_a_start_that_nobody_waits_for_any_more_leaves_nothing(parent: Callable[[str], Result]) -> None:
    """Ctrl-C while the fork server still imports. And the dead whose parent has ended are buried."""
    found = parent("""
def children():
    return open(f"/proc/self/task/{os.getpid()}/children").read().split()

async def work(forks):
    lines = Lines()
    async with Supervisor(lines, forks=forks) as supervisor:
        await forks.ready()
        starting = asyncio.create_task(supervisor.start(program("unwanted", "stay")))
        await asyncio.sleep(0)
        starting.cancel()
        await asyncio.wait([starting])
        await supervisor.start(program("orphan", "orphan"))
        await until(lambda: len(lines) > 0)
        await until(lambda: len(children()) == 2)
        print(json.dumps({"lines": lines, "cancelled": starting.cancelled()}))

forks = ForkServer(lambda: None)
asyncio.run(work(forks))
forks.close()
""")
    assert [name for name, _ in found["lines"]] == ["orphan"]
    assert found["cancelled"]


def test_a_set_up_that_fails_says_why(parent: Callable[[str], Result]) -> None:
    found = parent("""
forks = ForkServer(lambda: "PORT: this is no number")
print(json.dumps({"reason": asyncio.run(forks.ready())}))
forks.close()
""")
    assert found["reason"] == "PORT: this is no number"
