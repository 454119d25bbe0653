"""The demo broadcast's process: `python -m liveplatform.demo`. It ends with its video: with exit code 0."""

from __future__ import annotations

import asyncio
import sys

from host.errors import exit_code_of
from liveplatform.setup import set_up


def main() -> int:
    """Return the exit code: 2 after one line for what a person can mend."""
    try:
        set_up()
        from host import demo

        asyncio.run(demo.broadcast())
    except Exception as error:
        return exit_code_of(error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
