"""The site as a Django app: it joins the parts that do not know each other."""

from __future__ import annotations

import django_stubs_ext
from django.apps import AppConfig

# Generic forms and admins at run time. Here rather than in the settings: it imports the half of Django.
django_stubs_ext.monkeypatch()


class LiveplatformConfig(AppConfig):
    name = "liveplatform"

    def ready(self) -> None:
        from accounts import pages
        from liveplatform import operations

        pages.doors["may_operate"] = operations.may_operate
