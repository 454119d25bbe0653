"""The relay's process: `python -m liveplatform.relay`. Takes events of other regions, and sends them this one's.

It listens on LIVE_RELAY_HOST and LIVE_RELAY_PORT, with the server of the nodes; several may run, each on its own
address behind one name, or with one listening socket (`--fd N`).
"""

from __future__ import annotations

import sys

from host.errors import exit_code_of
from realtime.serving import serve_relay


def main() -> int:
    """Relay until a signal asks to stop. Return the exit code: 2 after one line for what a person can mend."""
    try:
        import liveplatform.asgi  # noqa: F401  (sets Django up)

        serve_relay(sys.argv[1:])
    except Exception as error:
        return exit_code_of(error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
