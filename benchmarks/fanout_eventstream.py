"""django-eventstream as its README sets it up ("Setup", "Deploying"), to be run by Daphne.

No storage of events and no middleware: nothing that the fan-out does not need. `send_event` is called from a view, as
the README wants it of a single process.
"""

from __future__ import annotations

import json

from django.conf import settings
from django.http import HttpRequest, HttpResponse

settings.configure(
    SECRET_KEY="nothing is signed here",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["daphne", "django.contrib.contenttypes", "django.contrib.auth", "django_eventstream"],
    LOGGING_CONFIG=None,
)

import django  # noqa: E402

django.setup()

import django_eventstream  # type: ignore[import-not-found]  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.urls import include, path  # noqa: E402


def publish(request: HttpRequest) -> HttpResponse:
    django_eventstream.send_event("live", "reactions", json.loads(request.body))
    return HttpResponse()


urlpatterns = [path("sub", include(django_eventstream.urls), {"channels": ["live"]}), path("pub", publish)]
application = get_asgi_application()
