"""A web server of somebody else's, with a live picture as HLS, which pages of any site may load."""

from __future__ import annotations

import contextlib
import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

from tests.ingest.booth import encoders
from tests.sites import wait_for


class Handler(http.server.SimpleHTTPRequestHandler):
    def end_headers(self) -> None:
        self.send_header("Access-Control-Allow-Origin", "*")
        super().end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def film_server(folder: Path, port: int, film: tuple[str, ...]) -> Iterator[None]:
    """Have it for the length of the block, its picture at `/live.m3u8`. `film`: ffmpeg's options."""
    handler = functools.partial(Handler, directory=str(folder))
    with encoders() as encode, http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        encode(*film, "-f", "hls", "-hls_time", "1", str(folder / "live.m3u8"))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            wait_for((folder / "live.m3u8").exists, "the playlist")
            yield
        finally:
            server.shutdown()
