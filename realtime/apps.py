from __future__ import annotations

from django.apps import AppConfig
from django.conf import settings
from django.core import checks


class RealtimeConfig(AppConfig):
    name = "realtime"
    verbose_name = "Realtime platform"

    def ready(self) -> None:
        checks.register(check_leases)


def check_leases(**_: object) -> list[checks.CheckMessage]:
    """A lease must outlive two renewals that went wrong."""
    if settings.LIVE_RENEW_SECONDS * 3 > settings.LIVE_LEASE_SECONDS:
        return [checks.Error("LIVE_LEASE_SECONDS must be at least three times LIVE_RENEW_SECONDS", id="realtime.E001")]
    return []
