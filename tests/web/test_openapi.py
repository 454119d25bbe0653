"""The API's own description: a valid document, true of what the API answers, and a docs page that works alone."""

from __future__ import annotations

import argparse
import html
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from moderation.api import router as moderation
from polls.api import router as boards
from tests.rooms import Room, open_room
from tests.sites import Site
from tests.watching import SseWatcher, watching
from web.openapi import BEARER, SESSION

OPEN_TO_ALL: dict[str, Any] = {"/tickets": {"topics": ["video:1"]}, "/subscriptions": {"connection": "x"}}
"""Anybody may watch."""
ASKS_NOBODY = "/saw"
"""Whose connection it is, its name proves, which only its viewer was told. The cookie changes nothing."""
UNSAFE = ("post", "put", "patch", "delete")
TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


@pytest.fixture(scope="module")
def document(site: Site) -> dict[str, Any]:
    answer = httpx.get(f"{site.urls[0]}/api/v1/openapi.json")
    assert answer.headers["content-type"].startswith("application/json")
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture
async def here(site: Site) -> AsyncIterator[Room]:
    async with open_room(site) as made:
        made.client.cookies.clear()
        yield made


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Return path, method and operation of each call."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def resolve(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        assert schema["$ref"].startswith("#/components/schemas/")
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def mismatch(document: dict[str, Any], schema: dict[str, Any], value: Any, where: str = "answer") -> str:
    """Return where the value is not what the schema says; empty: it is. Knows the words that our schemas use."""
    schema = resolve(document, schema)
    if "anyOf" in schema:
        problems = [mismatch(document, one, value, where) for one in schema["anyOf"]]
        return "" if "" in problems else problems[0]
    if "enum" in schema and value not in schema["enum"]:
        return f"{where}: {value!r} is not of {schema['enum']}"
    kind = schema.get("type", "object")
    fits: bool = isinstance(value, TYPES[kind]) and not (kind in ("integer", "number") and isinstance(value, bool))
    if not fits:
        return f"{where}: {value!r} is no {kind}"
    if schema.get("format") == "uuid" and str(UUID(value)) != value:
        return f"{where}: {value!r} is no UUID"
    if kind == "array":
        return next(filter(None, (mismatch(document, schema["items"], item, f"{where}[]") for item in value)), "")
    if kind == "object":
        known = schema.get("properties", {})
        more = schema.get("additionalProperties")
        if missing := set(schema.get("required", ())) - set(value):
            return f"{where}: {missing} missing"
        for name, item in value.items():
            if name not in known and not isinstance(more, dict):
                return f"{where}.{name} is not described"
            if problem := mismatch(document, known.get(name, more), item, f"{where}.{name}"):
                return problem
    return ""


def test_document_is_valid_openapi(document: dict[str, Any]) -> None:
    """By the rules of OpenAPI 3.1 that a generated document can break."""
    assert re.fullmatch(r"3\.1\.\d+", document["openapi"])
    assert {"title", "version"} <= set(document["info"])
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids)) > 10
    schemes = document["components"]["securitySchemes"]
    assert schemes == {
        "Bearer": {"type": "http", "scheme": "bearer", "description": BEARER},
        "Session": {"type": "apiKey", "in": "cookie", "name": "sessionid", "description": SESSION},
    }

    def walk(schema: Any) -> None:
        if isinstance(schema, list):
            for one in schema:
                walk(one)
        elif isinstance(schema, dict):
            resolve(document, schema)
            kind = schema.get("type")
            assert kind is None or isinstance(kind, dict) or kind in TYPES, kind
            for one in schema.values():
                walk(one)

    walk(document["components"]["schemas"])
    for path, method, operation in operations(document):
        assert path.startswith("/api/v1/")
        named = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
        assert named == set(re.findall(r"{(\w+)}", path))
        assert all(p["required"] for p in operation["parameters"] if p["in"] == "path")
        assert operation["summary"][0].isupper()
        assert operation["tags"]
        assert all(scheme in schemes for need in operation.get("security", ()) for scheme in need)
        for status, response in operation["responses"].items():
            assert re.fullmatch(r"[1-5]\d\d", status)
            assert response["description"]
            for content in response.get("content", {}).values():
                walk(content["schema"])
                if status >= "400":
                    assert content["schema"]["$ref"].endswith("/Error"), (method, path, status)
        if "requestBody" in operation:
            kinds = operation["requestBody"]["content"]
            assert "application/json" in kinds or all(kind.startswith("image/") for kind in kinds)
            assert {"400", "413", "415", "422"} <= set(operation["responses"])


