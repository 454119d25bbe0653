"""Watch a video of its own with thousands of viewers, send likes and comments, and check that each viewer saw all.

Called by people and by CI. It makes its video and viewers in the site's database (loadtest.stage), runs loadtest.run
against the site's public addresses, and removes everything again: also after a failure or Ctrl-C. It removes what a
killed run has left, too.
"""

from __future__ import annotations

import json
import math
import os
import shlex
import sys
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import httpx
from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import InterfaceError, OperationalError, ProgrammingError

from accounts.tokens import issue_token
from loadtest import secure
from loadtest.audience import WatcherDied
from loadtest.connection import StreamKind, Watch
from loadtest.interrupts import Interrupts
from loadtest.machine import PROCESSES_MAX, Address, DoesNotFit, find_site, make_room, reach
from loadtest.page import to_html
from loadtest.report import to_json, to_line, to_text
from loadtest.requests import RequestRefused, SocketCommand
from loadtest.run import LoadTest, Plan, Progress, Result
from loadtest.stage import Stage
from loadtest.wire import RawRequest, websocket_request
from realtime.edge import tickets
from realtime.identity import Identity

VIEWERS_MAX = 1_000_000
RATE_MAX = 100_000
SECONDS_MAX = 86_400
LIKERS = 20_000
"""How many viewers like at most. If there are more likes, these viewers take turns: they change the kind, and take it
back.
"""
LIKERS_MIN, LIKERS_MAX = 50, 200_000
SPEAKERS = 1_000
"""How many viewers like by WebSocket at most, each over one of its own. There are more only if the rate needs it."""
LIKES_PER_VIEWER = 2.5
COMMENTS_PER_VIEWER = 0.25
"""Likes and comments a second of one viewer: half of what the site allows."""
TICKET_SECONDS = 10.0
ANSWER_SECONDS = 5.0


