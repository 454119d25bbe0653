from __future__ import annotations

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "Viewers"

    def ready(self) -> None:
        """Register how the platform recognizes a viewer, what a sign-in writes down, and commands that all may use."""
        from django.contrib.auth.signals import user_logged_in

        from accounts import browsers, identities, rechecks, typists
        from realtime.registry import registry

        registry.identify = identities.identify
        registry.claim = identities.claimed_id
        registry.review, registry.rechecks = identities.review, rechecks.rechecks
        registry.save_last_active = identities.save_last_active
        user_logged_in.connect(browsers.write_down)
        registry.add_command("typing", typists.typing)
