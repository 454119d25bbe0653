"""Pages of other origins in a real browser: what they may do with tokens and tickets, and who may use cookies."""

from __future__ import annotations

from typing import Any

from tests.conftest import LISTED_ORIGIN
from tests.e2e.conftest import Broadcaster, OpenWindow
from tests.e2e.test_apart import other_site
from tests.sites import Site

DO = """
async ({site, id, credentials}) => {
  const json = {"Content-Type": "application/json"};
  const call = async (method, path, options = {}) => {
    try {
      const answer = await fetch(site + path, {method, credentials, ...options});
      return [answer.status, answer.headers.get("content-type")?.includes("json") ? await answer.json() : null];
    } catch (error) {
      return [String(error)];
    }
  };
  const first = (source, ...names) => new Promise((resolve) => {
    for (const name of names) source.addEventListener(name, () => { source.close(); resolve(name); });
  });
  const found = {};
  found.videos = (await call("GET", "/api/v1/videos"))[0];
  const [status, guest] = await call("POST", "/api/v1/guests", {headers: json, body: '{"name": "Page"}'});
  found.guest = status;
  const bearer = {Authorization: `Bearer ${guest?.token}`};
  const way = credentials === "include" ? {} : bearer;
  found.me = (await call("GET", "/api/v1/me", {headers: way}))[0];
  const like = {headers: {...json, ...way}, body: '{"kind": "love"}'};
  found.like = (await call("PUT", `/api/v1/videos/${id}/like`, like))[0];
  const wanted = JSON.stringify({topics: [`user:${guest?.viewer.id}`, `video:${id}`]});
  const [given, {ticket}] = await call("POST", "/api/v1/tickets", {headers: {...json, ...way}, body: wanted});
  found.ticket = given;
  found.missing = (await call("GET", "/api/v1/nothing"))[1]?.code;
  found.playlist = (await call("GET", `/media/${id}/live.m3u8`))[0];
  found.stream = await fetch(`${site}/events?topic=user:${guest?.viewer.id}`, {headers: way, credentials})
    .then(async (answer) => { await answer.body.cancel(); return answer.status; }, String);
  const open = (query, options) => first(new EventSource(`${site}/events?${query}`, options), "hello", "error");
  found.events = await open(`topic=video:${id}`);
  found.eventsWithTicket = await open(`topic=user:${guest?.viewer.id}&ticket=${ticket}`);
  found.eventsWithCookies = await open(`topic=user:${guest?.viewer.id}`, {withCredentials: true});
  const socket = (query) => first(
    new WebSocket(`${site.replace("http", "ws")}/ws?topic=video:${id}${query}`, "live.v1.json"), "message", "error");
  found.socket = await socket("");
  found.socketWithTicket = await socket(`&ticket=${ticket}`);
  return found;
}
"""


def video_with_picture(site: Site, broadcaster: Broadcaster) -> str:
    video_id = broadcaster.new_video(title="For other pages")
    folder = site.folder / "media" / video_id
    folder.mkdir(parents=True)
    (folder / "live.m3u8").write_text("#EXTM3U\n")
    return video_id


ALL_WELL: dict[str, Any] = {
    "videos": 200,
    "guest": 201,
    "me": 200,
    "like": 200,
    "ticket": 200,
    "missing": "not_found",
    "playlist": 200,
    "stream": 200,
    "events": "hello",
    "eventsWithTicket": "hello",
    "socketWithTicket": "message",
}


async def test_page_of_any_origin_does_everything_with_a_token_or_a_ticket_and_nothing_with_cookies(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    """All but the bare EventSource failed: `Failed to fetch`, and no way to a ticket for the WebSocket."""
    given = {"site": site.urls[0], "id": video_with_picture(site, broadcaster)}
    async with other_site("") as url:
        window = await open_window(url)
        found = await window.page.evaluate(DO, given | {"credentials": "omit"})
        assert found == ALL_WELL | {"eventsWithCookies": "error", "socket": "error"}
        assert await window.page.context.cookies() == []
        with_cookies = "fetch(site + '/api/v1/videos', {credentials: 'include'}).then(() => 'read', () => 'refused')"
        assert await window.page.evaluate(f"({{site}}) => {with_cookies}", given) == "refused"


async def test_page_of_a_listed_origin_acts_with_cookies(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    """Naming an origin in CSRF_TRUSTED_ORIGINS took EventSource away from it, and REST stayed closed."""
    given = {"site": site.urls[0], "id": video_with_picture(site, broadcaster)}
    async with other_site("", origin=LISTED_ORIGIN) as url:
        window = await open_window(url)
        found = await window.page.evaluate(DO, given | {"credentials": "include"})
    assert found == ALL_WELL | {"eventsWithCookies": "hello", "socket": "message"}
    assert broadcaster.call("GET", f"/videos/{given['id']}")["likes"]["kinds"]["love"] == 1
