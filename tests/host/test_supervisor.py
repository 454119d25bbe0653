"""The supervisor: one stream of lines, programs that come back, and an end in bounded time."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import itertools
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from host import supervisor
from host.processes import Program
from host.supervisor import LogStream, Supervisor
from tests.kit import until


class Output(io.BytesIO):
    """An output that remembers."""

    def text(self) -> str:
        return self.getvalue().decode()


def shell(name: str, script: str, *, stop_seconds: float = 10.0) -> Program:
    return Program(name, ("/bin/sh", "-c", script), stop_seconds=stop_seconds)


@pytest.fixture
def output() -> Output:
    return Output()


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_SECONDS", 0.01)


async def test_each_line_carries_the_name_of_its_process(output: Output) -> None:
    stream = LogStream(output, coloured=False)
    async with Supervisor(stream, hidden=["boring"]) as watched:
        await watched.start(shell("one", "echo hello; echo boring; echo oops >&2; exec sleep 600"))
        await until(lambda: "oops" in output.text())
    assert [line[10:] for line in output.text().splitlines()] == ["one         | hello", "one         | oops"]


async def test_a_secret_of_a_program_is_in_no_line(output: Output) -> None:
    """ffmpeg names the address to which it cannot send, and the stream key is a part of it."""
    stream = LogStream(output, coloured=False)
    script = "echo 'Error opening output rtmp://127.0.0.1:1935/live/s3cret: refused'; exec sleep 600"
    async with Supervisor(stream) as watched:
        await watched.start(dataclasses.replace(shell("demo", script), secrets=("s3cret",)))
        await until(lambda: "refused" in output.text())
    assert "rtmp://127.0.0.1:1935/live/…: refused" in output.text()
    assert "s3cret" not in output.text()


async def test_a_program_that_ends_is_started_again_and_the_reason_is_told(output: Output) -> None:
    async with Supervisor(LogStream(output, coloured=False)) as watched:
        await watched.start(shell("fails", "exit 3"))
        await until(lambda: output.text().count("fails ended with exit code 3: starting it again") > 2)
        assert "in 0.02 s" in output.text(), "the pause grows"


async def test_a_program_may_be_another_one_each_time_that_it_starts(output: Output) -> None:
    """A name that is good once stands in its command line."""
    names = itertools.count(2)

    async def again() -> Program:
        if (name := next(names)) == 3:
            raise OSError("no name to be had")
        return dataclasses.replace(shell("names", f"echo name {name}; exit 1"), again=again)

    async with Supervisor(LogStream(output, coloured=False)) as watched:
        await watched.start(dataclasses.replace(shell("names", "echo name 1; exit 1"), again=again))
        await until(lambda: "name 4" in output.text())
    assert "names cannot be started: no name to be had" in output.text()
    assert [f"name {n}" in output.text() for n in (1, 2, 3)] == [True, True, False]


async def test_a_program_that_runs_once_is_heard_to_its_end(output: Output) -> None:
    stream = LogStream(output, coloured=False)
    async with Supervisor(stream) as watched:
        for _ in range(2):
            await watched.run(shell("short", "echo hello; exit 3"))
    stream.close()
    assert output.text().count("| hello") == 2
    assert "starting it again" not in output.text()


async def test_a_program_that_runs_once_can_be_stopped(output: Output) -> None:
    async with Supervisor(LogStream(output, coloured=False)) as watched:
        running = asyncio.create_task(watched.run(shell("long", "echo up; exec sleep 600")))
        await until(lambda: "up" in output.text())
        await watched.stop(["long"])
        await running


async def test_a_killed_program_is_started_again(output: Output) -> None:
    async with Supervisor(LogStream(output, coloured=False)) as watched:
        child = await watched.start(shell("steady", "echo up; exec sleep 600"))
        await until(lambda: "up" in output.text())
        os.kill(child.pid, signal.SIGKILL)
        await until(lambda: output.text().count("| up") == 2)
    assert "steady ended by SIGKILL" in output.text()


async def test_a_stopped_program_stays_stopped_and_its_last_words_are_heard(output: Output) -> None:
    stream = LogStream(output, coloured=False)
    async with Supervisor(stream) as watched:
        await watched.start(shell("polite", "trap 'echo bye; exit' TERM; echo up; while :; do sleep 0.01; done"))
        await until(lambda: "up" in output.text())
        await watched.stop(["polite"])
        assert watched.last_lines("polite") == "up\nbye"
    assert "starting it again" not in output.text()


async def test_a_program_that_is_stopped_as_its_pause_ends_is_not_started_again(
    output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a loop that is late both come in one turn. The program was started, and the stop waited for it for ever."""
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_SECONDS", 0.2)
    loop, stops = asyncio.get_running_loop(), []
    async with Supervisor(LogStream(output, coloured=False)) as watched:
        await watched.start(shell("once", "echo begun; exit 3"))
        await until(lambda: "starting it again in 0.2 s" in output.text())
        loop.call_later(0.3, lambda: stops.append(loop.create_task(watched.stop(["once"]))))
        time.sleep(0.4)  # noqa: ASYNC251  # the loop is late
        await until(lambda: bool(stops) and stops[0].done())
        assert output.text().count("| begun") == 1


