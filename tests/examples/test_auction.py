"""A site of another kind stands on the platform: an auction, with bids, stars and the auctioneer's calls.

The example starts as its README says, with servers of its own, and is used from outside only.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from django.conf import global_settings

from host import embedded
from realtime.conf import DEFAULTS
from tests.sites import free_port, wait_for
from tests.watching import Refused, SseWatcher, Watcher, WebSocketWatcher, watching

HERE = Path("examples") / "auction"
PASSWORD = "going-going-gone-57"


@dataclass
class Auction:
    url: str
    log: Path


@pytest.fixture(scope="module")
def auction(checkout: Path) -> Iterator[Auction]:
    """The running auction: two nodes, a worker, PostgreSQL and Valkey, and an auctioneer who is called Ada."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("LIVE_", "DATABASE", "REDIS"))}
    port = free_port()
    with embedded.temporary_folder() as folder:
        env = {**own, "AUCTION_DATA_DIR": str(folder / "data"), "PORT": str(port)}
        env.pop("DJANGO_SETTINGS_MODULE", None)
        log = folder / "log"
        with log.open("wb") as output:
            started = subprocess.Popen(
                [sys.executable, HERE / "start.py"], cwd=checkout, env=env, stdout=output, stderr=subprocess.STDOUT
            )
        try:
            wait_for(lambda: b"Ready" in log.read_bytes() or started.poll() is not None, "the auction")
            assert started.poll() is None, log.read_text()
            make = ["createsuperuser", "--noinput", "--username", "ada", "--email", "ada@example.org"]
            subprocess.run(
                [sys.executable, HERE / "start.py", *make],
                cwd=checkout,
                env={**env, "DJANGO_SUPERUSER_PASSWORD": PASSWORD},
                check=True,
            )
            yield Auction(f"http://127.0.0.1:{port}", log)
            assert started.poll() is None, log.read_text()
        finally:
            started.send_signal(signal.SIGINT)
            assert started.wait() == 0
        assert "Traceback" not in log.read_text()


class Visitor(httpx.AsyncClient):
    """A browser of somebody who visits the auction."""

    async def send_form(self, path: str, **fields: Any) -> httpx.Response:
        """Fill in the form of a page, and send it."""
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', (await self.get(path)).text)
        assert token is not None, path
        to = fields.pop("to", path)
        return await self.post(to, data={"csrfmiddlewaretoken": token[1], **fields}, headers={"Referer": path})

    async def ask(self, path: str, body: object) -> httpx.Response:
        return await self.post(path, json=body, headers={"X-CSRFToken": self.cookies["csrftoken"]})

    @property
    def cookie(self) -> dict[str, str]:
        """The headers with which the browser opens a stream."""
        return {"Cookie": f"sessionid={self.cookies['sessionid']}"}


Enter = Callable[[], Visitor]


@pytest_asyncio.fixture
async def enter(auction: Auction) -> AsyncIterator[Enter]:
    visitors: list[Visitor] = []

    def enter() -> Visitor:
        visitors.append(Visitor(base_url=auction.url, follow_redirects=True, timeout=60))
        return visitors[-1]

    yield enter
    for visitor in visitors:
        await visitor.aclose()


@pytest_asyncio.fixture
async def ada(enter: Enter) -> Visitor:
    """The auctioneer, at the desk."""
    ada = enter()
    answer = await ada.send_form("/admin/login/", username="ada", password=PASSWORD, next="/admin/")
    assert "Site administration" in answer.text
    return ada


async def offer(ada: Visitor, title: str, **fields: Any) -> str:
    """Offer a lot from 10 €; return its id."""
    answer = await ada.send_form("/admin/lots/lot/add/", title=title, start=10, **fields)
    found = re.search(r"/admin/lots/lot/([0-9a-f-]{36})/change/\">" + title, answer.text)
    assert found is not None, answer.text
    return found[1]


async def join(visitor: Visitor, name: str, lot: str) -> Visitor:
    answer = await visitor.send_form(f"/lots/{lot}/", to="/join", name=name, next=f"/lots/{lot}/")
    assert f"You bid as {name}" in answer.text
    return visitor


def amounts(watcher: Watcher) -> list[int]:
    return [seen.data["bid"]["amount"] for seen in watcher.named("bid")]


