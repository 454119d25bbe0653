"""A frontend node's process: `python -m liveplatform.node --fd N` or `--port N`."""

from __future__ import annotations

import sys

from host.errors import exit_code_of
from realtime.serving import serve_node


def main() -> int:
    """Serve until a signal asks to stop. Return the exit code: 2 after one line for what a person can mend."""
    try:
        import liveplatform.asgi  # noqa: F401  (sets Django up)
        from liveplatform.https import count_renewals
        from web.kept import check_bucket
        from web.pictures import keep_folder

        keep_folder()
        check_bucket()
        count_renewals()
    except Exception as error:
        return exit_code_of(error)
    serve_node("liveplatform.asgi:application", sys.argv[1:])
    return 0


if __name__ == "__main__":
    sys.exit(main())
