"""Prepare the database once: `python -m liveplatform.preparation`. Started by the site before it serves, and ends."""

from __future__ import annotations

import sys

from django.conf import settings

from host.errors import exit_code_of
from liveplatform.setup import set_up


def main() -> int:
    """Return the exit code: 2 after one line for what a person can mend."""
    try:
        set_up()
        from host import preparation

        preparation.migrate(print)
        preparation.make_first_admin(settings.DATA_DIR)
    except Exception as error:
        return exit_code_of(error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
