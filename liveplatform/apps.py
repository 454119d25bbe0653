"""The site as a Django app: it makes its Celery application the current one."""

from __future__ import annotations

import django_stubs_ext
from django.apps import AppConfig

# Generic forms and admins at run time. Here rather than in the settings: it imports the half of Django.
django_stubs_ext.monkeypatch()


class LiveplatformConfig(AppConfig):
    name = "liveplatform"

    def ready(self) -> None:
        # Shared tasks are sent by the current application; without this import that is a default one with no broker.
        from accounts import pages
        from liveplatform import celery, operations  # noqa: F401

        pages.doors["may_operate"] = operations.may_operate
