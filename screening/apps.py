from __future__ import annotations

from django.apps import AppConfig


class ScreeningConfig(AppConfig):
    name = "screening"
    verbose_name = "Screening"

    def ready(self) -> None:
        """Say what is kept here of a guest who becomes an account."""
        from accounts.belongings import belongings
        from screening.merging import RulesOfGuest

        belongings.append(RulesOfGuest())
