"""The emoji of a channel: sent, shown wherever people write, taken away. What is written stays `:code:`."""

from __future__ import annotations

import struct
import subprocess
from typing import Any

import orjson
import pytest
from django.test import Client

from accounts import exports, removal
from accounts.models import Viewer
from accounts.tokens import issue_token
from moderation import acts as roles
from moderation.models import AuditEntry
from realtime.events import Durable
from realtime.log.threads import backend_threads
from tests.videos.acts import Stage, allow, as_account
from videos import broadcasts, channel_emoji, channel_rules, likes
from videos.models import ChannelEmoji
from videos.templatetags.comments import linked
from videos.topics import page_state
from web.ffmpeg import ffmpeg
from web.refusals import Conflict, Forbidden, Invalid

pytestmark = pytest.mark.usefixtures("transactional_db")
WAVE = {"wave": "/w", "wave_2": "/w2"}


def drawn(codec: str, size: str = "40x20", colour: str = "red@0.5") -> bytes:
    """Return a picture, of a GIF one that moves."""
    source = ("-f", "lavfi", "-i", f"color={colour}:size={size}:duration=1:rate=5,format=rgba")
    frames = () if codec == "gif" else ("-frames:v", "1")
    written = ("-f", "gif") if codec == "gif" else ("-f", "image2pipe", "-c:v", codec)
    command = [ffmpeg(), "-loglevel", "error", *source, *frames, *written, "pipe:1"]
    return subprocess.run(command, capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def png() -> bytes:
    return drawn("png")


def call(method: str, path: str, who: Viewer, data: bytes = b"", kind: str = "image/png") -> Any:
    return Client().generic(
        method, f"/api/v1{path}", data, kind, headers={"Authorization": f"Bearer {issue_token(who)}"}
    )


def put(stage: Stage, code: str, data: bytes, *, who: Viewer | None = None, kind: str = "image/png") -> Any:
    return call("PUT", f"/channels/{stage.owner.id}/emoji/{code}", who or stage.owner, data, kind)


def said(stage: Stage) -> list[tuple[str, Any]]:
    """Return what the topic of the video said of emoji."""
    return [
        (event.name, orjson.loads(event.body)["emoji"])
        for event in stage.events
        if isinstance(event, Durable) and event.name.startswith("emoji_")
    ]


async def test_emoji_is_kept_small_and_open_pages_learn_of_it(stage: Stage, png: bytes) -> None:
    made = (await backend_threads.run(put, stage, "wave", png)).json()
    listed = await backend_threads.run(Client().get, f"/api/v1/channels/{stage.owner.id}/emoji")
    assert listed.json() == {"items": [made]}
    seen = await backend_threads.run(Client().get, made["url"])
    assert (seen["Content-Type"], struct.unpack(">2I", seen.content[16:24])) == ("image/png", (72, 72))
    assert seen["Cache-Control"] == "public, max-age=86400, immutable"
    assert (await page_state(stage.video.id, None))["emoji"] == {"wave": made["url"]}

    path = f"/channels/{stage.owner.id}/emoji/wave"
    assert (await backend_threads.run(call, "DELETE", path, stage.owner)).status_code == 204
    assert (await backend_threads.run(call, "DELETE", path, stage.owner)).status_code == 404
    assert (await page_state(stage.video.id, None))["emoji"] == {}
    assert (await backend_threads.run(Client().get, made["url"])).status_code == 404
    assert said(stage) == [("emoji_added", made), ("emoji_deleted", {"code": "wave"})]


def test_another_picture_of_a_code_has_another_address(stage: Stage, png: bytes) -> None:
    """Browsers and proxies keep a picture for a day."""
    first, second = (put(stage, "wave", png).json() for _ in range(2))
    assert first["code"] == second["code"]
    assert first["url"] != second["url"]
    assert Client().get(first["url"]).status_code == 404
    assert ChannelEmoji.objects.count() == 1


@pytest.mark.parametrize("codec", ["png", "gif", "libwebp", "mjpeg"])
def test_pictures_of_these_kinds_are_taken(stage: Stage, codec: str) -> None:
    kind = {"libwebp": "image/webp", "mjpeg": "image/jpeg"}.get(codec, f"image/{codec}")
    assert put(stage, "wave", drawn(codec), kind=kind).status_code == 200
    data = bytes(ChannelEmoji.objects.get().data)
    assert data.startswith(b"\x89PNG")
    assert data.count(b"IHDR") == 1
    assert b"acTL" not in data, "it does not move"


def test_what_is_no_emoji_is_refused(stage: Stage, png: bytes) -> None:
    assert put(stage, "wave", b"<svg/>").json()["code"] == "bad_picture"
    assert put(stage, "wave", png[:40]).json()["code"] == "bad_picture"
    assert put(stage, "wave", png, kind="image/svg+xml").status_code == 415
    for code in ("w", "w" * 33, "Wave", "wa-ve", "1234", "wäve", "%00%00"):
        assert put(stage, code, png).status_code in (400, 404, 422), code
    assert not ChannelEmoji.objects.exists()


def test_channel_has_so_many_at_most(stage: Stage, png: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_emoji, "EMOJI_MAX", 2)
    for code in ("one", "two", "two"):
        channel_emoji.keep(stage.owner.id, stage.owner, code, png)
    with pytest.raises(Conflict) as refused:
        channel_emoji.keep(stage.owner.id, stage.owner, "three", png)
    assert refused.value.code == "too_many_emoji"


def test_moderators_give_emoji_and_helpers_do_not(stage: Stage, png: bytes) -> None:
    moderator, helper, viewer = map(as_account, stage.viewers[:3])
    roles.give_role(stage.owner.id, moderator.id, stage.owner, "moderator")
    roles.give_role(stage.owner.id, helper.id, stage.owner, "helper")
    assert put(stage, "wave", png, who=helper).status_code == 403
    assert put(stage, "wave", png, who=viewer).status_code == 403
    assert put(stage, "wave", png, who=moderator).status_code == 200
    entry = AuditEntry.objects.get(act="emoji_added")
    assert (entry.actor, entry.text) == (moderator, ":wave:")


def test_a_channel_that_is_none_has_no_emoji(stage: Stage, png: bytes) -> None:
    nobody = stage.viewers[0]
    assert call("PUT", f"/channels/{nobody.id}/emoji/wave", nobody, png).status_code == 404
    assert Client().get(f"/api/v1/channels/{nobody.id}/emoji").status_code == 404


async def test_emoji_only_takes_those_of_the_channel(stage: Stage, png: bytes) -> None:
    def begin() -> None:
        channel_rules.set_rules(stage.owner.id, stage.owner, {"emoji_only": True})
        channel_emoji.keep(stage.owner.id, stage.owner, "wave", png)

    await backend_threads.run(begin)
    viewer = stage.viewers[0]
    for text in (":wave:", ":wave::wave: 👋"):
        assert (await likes.comment(stage.video.id, viewer, text))["body"] == text
    for text in (":wave: hello", ":other:", "wave"):
        with pytest.raises(Forbidden):
            await likes.comment(stage.video.id, viewer, text)
    await backend_threads.run(channel_emoji.delete, stage.owner.id, stage.owner, "wave")
    with pytest.raises(Forbidden):
        await likes.comment(stage.video.id, viewer, ":wave:")


def test_ended_videos_say_nothing_unless_people_write_there(stage: Stage, png: bytes) -> None:
    later = broadcasts.create_video(stage.owner, title="Comments go on", comments_after_end=True)
    for video in (stage.video, later):
        broadcasts.end_video(video.id, stage.owner)
    assert channel_emoji.topics_of(stage.owner.id) == [later.topic]
    stage.events.clear()
    channel_emoji.keep(stage.owner.id, stage.owner, "wave", png)
    assert [event.topic for event in stage.events] == [later.topic]


async def test_page_that_is_read_without_a_script_has_the_pictures(stage: Stage, png: bytes) -> None:
    made = await backend_threads.run(channel_emoji.keep, stage.owner.id, stage.owner, "wave", png)
    await likes.comment(stage.video.id, stage.viewers[0], "Hi :wave: and :other:")
    page = (await backend_threads.run(Client().get, f"/videos/{stage.video.id}/")).content.decode()
    shown = f'<img class="own-emoji" src="/api/v1/emoji/{made.id}" alt=":wave:" title=":wave:" width="72" height="72">'
    assert f"Hi {shown} and :other:" in page


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        (":wave:", ["wave"]),
        (":wave::wave_2:", ["wave", "wave_2"]),
        ("a:wave:b", ["wave"]),
        (":x:wave:", ["wave"]),
        (":wave", []),
        ("12:30:45 :Wave: :wave :", []),
        ("https://example.org/:wave:/", []),
    ],
)
def test_codes_are_found_in_texts(text: str, codes: list[str]) -> None:
    found = linked(text, WAVE)
    assert [part.partition(':"')[0] for part in found.split('alt=":')[1:]] == codes