async def test_a_program_that_will_not_stop_is_ended_by_force(output: Output) -> None:
    async with Supervisor(LogStream(output, coloured=False)) as watched:
        script = "trap '' TERM; echo up; while :; do sleep 0.01; done"
        child = await watched.start(shell("stubborn", script, stop_seconds=0.05))
        await until(lambda: "up" in output.text())
        await watched.stop(["stubborn"])
        assert child.exit_code() == -signal.SIGKILL
        await until(lambda: "stubborn does not stop: ending it by force" in output.text())


async def test_an_impatient_stop_overtakes_a_patient_one(output: Output) -> None:
    async with Supervisor(LogStream(output, coloured=False)) as watched:
        await watched.start(shell("slow", "trap '' TERM; echo up; while :; do sleep 0.01; done", stop_seconds=600.0))
        await until(lambda: "up" in output.text())
        patient = asyncio.create_task(watched.stop(["slow"]))
        await asyncio.sleep(0)
        await watched.stop(["slow"], hurry=True)
        await patient


async def test_a_program_that_cannot_be_started_is_tried_again(output: Output, tmp_path: Path) -> None:
    home, away, was_there = tmp_path / "home", tmp_path / "away", tmp_path / "was-there"
    home.mkdir()
    script = f"[ -e {was_there} ] || {{ touch {was_there}; mv {home} {away}; exit 1; }}; echo second; exec sleep 600"
    async with Supervisor(LogStream(output, coloured=False)) as watched:
        await watched.start(Program("moved", ("/bin/sh", "-c", script), cwd=home))
        await until(lambda: "moved cannot be started: [Errno 2] No such file" in output.text())
        away.rename(home)
        await until(lambda: "| second" in output.text())


def test_a_line_without_end_is_cut() -> None:
    lines: list[str] = []
    cut = supervisor.Lines(lines.append)
    for _ in range(3):
        cut.feed(b"x" * supervisor.LINE_MAX_BYTES)
    cut.feed("\N{SNOWMAN}\nlast".encode())
    cut.flush()
    assert [len(line) for line in lines] == [supervisor.LINE_MAX_BYTES] * 2 + [supervisor.LINE_MAX_BYTES + 1, 4]


def test_a_terminal_that_has_stopped_reading_holds_nobody_up() -> None:
    """Ctrl-S in the terminal froze every process that wrote a log line."""
    reading, writing = os.pipe()
    with open(reading) as read, open(writing, "wb", buffering=0) as unread:
        stream = LogStream(unread, coloured=False)
        for number in range(supervisor.STREAM_MAX_LINES * 2):
            stream.line("node-1", f"line {number}")
        while "lines dropped here" not in read.readline():
            continue
        stream.close()


@pytest.fixture
def nobody_reads() -> Iterator[IO[bytes]]:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb", buffering=0) as output:
        yield output


async def test_the_site_goes_on_when_nobody_reads_its_log(nobody_reads: IO[bytes]) -> None:
    """`./run | head` closes our output."""
    async with Supervisor(LogStream(nobody_reads, coloured=False)) as watched:
        child = await watched.start(shell("talker", "while echo on; do sleep 0.01; done"))
        await until(lambda: watched.last_lines("talker").count("on") > 3)
        assert child.exit_code() is None
