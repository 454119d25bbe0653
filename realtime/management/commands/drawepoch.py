"""`manage.py drawepoch`: begin a new epoch, when the database has another history than viewers know."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from realtime.log.epoch import draw_epoch


class Command(BaseCommand):
    help = (
        "Begin a new epoch: positions of before are good no more, every viewer starts again from a fresh snapshot. "
        "Run it after an older copy of the data folder was put back; other restores and promotions need no command."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"The epoch is {draw_epoch()}. Viewers get a reset within seconds.")