async def test_bids_come_to_everybody_in_order(auction: Auction, ada: Visitor, enter: Enter) -> None:
    lot = await offer(ada, "A chair")
    bob, eve = await join(enter(), "Bob", lot), await join(enter(), "Eve", lot)
    kinds = (SseWatcher, WebSocketWatcher)
    async with watching(*(kinds[number % 2](auction.url, f"lot:{lot}") for number in range(6))) as viewers:
        assert (await bob.ask(f"/lots/{lot}/bids", {"amount": 9})).status_code == 409
        assert (await bob.ask(f"/lots/{lot}/bids", {"amount": "many"})).status_code == 422
        assert (await bob.ask(f"/lots/{lot}/bids", {"amount": 10})).status_code == 201
        assert (await eve.ask(f"/lots/{lot}/bids", {"amount": 10})).json() == {
            "code": "refused",
            "detail": "Bid 11 € or more.",
        }
        assert (await eve.ask(f"/lots/{lot}/bids", {"amount": 25})).status_code == 201
        for viewer in viewers:
            await viewer.wait_for(lambda viewer=viewer: amounts(viewer) == [10, 25], "both bids")  # type: ignore[misc]
            assert viewer.named("bid")[1].data["bid"]["bidder"] == "Eve"
            assert viewer.problems == []
    async with watching(SseWatcher(auction.url, f"lot:{lot}")) as [late]:
        snapshot = late.named("hello")[0].data["topics"][f"lot:{lot}"]["snapshot"]
    assert [bid["amount"] for bid in snapshot["bids"]] == [25, 10]
    assert (snapshot["lot"]["title"], snapshot["stars"]["total"]) == ("A chair", 0)


async def test_a_counter_is_counted_once_for_each(auction: Auction, ada: Visitor, enter: Enter) -> None:
    lot = await offer(ada, "A lamp")
    fans = [await join(enter(), name, lot) for name in ("Flo", "Gus")]
    async with watching(SseWatcher(auction.url, f"lot:{lot}")) as [viewer]:
        answers = [(await fan.ask(f"/lots/{lot}/star", {})).json() for fan in (*fans, fans[0])]
        assert answers == [{"stars": 1}, {"stars": 2}, {"stars": 2}]
        await viewer.wait_for(lambda: any(seen.data["total"] == 2 for seen in viewer.named("stars")), "two stars")
        assert viewer.named("stars")[-1].data["kinds"] == {"star": 2}
        await viewer.wait_for(lambda: any(seen.data["count"] == 1 for seen in viewer.named("viewers")), "a viewer")


async def test_a_state_is_shown_and_replaced(auction: Auction, ada: Visitor, enter: Enter) -> None:
    """What the auctioneer calls is kept by no row; a bid ends it, and selling is an event like any other."""
    lot = await offer(ada, "A clock")
    hal = await join(enter(), "Hal", lot)
    async with watching(WebSocketWatcher(auction.url, f"lot:{lot}")) as [viewer]:

        async def desk(action: str) -> None:
            answer = await ada.send_form("/admin/lots/lot/", action=action, _selected_action=lot, index=0)
            assert answer.status_code == 200

        def calls() -> list[str]:
            return [seen.data["call"] for seen in viewer.named("call")]

        await desk("going_once")
        await viewer.wait_for(lambda: calls() == ["Going once …"], "the call")
        async with watching(SseWatcher(auction.url, f"lot:{lot}")) as [second]:
            await second.wait_for(lambda: second.hellos > 0, "a hello")
        assert (await hal.ask(f"/lots/{lot}/bids", {"amount": 12})).status_code == 201
        await viewer.wait_for(lambda: calls() == ["Going once …", ""], "the end of the call")
        await desk("sell")
        await viewer.wait_for(lambda: "closed" in viewer.names, "the end")
        assert (await hal.ask(f"/lots/{lot}/bids", {"amount": 20})).json()["detail"] == "The lot is sold."


async def test_a_private_lot_is_for_those_invited(auction: Auction, ada: Visitor, enter: Enter) -> None:
    public = await offer(ada, "A door")
    ivy = await join(enter(), "Ivy", public)
    page = (await ada.get("/admin/lots/lot/add/")).text
    found = re.search(r'<option value="(\d+)">Ivy</option>', page)
    assert found is not None
    lot = await offer(ada, "A secret", is_private="on", invited=found[1])
    topic = f"lot:{lot}"
    assert (await enter().get(f"/lots/{lot}/")).status_code == 404
    with pytest.raises(Refused) as refused:
        await SseWatcher(auction.url, topic).open()
    assert refused.value.status == 404
    async with watching(SseWatcher(auction.url, topic, headers=ivy.cookie)) as [viewer]:
        await ada.send_form(f"/admin/lots/lot/{lot}/change/", title="A secret", start=10, is_private="on")
        await viewer.is_closed()
    with pytest.raises(Refused):
        await SseWatcher(auction.url, topic, headers=ivy.cookie).open()