def test_redocly_finds_no_error(checkers: Path, document: dict[str, Any], tmp_path: Path) -> None:
    """It found ten: no `servers`, and calls that did not say whether they need an identity (`security`)."""
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    quiet = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
    command = [str(checkers / "redocly"), "lint", "openapi.json"]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ | quiet, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


SCHEMATHESIS = """
[parameters]
"path.video_id" = "{video}"
"path.comment_id" = "{comment}"
"path.conversation_id" = "{conversation}"
"path.message_id" = "{message}"
"path.viewer_id" = "{viewer}"
"path.channel_id" = "{channel}"

[[operations]]  # the others go on with a video that is live
include-operation-id = "endVideo"
parameters = {{ "path.video_id" = "{another_video}" }}

[[operations]]
include-operation-id = "deleteVideo"
parameters = {{ "path.video_id" = "{third_video}" }}

[[operations]]  # a schema cannot say what a picture is
include-operation-id = "putThumbnail"
enabled = false

[[operations]]  # a schema cannot say what keys are
include-operation-id = "putPush"
enabled = false

[[operations]]
include-operation-id = "putPortrait"
enabled = false

[[operations]]  # a schema cannot say that no word of a name mixes alphabets, nor which names others have
include-operation-id = "createGuest"
checks.positive_data_acceptance.expected-statuses = ["201", "409", "422"]

[[operations]]  # the same name
include-operation-id = "updateAccount"
checks.positive_data_acceptance.expected-statuses = ["200", "409", "422"]

[[operations]]  # it reads its username elsewhere, and is gone
include-operation-id = "eraseAccount"
enabled = false

[phases.coverage]  # bounded: wrong input comes with the other phase, wrong methods in test_methods.py
unexpected-methods = []
generation.mode = "positive"
"""


async def made(here: Room, path: str, body: dict[str, Any]) -> str:
    """Have the broadcaster make something; return its id."""
    answer = (await here.call("POST", path, body, person=here.people[0])).raise_for_status()
    return str(answer.json()["id"])


async def test_schemathesis_finds_nothing(here: Room, tmp_path: Path) -> None:
    """13 of 37 operations refused what the document allows: a null, an empty text, a topic twice, a future `seq`.

    All its checks, on things that are there, for one who may do all but stop being a guest. For a deeper look run it
    by hand: more examples, wrong input in `coverage`, and `stateful`.
    """
    nadia, guest = here.people
    with psycopg.connect(here.site.database_url) as connection:  # a guest would be gone after the first DELETE
        connection.execute("UPDATE accounts_viewer SET is_guest = false WHERE id = %s", [nadia.id])
    conversation = await made(here, "/conversations", {"members": [guest.id]})
    config = tmp_path / "schemathesis.toml"
    config.write_text(
        SCHEMATHESIS.format(
            video=here.video_id,
            another_video=await here.new_video(),
            third_video=await here.new_video(),
            comment=await made(here, f"/videos/{here.video_id}/comments", {"body": "hello"}),
            conversation=conversation,
            message=await made(here, f"/conversations/{conversation}/messages", {"body": "hello"}),
            viewer=guest.id,
            channel=nadia.id,
        )
    )
    done = subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"), "--config-file", config, "--no-color", "run",
            f"{here.site.urls[0]}/api/v1/openapi.json", "--header", f"Authorization: Bearer {nadia.token}",
            "--checks", "all", "--phases", "coverage,fuzzing", "--max-examples", "4", "--generation-deterministic",
            "--no-shrink", "--continue-on-failure", "--request-timeout", "60", "--warnings", "off",
        ],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    with psycopg.connect(here.site.database_url) as connection:  # other tests read the first page of the list
        connection.execute("UPDATE videos_video SET visibility = 'unlisted' WHERE owner_id = %s", [nadia.id])
    assert done.returncode == 0, done.stdout + done.stderr
    assert (await here.call("GET", "/me", person=nadia)).status_code == 200, "all was refused for want of an identity"


