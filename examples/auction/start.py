"""Start the auction on this machine: `./run examples/auction/start.py`, from the repository's folder. Ctrl-C stops it.

PostgreSQL and Valkey come with the repository; with DATABASE_URL and REDIS_URL it uses yours. Two nodes share one
port, and one Celery worker dispatches and does the periodic jobs. With arguments it runs that command of manage.py on
the same data, also while the auction runs: `./run examples/auction/start.py createsuperuser`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
sys.path.append(str(REPOSITORY))

from host import embedded  # noqa: E402
from host.processes import Child, Program  # noqa: E402
from host.waiting import wait_until  # noqa: E402

NODES = 2
START_SECONDS = 60.0


def main() -> int:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    os.environ["PYTHONPATH"] = f"{HERE}{os.pathsep}{REPOSITORY}"
    os.environ["DJANGO_SETTINGS_MODULE"] = "auction.settings"
    with contextlib.ExitStack() as stack:
        if not {"DATABASE_URL", "REDIS_URL"} <= os.environ.keys():
            folder = embedded.data_dir(HERE, os.environ.get("AUCTION_DATA_DIR", ""))
            stack.enter_context(embedded.running(folder, command="the auction"))
            os.environ["DATABASE_URL"], os.environ["REDIS_URL"] = (
                embedded.database_url(folder),
                embedded.redis_url(folder),
            )
        manage = (sys.executable, "manage.py")
        if len(sys.argv) > 1:
            return subprocess.run([*manage, *sys.argv[1:]], cwd=HERE).returncode
        subprocess.run([*manage, "migrate", "--verbosity", "0"], cwd=HERE, check=True)
        port = int(os.environ.get("PORT", "8200"))
        listening = stack.enter_context(socket.create_server(("127.0.0.1", port), backlog=4_096))
        fd = listening.fileno()
        node = (sys.executable, "-m", "auction.node", "--fd", str(fd))
        celery = (sys.executable, "-m", "celery", "--app", "realtime", "--quiet", "worker", "--pool", "solo")
        programs = [
            Program("dispatcher", (*celery, "--queues", "dispatch,jobs", "--hostname", "dispatcher@%h"), cwd=HERE),
            *(Program(f"node-{number}", node, cwd=HERE, fds=(fd,)) for number in range(1, NODES + 1)),
        ]
        children = [Child(program, sys.stderr.fileno()) for program in programs]
        stack.callback(lambda: [child.stop() for child in reversed(children)])

        def is_over() -> bool:
            return stop.is_set() or any(child.exit_code() is not None for child in children)

        wait_until(lambda: is_over() or _is_ready(port), within_seconds=START_SECONDS)
        if not is_over():
            print(f"Ready: http://localhost:{port}/", flush=True)
        while not is_over():
            stop.wait(1.0)
    return 0 if stop.is_set() else 1


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
