from __future__ import annotations

from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core import checks

from realtime.conf import fill_in
from realtime.registry import registry


class RealtimeConfig(AppConfig):
    name = "realtime"
    verbose_name = "Realtime platform"

    def __init__(self, *args: Any) -> None:
        fill_in()  # before any module of the platform reads a setting
        super().__init__(*args)

    def ready(self) -> None:
        # Tasks are sent by the current application; without this import that is a default one with no broker.
        from realtime import celery  # noqa: F401

        checks.register(check_leases)
        if apps.is_installed("django.contrib.auth") and registry.identify is None:
            from realtime import users

            registry.identify, registry.review = users.identify, users.review


def check_leases(**_: object) -> list[checks.CheckMessage]:
    """A lease must outlive two renewals that went wrong."""
    if settings.LIVE_RENEW_SECONDS * 3 > settings.LIVE_LEASE_SECONDS:
        return [checks.Error("LIVE_LEASE_SECONDS must be at least three times LIVE_RENEW_SECONDS", id="realtime.E001")]
    return []
