"""The report on a broadcast as a page of the studio, and its sheets to download.

Called by the URLs. Everything here is async, as in videos.views. For the video's broadcaster; others find nothing.
"""

from __future__ import annotations

from typing import BinaryIO
from uuid import UUID

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.http import content_disposition_header

from accounts.models import Viewer
from accounts.pages import page, render_page, viewer_on
from realtime.log.threads import backend_threads
from videos.models import Video
from videos.recordings import is_recorded
from videos.reports import report_json
from videos.rights import CHANGE
from videos.sheets import comments_sheet, minutes_sheet
from videos.text import file_name
from videos.topics import visible_for
from web.files import FilePart
from web.refusals import Forbidden, NotFound


@page
async def report(request: HttpRequest, video_id: UUID) -> HttpResponse:
    """Show the report on a broadcast."""
    viewer = await viewer_on(request)
    if viewer is None:
        return redirect(f"{settings.LOGIN_URL}?next={request.path}")
    video = await _reported(video_id, viewer)
    found = await backend_threads.run(report_json, video_id, viewer)
    context = {
        "video": video,
        "report": found,
        "started_at_ms": found["from_ms"],
        "is_recorded": is_recorded(video),
    }
    return render_page(request, "videos/studio/report.html", viewer, context)


@page
async def minutes(request: HttpRequest, video_id: UUID) -> HttpResponse:
    """Send what happened in each minute, as CSV."""
    video = await _reported(video_id, await viewer_on(request))
    file = await minutes_sheet(video, video.ended_at or timezone.now())
    return _sheet(file, file_name(video.title, video.started_at, " minutes.csv"))


@page
async def comments(request: HttpRequest, video_id: UUID) -> HttpResponse:
    """Send all comments, as CSV."""
    video = await _reported(video_id, await viewer_on(request))
    return _sheet(await comments_sheet(video), file_name(video.title, video.started_at, " comments.csv"))


async def _reported(video_id: UUID, viewer: Viewer | None) -> Video:
    """Return the video. Raises Http404 also for one that is not the viewer's."""
    if viewer is None:
        raise Http404
    try:
        return await backend_threads.run(visible_for, CHANGE, video_id, viewer)
    except (NotFound, Forbidden):
        raise Http404 from None


def _sheet(file: BinaryIO, name: str) -> HttpResponse:
    response = FilePart(file, 0, file.tell())
    response.headers["Content-Type"] = "text/csv; charset=utf-8; header=present"
    response.headers["Content-Disposition"] = content_disposition_header(True, name) or ""
    response.headers["Cache-Control"] = "private, no-store"
    return response
