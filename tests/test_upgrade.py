"""A new version comes node by node, migrations first: the code of the last release works on the new tables."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import tarfile
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.apps import apps
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import AddField
from django.db.migrations.operations.base import Operation
from django.db.models import BooleanField

from host import programs
from host.processes import Program
from tests.rooms import Room, open_room
from tests.sites import CHECKOUT, Site
from tests.watching import SseWatcher, watching

# Stands in for the newest tag `v*`, while there is none: the first one with the tables of now.
FIRST_RELEASE = "c5d02e35bd05c1bad20e2c5fd990a842ad35d0cf"


def _git(*arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", *arguments], cwd=CHECKOUT, capture_output=True)
    except FileNotFoundError:
        pytest.skip("needs the command git")
    if done.returncode:
        pytest.skip(f"needs the history of the checkout: {done.stderr.decode().strip()}")
    return done.stdout


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code of the last release, as it was."""
    tags = _git("tag", "--merged", "HEAD", "--sort=-version:refname", "--list", "v*").decode().split()
    folder = tmp_path_factory.mktemp("release")
    with tarfile.open(fileobj=BytesIO(_git("archive", tags[0] if tags else FIRST_RELEASE))) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture
def old_node(site: Site, release: Path) -> Iterator[int]:
    """One more node of the shared site, with the code of the last release; its index among the nodes."""

    def program(name: str, listening_fd: int) -> Program:
        return dataclasses.replace(programs.node(name, listening_fd), cwd=release)

    site.start_node(program=program)
    try:
        site.wait_until_ready()
        yield len(site.nodes) - 1
    finally:
        site.urls.pop()
        site.nodes.pop().stop()


def _undefended(label: str, operations: Iterable[Operation]) -> list[str]:
    """Return the columns that are added without anything that fills them when older code does not."""
    return [
        f"{label}: {operation.model_name}.{operation.name}"
        for operation in operations
        if isinstance(operation, AddField)
        and not (operation.field.has_db_default() or operation.field.null or operation.field.many_to_many)
    ]


def test_every_column_that_is_added_has_a_default_of_the_database() -> None:
    """`POST /guests` of nodes with the old code answered 500: nothing filled the new column `is_hidden`."""
    bad = AddField("viewer", "is_hidden", BooleanField(default=False))
    assert _undefended("accounts.0002", [bad]) == ["accounts.0002: viewer.is_hidden"]
    loader = MigrationLoader(None)
    ours = {app.label for app in apps.get_app_configs() if Path(app.path).parent == CHECKOUT}
    missing = [
        found
        for (label, name), migration in loader.disk_migrations.items()
        if label in ours
        for found in _undefended(f"{label}.{name}", migration.operations)
    ]
    assert missing == []


class _Calls:
    """Calls of the old node's API, each expected to work; `made` holds which operations they were."""

    def __init__(self, room: Room, operations: set[tuple[str, str]], *, node: int) -> None:
        self._room, self._node = room, node
        self._patterns = {
            (method, path): re.compile(re.sub(r"\{\w+\}", "[^/]+", path.removeprefix("/api/v1")) + r"(\?.*)?")
            for method, path in operations
        }
        self.made: set[tuple[str, str]] = set()

    async def __call__(self, method: str, path: str, body: object = None, *, person: int = 0) -> Any:
        answer = await self._room.call(method, path, body, person=self._room.people[person], node=self._node)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        self.made |= {(m, p) for (m, p), pattern in self._patterns.items() if m == method and pattern.fullmatch(path)}
        return answer.json() if answer.content else None


@asynccontextmanager
async def _connection(url: str, topic: str) -> AsyncIterator[str]:
    """Open an event stream; its name, as the `hello` of any release says it."""
    async with httpx.AsyncClient(timeout=60) as client, client.stream("GET", f"{url}/events?topic={topic}") as answer:
        async for line in answer.aiter_lines():
            if line.startswith("data:"):
                yield json.loads(line.removeprefix("data:"))["connection"]
                return


async def test_the_last_release_works_on_the_new_tables(site: Site, old_node: int) -> None:
    """Every call of its API, while a viewer at a node of this version sees what comes of it."""
    answer = httpx.get(f"{site.urls[old_node]}/api/v1/openapi.json")
    operations = {(method.upper(), path) for path, item in answer.json()["paths"].items() for method in item}
    async with open_room(site) as room, watching(SseWatcher(site.urls[0], room.topic)) as (viewer,):
        call = _Calls(room, operations, node=old_node)
        nadia, guest = (person.id for person in room.people)
        await call("POST", "/guests", {"name": "Somebody"})
        await call("GET", "/me")
        await call("PUT", "/me/presence", {"is_hidden": True})
        await call("GET", f"/viewers/{nadia}/presence")
        await call("POST", "/tickets", {"topics": [room.topic]})
        await call("GET", "/time")
        async with _connection(site.urls[old_node], room.topic) as connection:
            await call("POST", "/saw", {"connection": connection, "frames": []})
            await call("POST", "/subscriptions", {"connection": connection, "unsubscribe": [room.topic]})

        made = await call("POST", "/videos", {"title": "Another"})
        await call("PATCH", f"/videos/{made['id']}", {"title": "Renamed"})
        await call("POST", f"/videos/{made['id']}/start")
        await call("POST", f"/videos/{made['id']}/end")
        await call("GET", "/videos?status=live")

        video = f"/videos/{room.video_id}"
        await call("GET", video)
        await call("GET", f"{video}/viewers")
        await call("PUT", f"{video}/like", {"kind": "love"})
        await viewer.sees_likes(1)
        await call("DELETE", f"{video}/like")
        await viewer.sees_likes(0)
        await call("POST", f"{video}/reactions", {"kind": "heart", "count": 2})
        await call("POST", f"{video}/typing", {"is_typing": True})
        comment = await call("POST", f"{video}/comments", {"body": "from the old node"})
        await viewer.sees_comment("from the old node")
        await room.comment("from the new node")
        await viewer.sees_comment("from the new node")
        await call("GET", f"{video}/comments")
        await call("PUT", f"{video}/comments/{comment['id']}/pin")
        await call("DELETE", f"{video}/comments/{comment['id']}/pin")
        await call("DELETE", f"{video}/comments/{comment['id']}")

        third = await room.join("Third")
        talk = f"/conversations/{(await call('POST', '/conversations', {'members': [guest]}))['id']}"
        await call("GET", "/conversations")
        await call("GET", talk)
        message = await call("POST", f"{talk}/messages", {"body": "hello"})
        await call("PUT", f"{talk}/seen", {"seq": message["seq"]}, person=1)
        await call("POST", f"{talk}/typing", {"is_typing": True})
        await call("GET", f"{talk}/messages")
        await call("DELETE", f"{talk}/messages/{message['id']}")
        group = await call("POST", "/conversations", {"members": [guest, third.id], "title": "Us"})
        await call("DELETE", f"/conversations/{group['id']}/members/{third.id}")
        await call("POST", f"/conversations/{group['id']}/members", {"viewer_id": third.id})
        await call("PUT", f"/blocks/{guest}")
        await call("GET", "/blocks")
        await call("DELETE", f"/blocks/{guest}")

        await call("DELETE", "/guests/me", person=room.people.index(third))

        assert operations - call.made == set()
        assert viewer.problems == []
    assert "Traceback" not in site.log(f"node-{old_node + 1}")
