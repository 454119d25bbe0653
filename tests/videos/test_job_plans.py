"""What the periodic jobs read when there is nothing to do, on a site with millions of rows."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.utils import timezone
from django.utils.module_loading import import_string

from tests.console import rolled_back_stage, write_comments
from tests.plans import scans
from tests.videos.acts import Stage
from videos.models import Video

pytestmark = pytest.mark.usefixtures("transactional_db")
stage = rolled_back_stage
LARGE = ("accounts_viewer", "following_follow", "messaging_", "notices_notice", "realtime_", "videos_")
ALL_OF = {
    "recount": {"videos_video"},  # one in 288 of them, by a hash of the id
    "forget-guests": {"accounts_viewer"},  # once a day all that are old enough
    "clear-pictures": {"videos_video"},  # once an hour: which folders are played
    "retention": {"realtime_gonetopic"},  # once an hour: what was deleted since then
}
"""What a job may read whole."""


@pytest.mark.parametrize("job", [*settings.CELERY_BEAT_SCHEDULE])
def test_a_job_reads_no_large_table_whole(stage: Stage, job: str) -> None:
    """Those that come every few seconds would take the database for themselves after some years."""
    write_comments(stage, 2)
    Video.objects.create(owner=stage.owner, title="Over", status="ended", ended_at=timezone.now())
    with scans() as found:
        import_string(settings.CELERY_BEAT_SCHEDULE[job]["task"])()
    whole = {scan.table for scan in found if scan.reads_all and scan.table.startswith(LARGE)}
    assert whole <= ALL_OF.get(job, set())
