"""The picture of the demo broadcast: a moving one with a running clock and quiet sound, sent by ffmpeg to the
site's own ingest.

Called by host.demo. Costs 6 to 8 % of a core (2-core virtual machine).
"""

from __future__ import annotations

from pathlib import Path

from host.processes import Program
from web.ffmpeg import ffmpeg

KEYFRAME_SECONDS = 1
FONTS = Path(__file__).resolve().parent / "fonts"
_WIDTH, _HEIGHT, _FRAMES_PER_SECOND = 854, 480, 15


def program(address: str, name: str) -> Program:
    """Return the ffmpeg that sends the picture to `address`, by RTMP, as a broadcaster's encoder does.

    `name`: in place of the stream key, which all users of the machine could read in the command line. ffmpeg names the
    whole address when it cannot go on: the name is left out of its lines.
    """
    encoder = {
        "-c:v": "libx264", "-preset": "ultrafast", "-tune": "zerolatency", "-profile:v": "main", "-threads": "1",
        "-b:v": "900k", "-maxrate": "900k", "-bufsize": "1800k", "-sc_threshold": "0",
        "-g": str(_FRAMES_PER_SECOND * KEYFRAME_SECONDS), "-keyint_min": str(_FRAMES_PER_SECOND * KEYFRAME_SECONDS),
        "-c:a": "aac", "-b:a": "96k", "-f": "flv",
    }  # fmt: skip
    argv = [
        *(ffmpeg(), "-nostdin", "-hide_banner", "-loglevel", "error", "-filter_complex_threads", "1"),
        *("-re", "-f", "lavfi", "-i", _picture(), "-re", "-f", "lavfi", "-i", _sound()),
        *("-map", "0:v", "-map", "1:a", *(part for option in encoder.items() for part in option), f"{address}/{name}"),
    ]
    return Program("demo", tuple(argv), stop_seconds=3.0, cwd=FONTS, secrets=(name,))


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