def test_operations_have_names_that_a_client_would_give_its_methods(document: dict[str, Any]) -> None:
    """They were named after our files: `videos_api_create_guest`."""
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert "createGuest" in ids
    assert [id for id in ids if not re.fullmatch(r"[a-z]+([A-Z][a-z]+)*", id)] == []


def test_operations_with_the_same_answer_share_its_model() -> None:
    """A model for each answer of each operation cost a node 0.4 s at its start, and 14 MB."""
    views = [view for router in (boards, moderation) for view in router.path_operations.values()]
    found = {each.response_models[403] for view in views for each in view.operations if 403 in each.response_models}
    assert len(found) == 1
    assert len(views) > 20


async def test_the_name_of_a_stream_is_as_described(here: Room, document: dict[str, Any]) -> None:
    """The description wanted a part more than a node's name has: a client that checks its input could send no name."""
    async with watching(SseWatcher(here.site.urls[0], here.topic)) as (stream,):
        for name in ("SawIn", "SubscriptionsIn"):
            described = document["components"]["schemas"][name]["properties"]["connection"]
            assert re.fullmatch(described["pattern"], stream.connection), name
            assert len(stream.connection) <= described["maxLength"]


async def test_answers_are_what_the_document_says(here: Room, document: dict[str, Any]) -> None:
    async with watching(SseWatcher(here.site.urls[0], here.topic)) as (stream,):
        await check_answers(here, document, stream)


