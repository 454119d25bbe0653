"""Pictures that people upload. Of what somebody sends nothing is kept: ffmpeg, in a process of its own with limits,
reads it as the kind that it begins like, and writes another JPEG.

Called by what keeps pictures of videos and of people. Sources: ffmpeg's documentation (image2 demuxer and muxer,
`-max_pixels`); the first bytes of JPEG (ITU-T T.81), PNG (RFC 2083) and WebP (RFC 9649) files.
"""

from __future__ import annotations

import re
import subprocess
import threading
from typing import Any

from django.http import HttpRequest

from web.ffmpeg import ffmpeg
from web.parsing import UnsupportedMediaType
from web.refusals import Invalid

KINDS = {"image/jpeg": "jpeg_pipe", "image/png": "png_pipe", "image/webp": "webp_pipe"}
"""What may be sent, and as what ffmpeg reads it."""
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in KINDS},
    }
}
"""For the API's description."""
_BEGINNINGS = {
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/webp": re.compile(rb"RIFF....WEBP", re.DOTALL),
}
PIXELS_MAX = 40_000_000
SECONDS_MAX = 10.0
BAD = "This picture cannot be used. Send a JPEG, PNG or WebP file."
_two_at_once = threading.Semaphore(2)


def kind_of(request: HttpRequest) -> str:
    """Return what a request says that it brings. Raises UnsupportedMediaType."""
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind not in KINDS:
        raise UnsupportedMediaType(f"Send {', '.join(KINDS)}.")
    return kind


def as_jpeg(kind: str, data: bytes, width: int, height: int) -> bytes:
    """Return a JPEG of it, of this size: what is outside of the form is cut. Blocks. Raises Invalid."""
    if not _BEGINNINGS[kind].match(data):
        raise Invalid(BAD, code="bad_picture")
    command = [
        *("nice", "-n", "10", ffmpeg(), "-nostdin", "-loglevel", "error", "-max_pixels", str(PIXELS_MAX)),
        *("-protocol_whitelist", "pipe", "-threads", "1", "-f", KINDS[kind], "-i", "pipe:0", "-frames:v", "1"),
        *("-vf", f"scale={width}:{height}:force_original_aspect_ratio=increase,crop={width}:{height}"),
        *("-map_metadata", "-1", "-threads", "1", "-c:v", "mjpeg", "-q:v", "4", "-f", "image2pipe", "pipe:1"),
    ]
    with _two_at_once:
        try:
            done = subprocess.run(command, input=data, capture_output=True, timeout=SECONDS_MAX)
        except subprocess.TimeoutExpired as error:
            raise Invalid(BAD, code="bad_picture") from error
    if done.returncode or not done.stdout:
        raise Invalid(BAD, code="bad_picture")
    return done.stdout
