"""The site's Celery application, which is the platform's: `celery -A liveplatform worker` finds it here."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "liveplatform.settings")

from realtime.celery import app

__all__ = ["app"]
