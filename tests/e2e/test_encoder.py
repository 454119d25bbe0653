"""The README's own way to broadcast a picture, pasted as it is, with an encoder that fails in the middle."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.conftest import Broadcaster, OpenWindow
from tests.sites import Site, wait_for

# What colour the picture has, as a page sees it.
COLOUR = """(() => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
  const drawn = canvas.getContext("2d");
  drawn.drawImage(document.querySelector("video"), 0, 0, 1, 1);
  const [red, , blue] = drawn.getImageData(0, 0, 1, 1).data;
  return red > blue + 50 ? "red" : blue > red + 50 ? "blue" : "";
})()"""


class Encoder:
    """The README's line, run in a shell."""

    def __init__(self, line: str, studio: Path, colour: str) -> None:
        ffmpeg = str(studio / "bin" / "ffmpeg")
        sources = ("-f", "lavfi", "-i", f"color={colour}:s=160x90:r=25", "-f", "lavfi", "-i", "sine")
        argv = [ffmpeg, "-y", "-loglevel", "error", *sources, "-t", "120", "-preset", "ultrafast", "film.mp4"]
        subprocess.run(argv, cwd=studio, stdin=subprocess.DEVNULL, check=True)
        env = {**os.environ, "PATH": f"{studio / 'bin'}:{os.environ['PATH']}"}
        self._shell = subprocess.Popen(
            ["bash", "-eu", "-c", line],
            cwd=studio,
            env=env,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def kill(self) -> None:
        if self._shell.poll() is None:
            os.killpg(self._shell.pid, signal.SIGKILL)
        self._shell.wait()


@pytest.fixture
def encode(tmp_path: Path, checkout: Path, site: Site) -> Iterator[Callable[[str, str], Encoder]]:
    """Broadcast a film of one colour with a key as the README says."""
    from imageio_ffmpeg import get_ffmpeg_exe

    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "ffmpeg").symlink_to(get_ffmpeg_exe())
    [line] = re.findall(r"^```bash\n(.*?)^```$", (checkout / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    with ExitStack() as stack:

        def started(key: str, colour: str) -> Encoder:
            pasted = line.replace("localhost", f"127.0.0.1:{site.env['LIVE_RTMP_PORT']}").replace("<stream key>", key)
            assert "<" not in pasted
            encoder = Encoder(pasted, tmp_path, colour)
            stack.callback(encoder.kill)
            return encoder

        yield started


async def test_the_readmes_line_works_as_pasted_and_its_picture_survives_a_restart(
    site: Site, ingest: None, broadcaster: Broadcaster, encode: Callable[[str, str], Encoder], open_window: OpenWindow
) -> None:
    """Viewers see the new picture, never one of before, in the page that they had open."""
    video_id = broadcaster.new_video(title="Red, then blue")
    key = broadcaster.call("GET", "/me/stream-key")["key"]
    first = encode(key, "red")
    playlist = site.folder / "media" / video_id / "live.m3u8"
    wait_for(lambda: playlist.exists() and playlist.read_text().count("#EXTINF") >= 3, "three segments")
    window = await open_window(f"{site.urls[0]}/videos/{video_id}/")
    await window.until(f"{COLOUR} === 'red'")
    first.kill()
    encode(key, "blue")
    await window.until(f"{COLOUR} === 'blue'")
    assert "#EXT-X-DISCONTINUITY\n" in playlist.read_text()
