"""What a browser records, made by ffmpeg: WebM and MP4 that come piece by piece, with picture and sound."""

from __future__ import annotations

from tests.ingest.rtmp.encoders import H264, PICTURE, SOUND, ffmpeg

OPUS = ("-c:a", "libopus", "-ar", "48000", "-b:a", "32k")
VP8 = ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-g", "10")
PIECE_BYTES = 4_096
FRAMES = 20


async def recorded(container: str, codec: tuple[str, ...] = H264, *, sound: bool = True) -> bytes:
    """Return two seconds."""
    form = {
        "webm": ("-f", "matroska", "-live", "1"),
        "mp4": ("-f", "mp4", "-movflags", "+frag_keyframe+empty_moov+default_base_moof"),
    }
    sounds = (SOUND, OPUS) if sound else ((), ())
    picture = ("-t", str(FRAMES / 10), "-pix_fmt", "yuv420p", *codec)
    done = await ffmpeg(*PICTURE, *sounds[0], *picture, *sounds[1], *form[container], "-")
    assert (done.code, done.errors) == (0, "")
    return done.output


def pieces(data: bytes) -> list[bytes]:
    return [data[at : at + PIECE_BYTES] for at in range(0, len(data), PIECE_BYTES)]
