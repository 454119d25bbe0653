"""Sets Django up for a process of the site. Called first by its programs (asgi, ingest, demo, preparation)."""

from __future__ import annotations

import os

import django
from django.apps import apps


def set_up() -> None:
    """Do it, unless the process is a fork of one that has. Raises ImproperlyConfigured."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "liveplatform.settings")
    if not apps.ready:
        django.setup(set_prefix=False)
