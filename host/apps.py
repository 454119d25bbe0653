"""What runs a site on one machine as a Django app: it brings the commands."""

from __future__ import annotations

from django.apps import AppConfig


class HostConfig(AppConfig):
    name = "host"
