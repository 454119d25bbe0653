"""The picture of the demo broadcast: a moving one with a running clock and quiet sound, made live by ffmpeg.

Called by host.demo. Costs 6 to 8 % of a core (2-core virtual machine).
"""

from __future__ import annotations

import contextlib
import subprocess
import time
from pathlib import Path

from host.processes import Program

SEGMENT_SECONDS = 1
PLAYLIST_SEGMENTS = 6
POSTER_SECONDS = 10.0
# An older playlist is not continued: no player has waited so long for it.
STALE_SECONDS = 60.0
FONTS = Path(__file__).resolve().parent / "fonts"
_WIDTH, _HEIGHT, _FRAMES_PER_SECOND = 854, 480, 15


def _fresh_playlist(folder: Path) -> str:
    """Return the text of the playlist, or "" if there is none that a player may still follow."""
    playlist = folder / "live.m3u8"
    with contextlib.suppress(OSError):
        if time.time() - playlist.stat().st_mtime < STALE_SECONDS:
            return playlist.read_text()
    return ""


def clear(folder: Path) -> None:
    """Remove the picture of a video that has ended; its poster stays."""
    for path in folder.glob("*"):
        if path.name != "poster.jpg":
            with contextlib.suppress(OSError):
                path.unlink()


def program(folder: Path) -> Program:
    """Return the ffmpeg that writes `live.m3u8` and its segments, and make the folder ready for it. Raises OSError.

    A fresh playlist is continued, number for number: after a restart players go on by themselves. (hls.js waits for
    ever when the numbers jump.) Else the numbers begin with the time of day, so that they never go back.
    """
    folder.mkdir(parents=True, exist_ok=True)
    listed = _fresh_playlist(folder)
    for path in [*folder.glob("*.ts"), *folder.glob("*.tmp"), *([] if listed else folder.glob("*.m3u8"))]:
        if path.name not in listed:
            path.unlink(missing_ok=True)
    encoder = {
        "-c:v": "libx264", "-preset": "ultrafast", "-tune": "zerolatency", "-profile:v": "main", "-threads": "1",
        "-b:v": "900k", "-maxrate": "900k", "-bufsize": "1800k", "-sc_threshold": "0",
        "-g": str(_FRAMES_PER_SECOND * SEGMENT_SECONDS), "-keyint_min": str(_FRAMES_PER_SECOND * SEGMENT_SECONDS),
        "-c:a": "aac", "-b:a": "96k",
    }  # fmt: skip
    hls = {
        "-f": "hls", "-hls_time": str(SEGMENT_SECONDS), "-hls_list_size": str(PLAYLIST_SEGMENTS),
        # A segment stays for as long as a playlist that lists it may be played (RFC 8216, section 6.2.2).
        "-hls_delete_threshold": str(PLAYLIST_SEGMENTS + 2),
        "-start_number": "0" if listed else str(int(time.time())),
        # omit_endlist: without it, players take the end of this ffmpeg for the end of the broadcast.
        "-hls_flags": "append_list+omit_endlist+delete_segments+program_date_time+independent_segments+temp_file",
        "-hls_segment_filename": str(folder / "%d.ts"),
    }  # fmt: skip
    argv = [
        *(_ffmpeg(), "-nostdin", "-y", "-hide_banner", "-loglevel", "error", "-filter_complex_threads", "1"),
        *("-re", "-f", "lavfi", "-i", _picture(), "-re", "-f", "lavfi", "-i", _sound()),
        *("-map", "0:v", "-map", "1:a", *_flat(encoder), *_flat(hls), str(folder / "live.m3u8")),
    ]
    return Program("demo", tuple(argv), stop_seconds=3.0, cwd=FONTS)


