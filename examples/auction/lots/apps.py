from __future__ import annotations

from django.apps import AppConfig


class LotsConfig(AppConfig):
    name = "lots"

    def ready(self) -> None:
        from lots.topics import LotTopics
        from realtime.registry import registry

        registry.add_kind(LotTopics())