async def check_answers(here: Room, document: dict[str, Any], stream: SseWatcher) -> None:
    broadcaster, guest = here.people
    video, comments = f"/videos/{here.video_id}", f"/videos/{here.video_id}/comments"
    mine = (await here.call("POST", comments, {"body": "hello", "client_id": "1"}, person=guest)).json()
    people = {"members": [broadcaster.id], "title": "Us"}
    other = await here.join("Other")
    with psycopg.connect(here.site.database_url) as connection:  # guests have no roles
        connection.execute("UPDATE accounts_viewer SET is_guest = false WHERE id = %s", [other.id])
    talk = (await here.call("POST", "/conversations", {"members": [guest.id, other.id]}, person=broadcaster)).json()
    group = f"/conversations/{talk['id']}"
    sent = (await here.call("POST", f"{group}/messages", {"body": "hello"}, person=broadcaster)).json()
    asked = (
        await here.call("POST", f"{video}/polls", {"question": "So?", "options": ["Yes", "No"]}, person=broadcaster)
    ).json()
    poll = f"{video}/polls/{asked['id']}"
    await here.call("PUT", f"{video}/questions", {"is_open": True}, person=broadcaster)
    question = (await here.call("POST", f"{video}/questions", {"body": "Why?"}, person=guest)).json()["id"]
    channel = f"/channels/{broadcaster.id}"
    (
        await here.call("PUT", f"{channel}/words", {"refused": "", "held": "money"}, person=broadcaster)
    ).raise_for_status()
    waiting = (await here.call("POST", comments, {"body": "money"}, person=guest)).json()["held"]["id"]
    bad = (await here.call("POST", comments, {"body": "an advert"}, person=guest)).json()["id"]
    (await here.call("POST", f"{comments}/{bad}/report", {"reason": "spam"}, person=other)).raise_for_status()
    by_id = {
        "held_id": waiting,
        "reported_id": bad,
        "poll_id": asked["id"],
        "question_id": str(question),
        "video_id": here.video_id,
        "comment_id": mine["id"],
        "conversation_id": talk["id"],
        "message_id": sent["id"],
        "viewer_id": other.id,
        "code": "wave",
        "emoji_id": (emoji := str(uuid4())),
        "kind": "likes",
        "language": "pt-br",
        "channel_id": broadcaster.id,
        "browser_id": "987654321",
        "act_id": str(UUID(int=7)),
    }
    channel = f"/channels/{broadcaster.id}"
    answered: set[str] = set()
    for method, path, body, person in (
        ("POST", "/guests", {"name": "Somebody"}, None),
        ("POST", "/tickets", {"topics": [here.topic]}, guest),
        ("POST", "/subscriptions", {"connection": stream.connection, "subscribe": [{"topic": here.topic}]}, guest),
        ("POST", "/subscriptions", {"connection": "nobody's"}, guest),
        ("POST", "/saw", {"connection": stream.connection, "frames": [[1, 1]]}, None),
        ("POST", "/saw", {"connection": "nobody's", "frames": []}, None),
        ("GET", "/time", None, None),
        ("GET", "/me", None, guest),
        ("PUT", "/me/presence", {"is_hidden": False}, guest),
        ("GET", f"/viewers/{other.id}/presence", None, guest),
        ("GET", "/videos?status=live&limit=1", None, None),
        ("POST", "/videos", {"title": "Later", "starts_at_ms": 2_000_000_000_000}, broadcaster),
        ("GET", "/me/videos?limit=1", None, broadcaster),
        ("GET", video, None, None),
        ("GET", "/me/account", None, guest),
        ("PATCH", "/me/account", {"name": "Ada"}, guest),
        ("PUT", "/me/language", {"language": "de"}, guest),
        ("GET", "/me/notices?limit=1", None, guest),
        ("PUT", "/me/notices/seen", {"until_ms": 0}, guest),
        ("GET", "/me/notices/choices", None, guest),
        ("PATCH", "/me/notices/choices", {"answer": {"push": True}}, guest),
        ("GET", "/me/browsers", None, guest),
        ("PUT", "/me/portrait", {}, guest),
        ("DELETE", "/me/portrait", None, guest),
        ("GET", f"/viewers/{other.id}/portrait", None, None),
        ("DELETE", "/me/browsers/987654321", None, guest),
        ("GET", "/me/copy", None, guest),
        ("POST", "/me/erasure", {"username": "nobody"}, guest),
        ("GET", f"{video}/viewers", None, guest),
        ("GET", f"{video}/timeline", None, None),
        ("GET", f"{video}/replay?from_ms=0", None, guest),
        ("GET", f"{video}/report", None, broadcaster),
        ("GET", f"{video}/report", None, guest),
        ("PATCH", video, {"description": "New"}, broadcaster),
        ("PUT", f"{video}/thumbnail", {}, broadcaster),
        ("DELETE", f"{video}/thumbnail", None, broadcaster),
        ("DELETE", f"{video}/thumbnail", None, guest),
        ("GET", "/me/stream-key", None, broadcaster),
        ("GET", "/me/stream-key", None, guest),
        ("POST", "/me/stream-key", None, broadcaster),
        ("GET", f"{video}/picture", None, broadcaster),
        ("GET", f"{video}/picture", None, guest),
        ("GET", f"{video}/recording", None, broadcaster),
        ("GET", f"{video}/recording", None, guest),
        ("POST", f"{video}/recording/trim", {"from_ms": 0, "to_ms": 1}, broadcaster),
        ("POST", f"{video}/recording/download", None, broadcaster),
        ("DELETE", f"{video}/recording", None, broadcaster),
        ("PUT", f"{video}/captions/pt-br", {"text": "00:01.000 --> 00:02.000\nHello"}, broadcaster),
        ("DELETE", f"{video}/captions/pt-br", None, broadcaster),
        ("POST", f"{video}/start", None, broadcaster),
        ("PUT", f"{video}/like", {"kind": "love"}, guest),
        ("DELETE", f"{video}/like", None, guest),
        ("POST", f"{video}/reactions", {"kind": "heart", "count": 2}, guest),
        ("POST", comments, {"body": "an answer", "reply_to": mine["id"]}, broadcaster),
        ("GET", f"{comments}?limit=1", None, None),
        ("PATCH", f"{comments}/{mine['id']}", {"body": "hello all"}, guest),
        ("GET", f"{comments}/{mine['id']}/versions", None, broadcaster),
        ("GET", f"{comments}/{mine['id']}/thread", None, None),
        ("PUT", f"{comments}/{mine['id']}/pin", None, broadcaster),
        ("DELETE", f"{comments}/{mine['id']}/pin", None, broadcaster),
        ("POST", f"{comments}/{mine['id']}/restore", None, broadcaster),
        ("POST", f"{comments}/{mine['id']}/report", {"reason": "hate", "remark": "Look"}, other),
        ("POST", f"{comments}/{mine['id']}/report", {"reason": "hate"}, guest),
        ("POST", f"{channel}/people/{other.id}/report", {"reason": "other"}, guest),
        ("GET", f"{channel}/reported", None, broadcaster),
        ("DELETE", f"{channel}/reported/{bad}", None, broadcaster),
        ("DELETE", f"{channel}/reported/{bad}", None, guest),
        ("PUT", f"{channel}/roles/{other.id}", {"role": "helper"}, broadcaster),
        ("PUT", f"{channel}/roles/{other.id}", {"role": "helper"}, guest),
        ("GET", f"{channel}/roles", None, other),
        ("GET", f"{channel}/emoji", None, None),
        ("PUT", f"{channel}/emoji/wave", {}, broadcaster),
        ("DELETE", f"{channel}/emoji/wave", None, broadcaster),
        ("DELETE", f"{channel}/emoji/wave", None, guest),
        ("GET", f"/emoji/{emoji}", None, None),
        ("PUT", f"{channel}/shares/to/{other.id}", None, guest),
        ("PUT", f"{channel}/shares/to/{other.id}", None, broadcaster),
        ("GET", f"{channel}/shares", None, broadcaster),
        ("GET", f"{channel}/shares/people", None, broadcaster),
        ("GET", f"{channel}/shares/let-in?limit=1", None, broadcaster),
        ("DELETE", f"{channel}/shares/let-in/{other.id}", None, broadcaster),
        ("PUT", f"{channel}/shares/by/{other.id}", {"effect": "ban"}, broadcaster),
        ("DELETE", f"{channel}/shares/by/{other.id}", None, broadcaster),
        ("DELETE", f"{channel}/shares/to/{other.id}", None, broadcaster),
        ("DELETE", f"{channel}/roles/{other.id}", None, broadcaster),
        ("PUT", f"{channel}/restrictions/{other.id}", {"kind": "time_out", "seconds": 60}, broadcaster),
        ("GET", f"{channel}/restrictions?limit=1", None, broadcaster),
        ("POST", f"{channel}/people/{other.id}/notes", {"body": "a note"}, broadcaster),
        ("GET", f"{channel}/people/{other.id}", None, broadcaster),
        ("DELETE", f"{channel}/restrictions/{other.id}", None, broadcaster),
        ("GET", f"{channel}/acts?limit=2", None, broadcaster),
        ("POST", f"{channel}/acts/{UUID(int=7)}/undo", None, broadcaster),
        ("DELETE", f"{channel}/people/{other.id}/comments", None, broadcaster),
        ("GET", "/restrictions", None, broadcaster),
        ("PUT", f"/restrictions/{other.id}", {"kind": "ban"}, guest),
        ("DELETE", f"/restrictions/{other.id}", None, guest),
        ("DELETE", f"{comments}/{mine['id']}", None, guest),
        ("GET", f"{channel}/rules", None, None),
        ("PATCH", f"{channel}/rules", {"links_off": True}, broadcaster),
        ("PATCH", f"{channel}/rules", {"links_off": True}, guest),
        ("GET", f"{channel}/words", None, broadcaster),
        ("PUT", f"{channel}/words", {"refused": "/(/"}, broadcaster),
        ("PUT", f"{channel}/words", {"refused": "", "held": "money"}, broadcaster),
        ("POST", comments, {"body": "more money"}, guest),
        ("PUT", f"{channel}/gate", {"back_minutes": 0}, broadcaster),
        ("GET", f"{channel}/gate", None, broadcaster),
        ("DELETE", f"{channel}/gate", None, broadcaster),
        ("DELETE", f"{channel}/gate", None, broadcaster),
        ("GET", f"{video}/held", None, broadcaster),
        ("POST", f"{video}/held/{waiting}", None, broadcaster),
        ("DELETE", f"{video}/held/{waiting}", None, broadcaster),
        ("POST", f"{video}/typing", {"is_typing": True}, guest),
        ("GET", f"{video}/board", None, guest),
        ("GET", f"{video}/polls", None, guest),
        ("POST", f"{video}/polls", {"question": "Well?", "options": ["Yes", "No"]}, guest),
        ("POST", f"{video}/polls", {"question": "Well?", "options": ["Yes", "No"]}, broadcaster),
        ("PUT", f"{poll}/vote", {"option": asked["options"][0]["id"]}, guest),
        ("PUT", f"{poll}/vote", {"option": asked["options"][1]["id"]}, guest),
        ("POST", f"{poll}/close", None, broadcaster),
        ("DELETE", poll, None, broadcaster),
        ("GET", f"{video}/questions", None, guest),
        ("POST", f"{video}/questions", {"body": "And how?", "client_id": "1"}, guest),
        ("PUT", f"{video}/questions/{question}/vote", None, guest),
        ("DELETE", f"{video}/questions/{question}/vote", None, guest),
        ("PUT", f"{video}/questions/{question}/state", {"state": "answering"}, guest),
        ("PUT", f"{video}/questions/{question}/state", {"state": "answering"}, broadcaster),
        ("PUT", f"{video}/questions/{question}/state", {"state": "answered"}, broadcaster),
        ("GET", f"{video}/questions/answered", None, guest),
        ("POST", f"{video}/questions/{question}/report", {"reason": "spam"}, broadcaster),
        ("DELETE", f"{video}/questions/{question}", None, broadcaster),
        ("POST", f"{video}/questions/{question}/restore", None, broadcaster),
        ("PUT", f"{video}/questions", {"is_open": False}, broadcaster),
        ("PUT", f"{video}/announcement", {"text": "A break"}, broadcaster),
        ("PUT", f"{video}/goals/likes", {"target": 5}, broadcaster),
        ("PUT", f"{video}/raid", {"to": here.video_id}, broadcaster),
        ("GET", f"{video}/board", None, guest),
        ("DELETE", f"{video}/announcement", None, broadcaster),
        ("DELETE", f"{video}/goals/likes", None, broadcaster),
        ("DELETE", f"{video}/raid", None, guest),
        ("DELETE", f"{video}/raid", None, broadcaster),
        ("POST", "/conversations", people, guest),
        ("POST", "/conversations", people, guest),
        ("GET", "/conversations?limit=1", None, guest),
        ("GET", group, None, guest),
        ("PATCH", group, {"title": "All of us"}, guest),
        ("GET", f"{video}/friends", None, guest),
        ("POST", f"{group}/messages", {"body": "hi", "client_id": "1"}, guest),
        ("GET", f"{group}/messages?limit=1", None, guest),
        ("PUT", f"{group}/seen", {"seq": sent["seq"]}, guest),
        ("PUT", f"{group}/seen", {"seq": 1_000}, guest),
        ("POST", f"{group}/typing", {"is_typing": True}, guest),
        ("PATCH", f"{group}/messages/{sent['id']}", {"body": "hallo"}, broadcaster),
        ("PATCH", f"{group}/messages/{sent['id']}", {"body": "hallo"}, guest),
        ("GET", f"{group}/messages/{sent['id']}/versions", None, guest),
        ("DELETE", f"{group}/messages/{sent['id']}", None, guest),
        ("DELETE", f"{group}/messages/{sent['id']}", None, broadcaster),
        ("POST", f"{group}/members", {"viewer_id": other.id}, guest),
        ("DELETE", f"{group}/members/{other.id}", None, broadcaster),
        ("PUT", f"/blocks/{other.id}", None, guest),
        ("GET", "/blocks", None, guest),
        ("POST", f"{group}/members", {"viewer_id": other.id}, guest),
        ("DELETE", f"/blocks/{other.id}", None, guest),
        ("PATCH", f"/channels/{broadcaster.id}", {"about": "Mornings"}, broadcaster),
        ("PATCH", f"/channels/{broadcaster.id}", {"about": "Mine"}, guest),
        ("PUT", f"/channels/{broadcaster.id}/follow", {"alerts": True}, guest),
        ("PUT", f"/channels/{broadcaster.id}/follow", {}, broadcaster),
        ("GET", f"/channels/{broadcaster.id}", None, guest),
        ("GET", "/me/following?limit=1", None, guest),
        ("GET", "/search?q=broadcast", None, None),
        ("PUT", f"{video}/reminder", None, guest),
        ("GET", f"{video}/reminder", None, guest),
        ("DELETE", f"{video}/reminder", None, guest),
        ("GET", "/me/push", None, guest),
        ("PUT", "/me/push", {"endpoint": "https://nobody.example/x", "keys": {"p256dh": "x", "auth": "y"}}, guest),
        ("DELETE", "/me/push", None, guest),
        ("DELETE", f"/channels/{broadcaster.id}/follow", None, guest),
        ("POST", f"{video}/end", None, broadcaster),
        ("PUT", f"{video}/like", {"kind": "love"}, guest),
        ("POST", f"{video}/restart", None, guest),
        ("POST", f"{video}/restart", None, broadcaster),
        ("POST", f"{video}/end", None, broadcaster),
        ("GET", f"/videos/{uuid4()}", None, guest),
        ("POST", "/videos", {"title": ""}, broadcaster),
        ("POST", f"{video}/start", None, broadcaster),
        ("DELETE", video, None, guest),
        ("DELETE", video, None, broadcaster),
        ("DELETE", "/guests/me", None, other),
    ):
        answer = await here.call(method, path, body, person=person)
        template = f"/api/v1{path}".partition("?")[0]
        names = {value: f"{{{name}}}" for name, value in by_id.items()}
        template = "/".join(names.get(part, part) for part in template.split("/"))
        if template not in document["paths"]:
            template = "/api/v1/videos/{video_id}"
        operation = document["paths"][template][method.lower()]
        described = operation["responses"][str(answer.status_code)]
        answered.add(operation["operationId"])
        if "content" not in described:
            assert answer.content == b"", (method, path)
            continue
        assert mismatch(document, described["content"]["application/json"]["schema"], answer.json()) == "", path
        assert answer.headers["cache-control"] == "no-store"
    assert answered == {operation["operationId"] for _, _, operation in operations(document)}


