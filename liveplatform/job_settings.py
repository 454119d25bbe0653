"""The periodic jobs of the site: what runs how often, in seconds. Part of liveplatform.settings.

What has not begun within `expires` seconds is left out: the next run does its work.
"""

from __future__ import annotations

from liveplatform.account_settings import ACCOUNT_JOBS
from realtime.conf import RETENTION

CELERY_BEAT_SCHEDULE = {
    **RETENTION,
    **ACCOUNT_JOBS,
    # Once a site, whatever its nodes. A look that waits longer than a step is covered by the next one.
    "timelines": {"task": "videos.tasks.keep_timelines", "schedule": 5.0, "options": {"expires": 5.0}},
    "goals": {"task": "polls.tasks.note_reached_goals", "schedule": 5.0, "options": {"expires": 5.0}},
    "recount": {"task": "videos.tasks.recount", "schedule": 300.0},
    "forget-arrivals": {"task": "moderation.tasks.forget_arrivals", "schedule": 86_400.0},
    "forget-complaints": {"task": "moderation.tasks.forget_complaints", "schedule": 86_400.0},
    "forget-seen": {"task": "videos.tasks.forget_seen", "schedule": 300.0},
    "clear-recordings": {"task": "videos.tasks.clear_recordings", "schedule": 3600.0},
    # What was said to people is heard within this time.
    "notices": {"task": "notices.tasks.tell", "schedule": 2.0, "options": {"expires": 2.0}},
    "forget-notices": {"task": "notices.tasks.forget", "schedule": 86_400.0},
    "announcements": {"task": "following.tasks.announce", "schedule": 15.0, "options": {"expires": 15.0}},
    "clear-pictures": {"task": "videos.tasks.clear_pictures", "schedule": 3600.0},
}
