"""The ingest's process: `python -m liveplatform.ingest`. It takes pictures from encoders, for all the site's videos.

One for each folder of pictures (`LIVE_MEDIA_DIR`). On LIVE_RTMP_HOST it takes RTMP at LIVE_RTMP_PORT, and SRT at
LIVE_SRT_PORT; on LIVE_PAGE_HOST and LIVE_PAGE_PORT nodes pass on what browsers record. All of it goes to the port of
RTMP.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from pathlib import Path

from host.errors import exit_code_of
from liveplatform.setup import set_up

logger = logging.getLogger(__name__)


async def _run() -> int:
    from django.conf import settings

    from ingest.desk import Desk
    from ingest.pages import PageServer
    from ingest.puller import Puller
    from ingest.rtmp.server import RtmpLimits, RtmpServer
    from ingest.srt.server import SrtServer
    from realtime.limits import network_of
    from web.addresses import in_url
    from web.kept import bucket

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    desk = Desk(
        media=Path(settings.MEDIA_ROOT),
        end_after_seconds=settings.LIVE_END_AFTER_SECONDS,
        reserve_bytes=settings.LIVE_RESERVE_MB * 1024 * 1024,
        replaces=settings.LIVE_SECOND_ENCODER == "replace",
        ladder=settings.LIVE_LADDER,
        bucket=bucket(),
    )
    limits = RtmpLimits(max_bits_per_second=settings.LIVE_INGEST_MAX_MBPS * 1e6)
    server = RtmpServer(desk.admit, network_of=network_of, limits=limits)
    await desk.start()
    host, name = settings.LIVE_RTMP_HOST, "LIVE_RTMP_PORT"
    try:
        port = await server.start(host, settings.LIVE_RTMP_PORT)
        logger.info("ingest: encoders send to rtmp://%s:%d/live", host, port)
        rtmp = (in_url(host), port)
        srt = SrtServer(desk.find_key, desk.note, rtmp=rtmp, network_of=network_of)
        if settings.LIVE_SRT_PORT:
            name = "LIVE_SRT_PORT"
            logger.info("ingest: encoders send to srt://%s:%d", host, srt.start(host, settings.LIVE_SRT_PORT))
        pages = PageServer(rtmp_host=in_url(host), rtmp_port=port)
        if settings.LIVE_PAGE_PORT:
            name = "LIVE_PAGE_PORT"
            await pages.start(settings.LIVE_PAGE_HOST, settings.LIVE_PAGE_PORT)
    except OSError as error:
        print(f"liveplatform: {name}: cannot listen: {error.strerror}", file=sys.stderr)
        return 2
    puller = Puller(desk.note, rtmp=rtmp, networks=settings.LIVE_PULL_NETWORKS)
    if settings.LIVE_PULL_ORIGINS:
        puller.start()
    await stop.wait()
    await pages.aclose()
    await puller.aclose()
    await srt.aclose()
    await server.aclose()
    await desk.aclose()
    return 0


def main() -> int:
    """Take pictures until a signal asks to stop. Return the exit code: 2 after one line for what a person can mend."""
    try:
        set_up()
        from web.kept import check_bucket
        from web.pictures import keep_folder

        keep_folder()
        check_bucket()
    except Exception as error:
        return exit_code_of(error)
    return asyncio.run(_run())


if __name__ == "__main__":
    sys.exit(main())