async def test_every_unsafe_call_asks_who_it_is_and_guards_the_session(here: Room, document: dict[str, Any]) -> None:
    """Row 24, for every call that there is: a foreign page cannot act with the cookie that a browser adds."""
    async with httpx.AsyncClient(base_url=here.site.urls[0]) as browser:
        await browser.post("/api/v1/guests", json={"name": "Browser"})
        for path, method, operation in operations(document):
            if method not in UNSAFE or path in ("/api/v1/guests", f"/api/v1{ASKS_NOBODY}"):
                continue
            names = re.findall(r"{(\w+)}", path)
            url = path.format(**{name: uuid4() for name in names} | {"video_id": here.video_id})
            body = OPEN_TO_ALL.get(path.removeprefix("/api/v1"), {})
            answer = await browser.request(method.upper(), url, json=body)
            assert (answer.status_code, answer.json()["code"]) == (403, "csrf"), (method, path)
            if path.removeprefix("/api/v1") not in OPEN_TO_ALL:
                assert operation["security"] == [{"Bearer": []}, {"Session": []}]
                stranger = await here.client.request(method.upper(), f"{here.site.urls[0]}{url}", json=body)
                assert (stranger.status_code, stranger.json()["code"]) == (401, "unauthenticated"), (method, path)
    assert here.comments_kept() == []


