"""The ASGI application: the platform takes the streams, Django all else."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "auction.settings")

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

site = ASGIStaticFilesHandler(get_asgi_application())  # sets Django up, which the streams need

from realtime.routing import platform  # noqa: E402

application = platform(site)
