"""The table of docs/moderation.md, walked: each act by each of the people, over REST, by WebSocket and in the code."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from moderation.rights import MAY
from moderation.roles import Rank
from tests.rooms import Person, Room, open_room
from tests.sites import Site
from tests.watching import WebSocketWatcher, watching

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "moderation.md"
RANKS = {
    "helper": Rank.HELPER,
    "moderator": Rank.MODERATOR,
    "owner": Rank.OWNER,
    "site moderator": Rank.SITE_MODERATOR,
    "administrator": Rank.ADMINISTRATOR,
}
WHO = (*RANKS, "viewer")
# One black point.
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a49444154789c636000000002000148afa4710000"
    "000049454e44ae426082"
)
BY_SOCKET = ("delete", "delete_all", "time_out", "ban", "shadow", "lift")


def table() -> dict[str, dict[str, bool]]:
    """Return the page's table: act -> who -> whether they may."""
    lines = PAGE.read_text().partition("## Who may do what")[2].partition("\n- ")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    people = rows[0][1:]
    found = {}
    for first, *cells in rows[2:]:
        if name := re.match(r"`(\w+)`", first):
            found[name[1]] = {who: cell == "yes" for who, cell in zip(people, cells, strict=True)}
    return found


def said_of(who: str) -> dict[str, bool]:
    """Return what the page says of somebody; a viewer may do nothing of it."""
    return {act: cells.get(who, False) for act, cells in table().items()}


def test_the_page_says_what_the_code_does() -> None:
    said = {act: {RANKS[who] for who, may in cells.items() if may} for act, cells in table().items()}
    assert said == {act: set(ranks) for act, ranks in MAY.items()}


@pytest.fixture
async def room(site: Site) -> AsyncIterator[Room]:
    async with open_room(site) as made:
        yield made


def make_accounts(room: Room) -> None:
    """Make the people of a room accounts: a guest cannot have a role. Others may still have their names."""
    with psycopg.connect(room.site.database_url) as connection:
        ids = [person.id for person in room.people]
        connection.execute(
            "UPDATE accounts_viewer SET is_guest = false, name_key = '' WHERE id = ANY(%s::uuid[])", [ids]
        )


async def everybody(room: Room) -> dict[str, Person]:
    """Have everybody of the table come to Nadia's channel, and a viewer."""
    found = {"owner": room.people[0]}
    for who in WHO:
        if who != "owner":
            found[who] = await room.join(f"The {who}")
    make_accounts(room)
    for who in ("helper", "moderator"):
        path = f"/channels/{found['owner'].id}/roles/{found[who].id}"
        (await room.call("PUT", path, {"role": who}, person=found["owner"])).raise_for_status()
    with psycopg.connect(room.site.database_url) as connection:
        connection.execute("UPDATE accounts_viewer SET is_superuser = true WHERE id = %s", [found["administrator"].id])
        connection.execute(
            "INSERT INTO accounts_viewer_user_permissions (viewer_id, permission_id)"
            " SELECT %s, p.id FROM auth_permission p JOIN django_content_type t ON t.id = content_type_id"
            " WHERE t.app_label = 'videos' AND codename = 'delete_comment'",
            [found["site moderator"].id],
        )
    return found