# The docs page


@pytest.fixture(scope="module")
def docs(site: Site) -> str:
    page = httpx.get(f"{site.urls[0]}/api/v1/docs")
    assert page.status_code == 200
    return page.text


def test_docs_page_needs_nothing_from_elsewhere(site: Site, docs: str) -> None:
    needed = set(re.findall(r'(?:src|href)="([^"#]+)"', docs)) - {"/"}
    assert "/api/v1/openapi.json" in needed
    for url in needed:
        assert url.startswith("/")
        assert httpx.get(f"{site.urls[0]}{url}").status_code == 200
    assert "<script>" not in docs
    assert " style=" not in docs


def test_docs_page_has_every_operation_and_its_links_lead_somewhere(docs: str, document: dict[str, Any]) -> None:
    ids = re.findall(r' id="([^"]+)"', docs)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', docs)) - set(ids) == set()
    assert document["components"]["schemas"].keys() - set(ids) == set()
    for path, method, operation in operations(document):
        shown = docs.partition(f' id="{operation["operationId"]}">')[2].partition("</section>")[0]
        assert operation["summary"] in html.unescape(shown)
        assert f"{method.upper()}</span> <code>{path}</code>" in shown
        fields = {name for schema in bodies(operation) for name in resolve(document, schema)["properties"]}
        for name in fields | {parameter["name"] for parameter in operation["parameters"]}:
            assert f'<th scope="row"><code>{name}</code>' in shown
        for status, answer in operation["responses"].items():
            assert status in shown
            if status < "400" and "application/json" in answer.get("content", {}):
                schema = answer["content"]["application/json"]["schema"]
                for one in schema.get("anyOf", [schema]):
                    name = one["$ref"].rpartition("/")[2]
                    assert f'<a href="#{name}">{name}</a>' in shown
    assert "$ref" not in docs