@pytest.mark.parametrize("code", ["00", "30", "__", "1_2", "a", "A1", "a" * 33, "é1", "a1\n"])
def test_a_code_has_a_letter_and_its_length(code: str) -> None:
    """With a code of digits each time of day had a picture in it: 12:30:00."""
    with pytest.raises(Invalid):
        channel_emoji.check_code(code)
    for good in ("wave", "w1", "1w", "_w_", "a" * 32):
        channel_emoji.check_code(good)


def test_no_text_is_lost_and_none_is_taken_for_html() -> None:
    assert linked("<b>:wave:</b>", {"wave": "/w"}).startswith("&lt;b&gt;<img ")
    assert linked("a :b: c", {}) == "a :b: c"
    assert linked("see https://x.org/@ana.", {}).count('href="https://x.org/@ana"') == 1
    assert linked("http://bank.example@evil.org/", {}) == "http://bank.example@evil.org/", "it looks as if it led there"


def test_emoji_are_in_the_copy_of_an_account_and_go_with_it(stage: Stage, png: bytes) -> None:
    Viewer.objects.filter(pk=stage.owner.pk).update(is_guest=False, username="nadia")
    stage.owner.refresh_from_db()
    put(stage, "wave", png)
    with exports.copy_of(stage.owner) as file:
        file.seek(0)
        [emoji] = orjson.loads(file.read())["emoji"]
    assert emoji["code"] == "wave"
    assert emoji["picture"].startswith("iVBOR")
    removal.ask_for_erasure(stage.owner)
    assert removal.erase_next()
    assert not ChannelEmoji.objects.exists()


def test_moderators_of_the_site_delete_emoji_in_the_admin(stage: Stage, png: bytes) -> None:
    made = channel_emoji.keep(stage.owner.id, stage.owner, "wave", png)
    staff = stage.viewers[0]
    Viewer.objects.filter(pk=staff.pk).update(is_staff=True, is_guest=False)
    staff.refresh_from_db()
    allow(staff, "delete_comment")
    client = Client()
    client.force_login(staff)
    path = "/admin/videos/channelemoji/"
    assert f"/api/v1/emoji/{made.id}" in client.get(path).content.decode()
    client.post(path, {"action": "delete_emoji", "_selected_action": [str(made.id)]})
    assert not ChannelEmoji.objects.exists()
    assert AuditEntry.objects.get(act="emoji_deleted").actor == staff
