"""A frontend node's process: `python -m liveplatform.node --fd N` or `--port N`."""

from __future__ import annotations

import sys

from django.core.exceptions import ImproperlyConfigured

from realtime.serving import serve_node


def main() -> int:
    """Serve until a signal asks to stop. Returns the exit code: 2 for settings that make no sense."""
    try:
        import liveplatform.asgi  # noqa: F401  (sets Django up)
        from liveplatform.https import count_renewals
        from web.kept import check_bucket
        from web.pictures import keep_folder

        keep_folder()
        check_bucket()
        count_renewals()
    except ImproperlyConfigured as error:
        print(f"liveplatform: {error}", file=sys.stderr)
        return 2
    serve_node("liveplatform.asgi:application", sys.argv[1:])
    return 0


if __name__ == "__main__":
    sys.exit(main())
