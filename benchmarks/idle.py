"""What `./run` takes on a machine when nobody is there, and how long a start takes: `./run benchmarks/idle.py`.

A site in a folder of its own is started with and without the demo broadcast, each `--starts` times after a first one.
Memory is what the kernel counts for each process: PSS shares a page among all processes that have it, so the sum is
what the site takes; RSS counts it for each of them. Needs Linux.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.ingest_client import cpu_seconds
from tests.sites import free_port, without_ours

CHECKOUT = Path(__file__).resolve().parent.parent
SETTLE_SECONDS = 20.0
READY = b"Ready: "


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--starts", type=int, default=3)
    asked.add_argument("--seconds", type=float, default=SETTLE_SECONDS, help="between ready and the look at the memory")
    options = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        with site(Path(folder), demo="on"):
            pass
        for demo in ("on", "off"):
            print(f"\nLIVE_DEMO={demo}\n")
            for number in range(options.starts):
                with site(Path(folder), demo=demo) as (process, seconds):
                    print(f"start to ready: {seconds:.1f} s, {sum(map(cpu_seconds, family(process.pid))):.1f} s of CPU")
                    if number + 1 == options.starts:
                        time.sleep(options.seconds)
                        show(process.pid)


@contextlib.contextmanager
def site(folder: Path, *, demo: str) -> Iterator[tuple[subprocess.Popen[bytes], float]]:
    """Have `./run` for the length of the block; with the seconds from its start to ready."""
    ports = {name: str(free_port()) for name in ("PORT", "LIVE_RTMP_PORT", "LIVE_PAGE_PORT")}
    env = {**without_ours(), **ports, "LIVE_DATA_DIR": str(folder / "data"), "LIVE_DEMO": demo}
    began = time.monotonic()
    process = subprocess.Popen([CHECKOUT / "run"], cwd=CHECKOUT, env=env, stdout=subprocess.PIPE)
    try:
        assert process.stdout
        if not any(READY in line for line in process.stdout):
            sys.exit("the site does not start")
        yield process, time.monotonic() - began
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate()


def show(pid: int) -> None:
    print(f"\n{'PSS':>7} {'RSS':>7} {'CPU':>7}\n{'MB':>7} {'MB':>7} {'s':>7}")
    sums = [0.0, 0.0, 0.0]
    for one in family(pid):
        costs = [*memory_mb(one), cpu_seconds(one)]
        sums = [a + b for a, b in zip(sums, costs, strict=True)]
        words = Path(f"/proc/{one}/cmdline").read_text().replace("\0", " ")
        print("".join(f"{cost:7.1f} " for cost in costs) + words[:90])
    print("".join(f"{cost:7.1f} " for cost in sums) + "in all")


def family(pid: int) -> list[int]:
    """Return the process and all below it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in family(int(child)))]


def memory_mb(pid: int) -> tuple[float, float]:
    """Return PSS and RSS."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    found = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
    return found["Pss"] / 1024, found["Rss"] / 1024


if __name__ == "__main__":
    main()
