"""Pictures that people upload. Of what somebody sends nothing is kept: ffmpeg, in a process of its own with limits,
reads it as the kind that it begins like, and writes another JPEG, or a PNG.

Called by what keeps pictures of videos, of people and of channels. Sources: ffmpeg's documentation (image2 demuxer and
muxer, `-max_pixels`); the first bytes of JPEG (ITU-T T.81), PNG (RFC 2083), WebP (RFC 9649) and GIF files (GIF89a).
"""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Collection, Sequence
from typing import Any

from django.http import HttpRequest

from web.ffmpeg import ffmpeg
from web.parsing import UnsupportedMediaType
from web.refusals import Invalid

KINDS = ("image/jpeg", "image/png", "image/webp")
"""What may be sent."""
SMALL_KINDS = (*KINDS, "image/gif")
"""What may be sent where a small picture is kept: of a GIF that moves its first picture."""
_DEMUXERS = {"image/jpeg": "jpeg_pipe", "image/png": "png_pipe", "image/webp": "webp_pipe", "image/gif": "gif_pipe"}
"""As what ffmpeg reads it."""
_BEGINNINGS = {
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/webp": re.compile(rb"RIFF....WEBP", re.DOTALL),
    "image/gif": re.compile(rb"GIF8[79]a"),
}
PIXELS_MAX = 40_000_000
SECONDS_MAX = 10.0
_two_at_once = threading.Semaphore(2)


def body_of(kinds: Collection[str]) -> dict[str, Any]:
    """Return how the API's description says that such a picture is the body of a request."""
    content = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in kinds}
    return {"requestBody": {"required": True, "content": content}}


BODY = body_of(KINDS)


def kind_of(request: HttpRequest, kinds: Collection[str] = KINDS) -> str:
    """Return what a request says that it brings. Raises UnsupportedMediaType."""
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind not in kinds:
        raise UnsupportedMediaType(f"Send {', '.join(kinds)}.")
    return kind


def as_jpeg(kind: str, data: bytes, width: int, height: int) -> bytes:
    """Return a JPEG of it, of this size: what is outside of the form is cut. Blocks. Raises Invalid."""
    form = f"scale={width}:{height}:force_original_aspect_ratio=increase,crop={width}:{height}"
    bad = Invalid("This picture cannot be used. Send a JPEG, PNG or WebP file.", code="bad_picture")
    return _written(kind, data, form, ("-c:v", "mjpeg", "-q:v", "4"), otherwise=bad)


def as_png(kind: str, data: bytes, pixels: int) -> bytes:
    """Return a PNG of the whole of it, with so many pixels each way. The rest of the square, and what one could see
    through, is clear. Blocks. Raises Invalid.
    """
    form = f"scale={pixels}:{pixels}:force_original_aspect_ratio=decrease:flags=lanczos"
    form += f",format=rgba,pad={pixels}:{pixels}:-1:-1:color=black@0"
    bad = Invalid("This picture cannot be used. Send a JPEG, PNG, WebP or GIF file.", code="bad_picture")
    return _written(kind, data, form, ("-c:v", "png"), otherwise=bad)


def _written(kind: str, data: bytes, form: str, codec: Sequence[str], *, otherwise: Invalid) -> bytes:
    if not _BEGINNINGS[kind].match(data):
        raise otherwise
    command = [
        *("nice", "-n", "10", ffmpeg(), "-nostdin", "-loglevel", "error", "-max_pixels", str(PIXELS_MAX)),
        *("-protocol_whitelist", "pipe", "-threads", "1", "-f", _DEMUXERS[kind], "-i", "pipe:0", "-frames:v", "1"),
        *("-vf", form, "-map_metadata", "-1", "-threads", "1", *codec, "-f", "image2pipe", "pipe:1"),
    ]
    with _two_at_once:
        try:
            done = subprocess.run(command, input=data, capture_output=True, timeout=SECONDS_MAX)
        except subprocess.TimeoutExpired as error:
            raise otherwise from error
    if done.returncode or not done.stdout:
        raise otherwise
    return done.stdout
