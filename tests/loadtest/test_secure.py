"""Viewers and requests by HTTPS."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from loadtest import secure
from loadtest.connection import StreamKind
from loadtest.report import to_text
from tests.certificates import certificate
from tests.loadtest.fake_site import Event, FakeSite, FakeViewer
from tests.loadtest.runs import only, run


@pytest.fixture(autouse=True)
def _own_context() -> None:
    secure.context.cache_clear()


def tls_of(folder: Path) -> tuple[ssl.SSLContext, Path]:
    key, chain = certificate(folder)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(chain, key)
    return made, chain


@pytest.mark.parametrize("by_websocket", [False, True])
async def test_everything_comes_also_to_a_viewer_that_was_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_websocket: bool
) -> None:
    def cut(viewer: FakeViewer, event: Event) -> list[Event]:
        if event.seq == 4:
            viewer.cut()
            return []
        return [event]

    tls, chain = tls_of(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(chain))
    async with FakeSite(tls=tls) as fake:
        fake.lie = only(3, cut)
        result = await run(fake, transport=StreamKind.MIX, by_websocket=by_websocket)
    assert result.passed, to_text(result)
    assert result.reconnects == 1