def bodies(operation: dict[str, Any]) -> list[dict[str, Any]]:
    kinds = operation.get("requestBody", {}).get("content", {})
    return [content["schema"] for kind, content in kinds.items() if kind == "application/json"]


async def test_examples_of_the_docs_page_are_calls_that_the_server_takes(
    here: Room, docs: str, document: dict[str, Any]
) -> None:
    """Each may find that there is no such thing, never that the call itself is wrong."""
    examples = [html.unescape(text) for text in re.findall(r"<pre><code>(curl .*?)</code></pre>", docs, re.DOTALL)]
    assert len(examples) == len(list(operations(document)))
    values = {"SITE": here.site.urls[0], "TOKEN": here.people[1].token, "video_id": here.video_id}
    for example in sorted(examples, key=lambda text: "/guests/me" in text):  # last: it ends the token
        filled = re.sub(r"\$(\w+)", lambda name: values.get(name[1], str(uuid4())), example)
        words = argparse.ArgumentParser()
        words.add_argument("url")
        words.add_argument("-X", default="GET")
        words.add_argument("-H", action="append", default=[])
        words.add_argument("-d", "--data-binary", dest="d")
        call = words.parse_args(shlex.split(filled.replace("\\\n", ""))[1:])
        headers = dict(header.split(": ") for header in call.H)
        answer = await here.client.request(call.X, call.url, content=call.d, headers=headers)
        here.client.cookies.clear()
        assert answer.status_code < 500 and answer.status_code not in (400, 401, 405, 415, 422), (example, answer.text)
