"""The Celery application: dispatcher (queue `dispatch`) and jobs (queue `jobs`, with beat) run it as a worker."""

from __future__ import annotations

import os
import warnings
from typing import Any

from celery import Celery
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "liveplatform.settings")

# Root is told where it matters (README): one start, one warning per worker helps nobody.
warnings.filterwarnings("ignore", message="You're running the worker with superuser privileges")

app = Celery("liveplatform")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect  # type: ignore[untyped-decorator]
def keep_logging(**_: Any) -> None:
    """Leave logging as settings.LOGGING has it: with a receiver, Celery sets up none of its own."""