class Doors:
    """One act by one person, by each door. What it is done to is new for each."""

    def __init__(self, room: Room, channel: str, actor: Person) -> None:
        self.room, self.channel, self.actor = room, channel, actor

    async def victim(self) -> Person:
        return await self.room.join("Somebody")

    async def comment(self) -> tuple[Person, str]:
        author = await self.victim()
        return author, str((await self.room.comment("hello", person=author))["id"])

    async def private_video(self) -> str:
        owner, fields = self.room.people[0], {"title": "Private", "visibility": "private"}
        return str((await self.room.call("POST", "/videos", fields, person=owner)).raise_for_status().json()["id"])

    async def emoji(self) -> int:
        """Give the channel an emoji."""
        url = f"{self.room.site.urls[0]}/api/v1/channels/{self.channel}/emoji/wave"
        headers = {"Authorization": f"Bearer {self.actor.token}", "Content-Type": "image/png"}
        answer = await self.room.client.put(url, content=PNG, headers=headers)
        return answer.status_code

    async def by_rest(self, act: str) -> int:
        if act == "emoji":
            return await self.emoji()
        channel, video = f"/channels/{self.channel}", f"/videos/{self.room.video_id}"
        author, comment = await self.comment()
        restriction: dict[str, Any] = {"kind": act, **({"seconds": 60} if act == "time_out" else {})}
        if act == "role":
            make_accounts(self.room)
        if act == "share":
            with psycopg.connect(self.room.site.database_url) as connection:
                connection.execute("UPDATE accounts_viewer SET is_broadcaster = true WHERE id = %s", [author.id])
        if act == "dismiss":
            path = f"{video}/comments/{comment}/report"
            (await self.room.call("POST", path, {"reason": "spam"}, person=await self.victim())).raise_for_status()
        if act == "lift":
            owner, path = self.room.people[0], f"{channel}/restrictions/{author.id}"
            (await self.room.call("PUT", path, {"kind": "ban"}, person=owner)).raise_for_status()
        method, path, body = {
            "watch": ("GET", f"/videos/{await self.private_video()}", None),
            "read": ("GET", f"{channel}/acts", None),
            "note": ("POST", f"{channel}/people/{author.id}/notes", {"body": "a note"}),
            "delete": ("DELETE", f"{video}/comments/{comment}", None),
            "time_out": ("PUT", f"{channel}/restrictions/{author.id}", restriction),
            "ban": ("PUT", f"{channel}/restrictions/{author.id}", restriction),
            "shadow": ("PUT", f"{channel}/restrictions/{author.id}", restriction),
            "delete_all": ("DELETE", f"{channel}/people/{author.id}/comments", None),
            "pin": ("PUT", f"{video}/comments/{comment}/pin", None),
            "lift": ("DELETE", f"{channel}/restrictions/{author.id}", None),
            "board": ("POST", f"{video}/polls", {"question": "Well?", "options": ["Yes", "No"]}),
            "dismiss": ("DELETE", f"{channel}/reported/{comment}", None),
            "review": ("GET", f"{video}/held", None),
            "rules": ("PATCH", f"{channel}/rules", {}),
            "gate": ("PUT", f"{channel}/gate", {"back_minutes": 0}),
            "share": ("PUT", f"{channel}/shares/to/{author.id}", None),
            "role": ("PUT", f"{channel}/roles/{author.id}", {"role": "helper"}),
        }[act]
        answer = await self.room.call(method, path, body, person=self.actor)
        if act == "board" and answer.is_success:  # a video has a few open polls at most
            poll = f"{video}/polls/{answer.json()['id']}"
            (await self.room.call("DELETE", poll, person=self.room.people[0])).raise_for_status()
        if act == "gate" and answer.is_success:
            (await self.room.call("DELETE", f"{channel}/gate", person=self.room.people[0])).raise_for_status()
        return answer.status_code

    async def by_socket(self, act: str) -> str:
        """Return the code of the refusal; "" when it was done."""
        author, comment = await self.comment()
        message: dict[str, Any] = {
            "video": self.room.video_id,
            "channel": self.channel,
            "person": author.id,
            "comment": comment,
        }
        if act in ("time_out", "ban", "shadow"):
            message |= {"op": "restrict", "kind": act, **({"seconds": 60} if act == "time_out" else {})}
        elif act == "lift":
            path = f"/channels/{self.channel}/restrictions/{author.id}"
            (await self.room.call("PUT", path, {"kind": "ban"}, person=self.room.people[0])).raise_for_status()
            message |= {"op": "lift"}
        else:
            message |= {"op": act}
        headers = {"Authorization": f"Bearer {self.actor.token}"}
        watcher = WebSocketWatcher(self.room.site.urls[0], self.room.topic, headers=headers)
        async with watching(watcher):
            await watcher.send({**message, "ref": 1})
            await watcher.wait_for(lambda: bool(watcher.named("ack") or watcher.named("error")), "an answer")
        return str(watcher.named("error")[0].data["error"]["code"]) if watcher.named("error") else ""


async def test_rest_keeps_to_the_table(room: Room) -> None:
    people = await everybody(room)
    for who in WHO:
        doors = Doors(room, people["owner"].id, people[who])
        answers = {act: await doors.by_rest(act) for act in MAY}
        assert answers.pop("watch") == (200 if said_of(who)["watch"] else 404)
        assert set(answers.values()) <= {200, 201, 204, 403}
        assert {act: status < 400 for act, status in answers.items()} == {
            act: may for act, may in said_of(who).items() if act != "watch"
        }


async def test_commands_keep_to_the_table(room: Room) -> None:
    people = await everybody(room)
    for who in WHO:
        doors = Doors(room, people["owner"].id, people[who])
        answers = {act: await doors.by_socket(act) for act in BY_SOCKET}
        assert set(answers.values()) <= {"", "forbidden"}
        assert {act: not code for act, code in answers.items()} == {act: said_of(who)[act] for act in BY_SOCKET}
