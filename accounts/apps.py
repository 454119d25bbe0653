from __future__ import annotations

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "Viewers"

    def ready(self) -> None:
        """Tell the platform how to know a viewer, and what all may do on a WebSocket."""
        from accounts import identities, typists
        from realtime.registry import registry

        registry.identify = identities.identify
        registry.claim = identities.claimed_id
        registry.review = identities.review
        registry.save_last_active = identities.save_last_active
        registry.add_command("typing", typists.typing)
