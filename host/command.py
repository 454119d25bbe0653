"""What the commands of this app have in common: an error that you can mend is one line and exit code 2."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand

from host.errors import Unusable


class HostCommand(BaseCommand):
    # They import every page, which no command here needs.
    requires_system_checks = ()

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except Unusable as error:
            self.stderr.write(f"liveplatform: {error}")
            sys.exit(2)