class CannotRun(Exception):
    """The person at the keyboard can mend it. The message is one line."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """The command line, checked."""

    urls: list[str]
    acts_at: list[str]
    viewers: int
    likes: float
    comments: float
    seconds: float
    likers: int | None
    ramp: float
    transport: StreamKind
    acts_by_websocket: bool
    slow_percent: int
    flapping_percent: int
    processes: int  # 0: as many as the viewers need
    json: str
    report: str

    @classmethod
    def of(cls, options: dict[str, Any]) -> Arguments:
        """Raises CannotRun naming the option."""
        transports = [transport.value for transport in StreamKind]
        if options["transport"] not in transports:
            raise CannotRun(f"--transport must be {', '.join(transports[:-1])} or {transports[-1]}")
        if options["acts"] not in ("rest", "ws"):
            raise CannotRun("--acts must be rest or ws")
        slow, flapping = (_whole(options, name, 0, 100) for name in ("slow", "flapping"))
        if slow + flapping > 100:
            raise CannotRun("--slow and --flapping must be 100 % together at most")
        if options["report"] == "-":
            raise CannotRun("--report needs the name of a file")
        for name, to_stdout in (("json", "-"), ("report", "")):
            folder = Path(options[name]).absolute().parent
            if options[name] not in ("", to_stdout) and not folder.is_dir():
                raise CannotRun(f"--{name}: there is no folder {folder}")
            if Path(options[name]).is_dir() and options[name]:
                raise CannotRun(f"--{name}: {options[name]} is a folder")
        return cls(
            urls=[url.rstrip("/") for url in options["nodes"] or [options["url"]]],
            acts_at=[url.rstrip("/") for url in options["acts_at"]],
            viewers=_whole(options, "viewers", 1, VIEWERS_MAX),
            likes=_number(options, "likes", 0, RATE_MAX),
            comments=_number(options, "comments", 0, RATE_MAX),
            seconds=_number(options, "seconds", 1, SECONDS_MAX),
            likers=_whole(options, "likers", LIKERS_MIN, LIKERS_MAX) if options["likers"] else None,
            ramp=_number(options, "ramp", 0, SECONDS_MAX),
            transport=StreamKind(options["transport"]),
            acts_by_websocket=options["acts"] == "ws",
            slow_percent=slow,
            flapping_percent=flapping,
            processes=_whole(options, "processes", 1, PROCESSES_MAX) if options["processes"] else 0,
            json=options["json"],
            report=options["report"],
        )


def _number(options: dict[str, Any], name: str, lowest: int, highest: int) -> float:
    try:
        value = float(options[name])
    except ValueError:
        value = math.nan
    if not lowest <= value <= highest:
        raise CannotRun(f"--{name} must be a number from {lowest} to {highest:,}, not {options[name]!r}")
    return value


def _whole(options: dict[str, Any], name: str, lowest: int, highest: int) -> int:
    value = _number(options, name, lowest, highest)
    if value != int(value):
        raise CannotRun(f"--{name} must be a whole number from {lowest} to {highest:,}, not {options[name]!r}")
    return int(value)


class Command(BaseCommand):
    help = (
        "Watch a video with many viewers, send likes and comments, and check that every viewer saw all of them, once "
        "and in order. Exit code 1: not so. Works on a video of its own and removes it."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        # Plain text here. `Arguments` checks it, and names a wrong option in one line, without the usage.
        own = f"http://127.0.0.1:{settings.PORT}"
        if settings.LIVE_TLS_CERT is not None and settings.LIVE_URL:
            own = settings.LIVE_URL
        parser.add_argument("--url", default=own, help=f"address of the site ({own})")
        parser.add_argument("--nodes", nargs="+", metavar="URL", help="addresses to spread over, instead of --url")
        parser.add_argument("--viewers", default="1000", metavar="N", help="how many watch (1000)")
        parser.add_argument("--likes", default="100", metavar="N", help="likes a second (100)")
        parser.add_argument("--comments", default="5", metavar="N", help="comments a second (5)")
        parser.add_argument("--seconds", default="30", metavar="N", help="how long (30)")
        parser.add_argument(
            "--likers", default="", metavar="N", help=f"viewers that like, in turns ({LIKERS:,} at most)"
        )
        parser.add_argument("--ramp", default="0", metavar="SECONDS", help="spread the connects over so long (0)")
        parser.add_argument("--transport", default="sse", metavar="sse|ws|mix", help="how viewers connect (sse)")
        parser.add_argument("--acts", default="rest", metavar="rest|ws", help="how likes and comments are sent (rest)")
        parser.add_argument(
            "--acts-at", nargs="+", default=[], metavar="URL", help="where: addresses of another region (--url)"
        )
        parser.add_argument("--slow", default="0", metavar="PERCENT", help="of the viewers read far too slowly (0)")
        parser.add_argument("--flapping", default="0", metavar="PERCENT", help="close and come back all the time (0)")
        parser.add_argument(
            "--processes", default="", metavar="N", help="spread the viewers over so many (as few as will hold them)"
        )
        parser.add_argument("--json", default="", metavar="FILE", help="write the result there as JSON; -: stdout")
        parser.add_argument("--report", default="", metavar="FILE", help="write the result there as a page, with plots")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            arguments = Arguments.of(options)
            addresses = [_reach(url) for url in arguments.urls]
            acts_at = [_reach(url) for url in arguments.acts_at]
            _check_trust([*addresses, *acts_at])
            cast = _Cast.of(arguments)
            processes = make_room(
                arguments.viewers, addresses, processes=arguments.processes, speakers=len(cast.speakers)
            )
            result = self._run(arguments, addresses, acts_at, cast, processes)
        except (CannotRun, DoesNotFit) as problem:
            self._leave(2, str(problem))
        except (OperationalError, InterfaceError, ProgrammingError) as problem:
            self._leave(2, f"the database: {str(problem).strip().partition(chr(10))[0]}")
        except RequestRefused as refused:
            self._leave(1, f"the site gave up: {refused}")
        except WatcherDied as death:
            self._leave(1, str(death))
        self._report(result, arguments)
        if not result.passed:
            sys.exit(1)

    def _run(
        self, arguments: Arguments, addresses: list[Address], acts_at: list[Address], cast: _Cast, processes: int
    ) -> Result:
        stage = Stage()
        with Interrupts() as interrupts:
            try:
                stage.set(cast.likers + cast.commenters)
                script = _Script(stage, cast)
                for address in (*addresses, *acts_at):
                    _check(address, script.state())
                return interrupts.run(self._load_test(arguments, addresses, acts_at, script, processes))
            finally:
                interrupts.shielded = True
                self._end_of_line()
                stage.remove()

    async def _load_test(
        self,
        arguments: Arguments,
        addresses: list[Address],
        acts_at: list[Address],
        script: _Script,
        processes: int,
    ) -> Result:
        watch = Watch(
            topic=script.topic,
            addresses=addresses,
            transport=arguments.transport,
            ramp_seconds=arguments.ramp,
            slow_percent=arguments.slow_percent,
            flapping_percent=arguments.flapping_percent,
        )
        plan = Plan(
            watch,
            viewers=arguments.viewers,
            seconds=arguments.seconds,
            likes_per_s=arguments.likes,
            comments_per_s=arguments.comments,
            like_pool=script.cast.likers,
            ticket=script.ticket,
            like=script.say_like if arguments.acts_by_websocket else script.like,
            comment=script.say_comment if arguments.acts_by_websocket else script.comment,
            state=script.state(),
            processes=processes,
            acts_at=acts_at,
            speakers=script.cast.speakers,
            introduce=script.introduce,
        )
        is_local = all(address.is_local for address in addresses)
        site = find_site([address.port for address in addresses]) if is_local else None
        return await LoadTest(plan, site=site, report=self._show).run()

    # What it says

    def _show(self, progress: Progress) -> None:
        """Show the progress: on a terminal one line that changes, otherwise a new line each second."""
        if self.stderr.isatty():
            self.stderr.write(f"\r{to_line(progress)}\x1b[K", ending="")
            self.stderr.flush()
        else:
            self.stderr.write(to_line(progress))

    def _end_of_line(self) -> None:
        if self.stderr.isatty():
            self.stderr.write("\r\x1b[K", ending="")

    def _report(self, result: Result, arguments: Arguments) -> None:
        (self.stderr if arguments.json == "-" else self.stdout).write(to_text(result))
        if arguments.json == "-":
            self.stdout.write(json.dumps(to_json(result)))
        elif arguments.json:
            self._write("json", arguments.json, json.dumps(to_json(result)) + "\n")
        if arguments.report:
            command = shlex.join(["./run", "manage.py", *sys.argv[1:]])
            self._write("report", arguments.report, to_html(result, command=command, at=datetime.now(UTC)))

    def _write(self, option: str, path: str, text: str) -> None:
        try:
            Path(path).write_text(text, encoding="utf-8")
        except OSError as error:
            self._leave(2, f"--{option}: {error.strerror}")

    def _leave(self, code: int, line: str) -> NoReturn:
        self.stderr.write(f"loadtest: {line}")
        sys.exit(code)


@dataclass(frozen=True, slots=True)
class _Cast:
    """How many viewers like and comment."""

    likers: int
    commenters: int
    speakers: range  # the viewers that like and comment by a WebSocket of their own

    @classmethod
    def of(cls, arguments: Arguments) -> _Cast:
        likes = math.ceil(arguments.likes * arguments.seconds)
        most = LIKERS
        if arguments.acts_by_websocket:
            most = max(SPEAKERS, math.ceil(arguments.likes / LIKES_PER_VIEWER))
        likers = arguments.likers or max(LIKERS_MIN, min(likes, most))
        commenters = max(1, math.ceil(arguments.comments / COMMENTS_PER_VIEWER))
        return cls(likers, commenters, range(likers + commenters if arguments.acts_by_websocket else 0))


@dataclass(slots=True)
class _Script:
    """Builds the requests of the run."""

    stage: Stage
    cast: _Cast
    _tokens: dict[int, str] = field(default_factory=dict)
    _ticket: str = ""
    _ticket_made_at: float = 0.0

    @property
    def topic(self) -> str:
        return self.stage.video.topic

    def ticket(self) -> str:
        """Return a ticket that is free of connection limits. A new one is made before it expires."""
        if not self._ticket or time.monotonic() - self._ticket_made_at > TICKET_SECONDS:
            self._ticket = tickets.issue([self.topic], load=True)
            self._ticket_made_at = time.monotonic()
        return self._ticket

    def like(self, viewer: int, kind: str | None) -> RawRequest:
        if kind is None:
            return RawRequest("DELETE", f"{self._path}/like", self._headers(viewer))
        return RawRequest("PUT", f"{self._path}/like", self._headers(viewer), json.dumps({"kind": kind}).encode())

    def comment(self, number: int) -> RawRequest:
        viewer = self._commenter(number)
        return RawRequest(
            "POST", f"{self._path}/comments", self._headers(viewer), json.dumps(self._text(number)).encode()
        )

    def say_like(self, viewer: int, kind: str | None) -> SocketCommand:
        act = {"op": "unlike"} if kind is None else {"op": "like", "kind": kind}
        return SocketCommand(viewer, {**act, "video": str(self.stage.video.id)})

    def say_comment(self, number: int) -> SocketCommand:
        return SocketCommand(
            self._commenter(number), {"op": "comment", "video": str(self.stage.video.id), **self._text(number)}
        )

    def introduce(self, viewer: int, address: Address) -> RawRequest:
        """Return the handshake of the WebSocket by which the viewer likes and comments."""
        person = self.stage.viewers[viewer]
        ticket = tickets.issue([], Identity(str(person.id), stamp=person.stamp()), load=True)
        return websocket_request(f"/ws?ticket={ticket}", origin=address.url)

    def _commenter(self, number: int) -> int:
        return self.cast.likers + number % self.cast.commenters

    def _text(self, number: int) -> dict[str, str]:
        return {"body": f"Load test comment {number}", "client_id": f"{self.stage.name}-{number}"}

    def state(self) -> RawRequest:
        return RawRequest("GET", self._path, self._headers(0))

    @property
    def _path(self) -> str:
        return f"/api/v1/videos/{self.stage.video.id}"

    def _headers(self, viewer: int) -> dict[str, str]:
        token = self._tokens.get(viewer)
        if token is None:
            token = self._tokens[viewer] = issue_token(self.stage.viewers[viewer])
        return {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}


def _reach(url: str) -> Address:
    try:
        return reach(url)
    except ValueError as error:
        raise CannotRun(str(error)) from error
    except OSError as error:
        raise CannotRun(f"nobody answers at {url}: {error.strerror or error}") from error


def _check_trust(addresses: Sequence[Address]) -> None:
    """Check that the certificates can be read that connections by HTTPS trust. Raises CannotRun."""
    try:
        if any(address.is_secure for address in addresses):
            secure.context()
    except OSError as error:
        raise CannotRun(f"SSL_CERT_FILE: {os.environ.get('SSL_CERT_FILE')}: {secure.reason(error)}") from error


def _check(address: Address, state: RawRequest) -> None:
    """Check that the site is ready, and that the video is in its database. Raises CannotRun."""
    if (status := _status(f"{address.url}/readyz", {})) != 200:
        raise CannotRun(f"the site at {address.url} is not ready: /readyz says {status}")
    status = _status(f"{address.url}{state.path}", state.headers)
    if status == 403 and not address.is_secure:
        raise CannotRun(f"the site at {address.url} speaks HTTPS: name an address that begins with https://")
    if status == 401:
        raise CannotRun(f"the site at {address.url} has another SECRET_KEY than this command")
    if status != 200:
        raise CannotRun(f"the site at {address.url} has another database than this command (HTTP {status})")


def _status(url: str, headers: dict[str, str]) -> int | str:
    """Return the status of a GET, or the reason why there is none."""
    try:
        # Without the environment's proxies, as the viewers go.
        answer = httpx.get(url, headers=headers, timeout=ANSWER_SECONDS, trust_env=False, verify=secure.context())
        return answer.status_code
    except (httpx.HTTPError, OSError) as error:
        return secure.reason(error)
