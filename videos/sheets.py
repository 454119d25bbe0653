"""The figures and the comments of a broadcast as CSV, for a spreadsheet.

Called by the studio's pages (videos.report_pages). A sheet is written to a temporary file first, some rows at a time:
memory is bounded, no database thread is held for long, and what a browser gets is whole. Sources: RFC 4180; OWASP, CSV
Injection: a cell that begins with = + - @, a tab or a line break would be taken for a formula, so an apostrophe stands
before it.
"""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from tempfile import TemporaryFile
from typing import BinaryIO

from realtime.log.threads import backend_threads
from videos.models import Video
from videos.replay import read_points
from videos.timeline import step_of
from web.statements import rows

ROWS_AT_ONCE = 1_000
MINUTE = timedelta(minutes=1)
MINUTES = ("time", "into the broadcast", "viewers", "likes", "reactions", "comments")
COMMENTS = ("time", "into the broadcast", "name", "comment", "answers to", "was on top")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
# Spreadsheets take a file without it for one of the country's own encoding.
_BYTE_ORDER_MARK = "\ufeff"

_COMMENTS = """
SELECT c.seq, c.created_at, author.name, c.body, coalesce(answered.name, ''),
  CASE WHEN EXISTS (SELECT 1 FROM videos_pin WHERE comment_id = c.id) THEN 'yes' ELSE '' END
FROM videos_comment c JOIN accounts_viewer author ON author.id = c.author_id
LEFT JOIN videos_comment parent ON parent.id = c.reply_to_id
LEFT JOIN accounts_viewer answered ON answered.id = parent.author_id
WHERE c.video_id = %s AND c.deleted_at IS NULL AND c.seq > %s ORDER BY c.seq LIMIT %s
"""


def safe_cell(value: object) -> object:
    """Return a value that no spreadsheet takes for a formula. Numbers stay as they are."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def as_csv(rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([safe_cell(value) for value in row] for row in rows)
    return text.getvalue().encode()


@contextlib.contextmanager
def _begun(header: Sequence[str]) -> Iterator[BinaryIO]:
    """Give a file that begins with the header. It stays open: the answer closes it, unless there is none."""
    file: BinaryIO = TemporaryFile()  # noqa: SIM115
    try:
        file.write(_BYTE_ORDER_MARK.encode() + as_csv([header]))
        yield file
        file.flush()  # the server sends it by its descriptor
    except BaseException:
        file.close()
        raise


def _times(video: Video, at: datetime) -> tuple[str, str]:
    """Return a moment in UTC, and how long after the start that is."""
    into = int((at - video.started_at).total_seconds()) if video.started_at and at >= video.started_at else 0
    hours, minutes, seconds = into // 3600, into // 60 % 60, into % 60
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}", f"{hours}:{minutes:02}:{seconds:02}"


async def minutes_sheet(video: Video, end: datetime) -> BinaryIO:
    """Return an open file with a row for each minute: the most viewers at once, and what happened in it."""
    with _begun(MINUTES) as file:
        at = step_of(video.started_at) if video.started_at else end
        while at < end:
            until = min(end, at + ROWS_AT_ONCE * MINUTE)
            file.write(await backend_threads.run(_minutes, video, at, until))
            at = until
    return file


def _minutes(video: Video, start: datetime, end: datetime) -> bytes:
    points = read_points(video, start, end - timedelta(microseconds=1), MINUTE)
    return as_csv(
        (
            *_times(video, datetime.fromtimestamp(point["at_ms"] / 1000, UTC)),
            *(point[name] for name in ("viewers", "likes", "reactions", "comments")),
        )
        for point in points
    )


async def comments_sheet(video: Video) -> BinaryIO:
    """Return an open file with a row for each comment that is not deleted, the oldest first."""
    with _begun(COMMENTS) as file:
        written, seq = await backend_threads.run(_some_comments, video, 0)
        while written:
            file.write(written)
            written, seq = await backend_threads.run(_some_comments, video, seq)
    return file


def _some_comments(video: Video, after: int) -> tuple[bytes, int]:
    """Return the rows of the comments that follow the one with this `seq`, and the `seq` of the last of them."""
    found = rows(_COMMENTS, [video.id, after, ROWS_AT_ONCE])
    return as_csv((*_times(video, at), *cells) for _, at, *cells in found), found[-1][0] if found else after