async def test_who_signs_out_loses_what_that_opened(auction: Auction, ada: Visitor) -> None:
    """Nobody wrote a line for it: Django's users are the platform's viewers unless a site says otherwise."""
    lot = await offer(ada, "A safe", is_private="on")
    async with watching(SseWatcher(auction.url, f"lot:{lot}", headers=ada.cookie)) as [viewer]:
        await ada.send_form("/admin/", to="/admin/logout/")
        await viewer.is_closed()


async def test_the_platform_brings_its_own_calls(auction: Auction, ada: Visitor, enter: Enter) -> None:
    lot, other = await offer(ada, "A vase"), await offer(ada, "A rug")
    program = enter()
    ticket = (await program.post("/api/v1/tickets", json={"topics": [f"lot:{lot}"]})).json()["ticket"]
    async with watching(SseWatcher(auction.url, f"lot:{lot}", query=f"&ticket={ticket}")) as [viewer]:
        change = {"connection": viewer.connection, "subscribe": [{"topic": f"lot:{other}"}]}
        answer = await program.post("/api/v1/subscriptions", json=change)
        assert answer.json() == {"topics": {f"lot:{other}": {"seq": 1}}}
        await viewer.wait_for(lambda: "subscribed" in viewer.names, "the second topic")
        assert (await program.post("/api/v1/saw", json={"connection": viewer.connection, "frames": []})).json() == {
            "seen": 0
        }
    assert (await program.get("/api/v1/time")).json()["now_ms"] > 0
    assert (await program.get("/readyz")).json()["ready"] is True
    assert "live_connections" in (await program.get("/metrics")).text
    assert 'process="dispatcher-' in (await program.get("/metrics/region")).text


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/api/v1/tickets", 400, "malformed"),
        ("POST", "/api/v1/subscriptions", 400, "malformed"),
        ("GET", "/events", 422, "invalid_topic"),
        ("GET", "/events?topic=video:1", 422, "invalid_topic"),
        ("GET", "/events?topic=lot:1", 404, "not_found"),
        ("POST", "/events?topic=lot:1", 405, "method_not_allowed"),
        ("GET", "/ws", 426, "upgrade_required"),
    ],
)
async def test_the_platform_refuses_in_words(enter: Enter, method: str, path: str, status: int, code: str) -> None:
    answer = await enter().request(method, path, content=b"{" if method == "POST" else None)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_streams_are_for_the_sites_own_names(enter: Enter) -> None:
    answer = await enter().get("/events?topic=lot:1", headers={"Host": "evil.example"})
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_host")


async def test_a_session_acts_only_from_its_own_pages(ada: Visitor) -> None:
    answer = await ada.post("/api/v1/tickets", json={"topics": ["lot:1"]})
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf")


def test_its_settings_are_djangos_and_those_documented(checkout: Path) -> None:
    text = (checkout / HERE / "auction" / "settings.py").read_text()
    names = set(re.findall(r"^([A-Z_]+) = ", text, re.MULTILINE)) - {"BASE_DIR", "ROOT_URLCONF", "ASGI_APPLICATION"}
    assert {name for name in names if not hasattr(global_settings, name)} == {"REDIS_URL", "LIVE_FRAME_MS"}


def test_every_setting_of_the_platform_is_documented(checkout: Path) -> None:
    table = (checkout / "docs" / "platform.md").read_text().partition("## Settings")[2]
    names = re.findall(
        r"`([A-Z_]{3,})`", "\n".join(line.split("|")[1] for line in table.splitlines() if line[:1] == "|")
    )
    assert sorted(names) == sorted((*DEFAULTS, "LIVE_LAYER_URLS"))


def test_its_types_are_right(checkout: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "mypy"], cwd=checkout / HERE, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_has_all_its_migrations(checkout: Path) -> None:
    command = [sys.executable, str(HERE / "manage.py"), "makemigrations", "--check", "--dry-run"]
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "auction.settings"}
    done = subprocess.run(command, cwd=checkout, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
