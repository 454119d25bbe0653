"""The demo broadcast's process: `python -m liveplatform.demo`. It ends with its video: with exit code 0."""

from __future__ import annotations

import asyncio
import os
import sys

import django
from django.apps import apps

from host.errors import exit_code_of

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "liveplatform.settings")


def main() -> int:
    """Return the exit code: 2 after one line for what a person can mend."""
    try:
        if not apps.ready:  # a fork has it from its fork server
            django.setup(set_prefix=False)
        from host import demo

        asyncio.run(demo.broadcast())
    except Exception as error:
        return exit_code_of(error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