def take_poster(folder: Path) -> None:
    """Make `poster.jpg` a picture of now, if the broadcast has begun; players never see half a picture.

    A run of its own: a second, slower output of the broadcasting ffmpeg holds up the first one by seconds.
    """
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        segments = [line for line in (folder / "live.m3u8").read_text().splitlines() if line.endswith(".ts")]
        still = ("-frames:v", "1", "-q:v", "4", "-f", "image2", "-update", "1", "-atomic_writing", "1")
        argv = [_ffmpeg(), "-nostdin", "-y", "-loglevel", "quiet", "-i", segments[-1], *still, "poster.jpg"]
        subprocess.run(argv, cwd=folder, stdin=subprocess.DEVNULL, timeout=POSTER_SECONDS)


def _ffmpeg() -> str:
    # Its import looks the binary up and runs it once: only a site with a demo pays for that.
    from imageio_ffmpeg import get_ffmpeg_exe

    path: str = get_ffmpeg_exe()
    return path


def _flat(options: dict[str, str]) -> list[str]:
    return [part for option in options.items() for part in option]


def _picture() -> str:
    """Return the filters of the picture: slow northern lights, a large clock, the date.

    The lights are computed at 52x30 and 5 frames/s, then blended and enlarged: at full size they would cost a core.
    """
    left = "(0.5+0.5*sin(X/W*3.1+T*0.31+1.3*sin(Y/H*2.2-T*0.23)))"
    low = "(0.5+0.5*sin(Y/H*2.6-T*0.19+1.7*sin(X/W*2.4+T*0.17)))"
    band = "pow(0.5+0.5*sin((X/W-0.5)*4.2+(Y/H-0.5)*2.4+T*0.37+2*sin(T*0.11)),3)"
    shade = "(1-0.55*pow(hypot(X/W-0.5,Y/H-0.5)/0.72,2))"
    red = f"{shade}*(14+34*{left}*{low}+200*{band}*{low})"
    green = f"{shade}*(18+46*{low}*(1-{left})+62*{band}*{low}+30*{left})"
    blue = f"{shade}*(38+96*{left}+28*{low}+10*{band})"
    lights = [
        f"color=black:s=52x30:r=5,format=gbrp,geq=r='{red}':g='{green}':b='{blue}',format=yuv444p",
        f"framerate=fps={_FRAMES_PER_SECOND},scale=iw*{_WIDTH}/46:ih*{_HEIGHT}/26:flags=bicubic",
        f"crop={_WIDTH}:{_HEIGHT},format=yuv420p",
    ]
    return ",".join(
        [
            *lights,
            _text("Roboto-Light.ttf", "%{gmtime\\:%T}", size="h*0.3", top="h*0.31", colour="white"),
            _text("Roboto-Medium.ttf", "%{gmtime\\:%A %e %B} · UTC", size="h/18", top="h*0.645", colour="white@0.8"),
        ]
    )


def _text(font: str, text: str, *, size: str, top: str, colour: str) -> str:
    return f"drawtext=fontfile={font}:text='{text}':fontsize={size}:fontcolor={colour}:x=(w-text_w)/2:y={top}"


def _sound() -> str:
    """Return the filters of the sound: three slow tones of a chord, and a bell of five notes every two seconds."""
    tones = ";".join(
        f"sine=f={hertz}:r=48000,tremolo=f={swell}:d=0.7,volume={volume}[tone{number}]"
        for number, (hertz, swell, volume) in enumerate([(110, 0.13, 0.11), (164.81, 0.1, 0.09), (220.6, 0.17, 0.07)])
    )
    # 0: number of the stroke, 1: seconds since, 2: one of five steps of the scale, 3: its frequency.
    bell = (
        "st(0,floor(t/2));st(1,mod(t,2));st(2,mod(ld(0)*7+3*floor(ld(0)/3)+floor(ld(0)/7),5));"
        "st(3,440*pow(2,(ld(2)*2+gt(ld(2),2))/12));"
        "0.11*exp(-2.2*ld(1))*min(1,ld(1)*120)*(sin(2*PI*ld(1)*ld(3))+0.4*sin(4*PI*ld(1)*ld(3)))"
    )
    echo = "aecho=0.8:0.6:380|610:0.3|0.2,aresample=48000"
    return f"{tones};aevalsrc='{bell}':s=16000,{echo}[bell];[tone0][tone1][tone2][bell]amix=inputs=4:normalize=0"
