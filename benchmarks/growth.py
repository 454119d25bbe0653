"""What a site of years costs beside a new one: `./run benchmarks/growth.py`.

A site of its own grows: 10,000 likes, 2,500 comments, 100 videos, 1,000 viewers and 1,000 messages; then 20 million
likes, 5 million comments, 100,000 videos, and a million each of viewers and messages, times `--size`. At both sizes the
same is done to the same people and videos, by the site's own code. Each figure is the median of some rounds with all in
memory; the goal is that the second is at most 1.5 times the first. `-`: the site gave up.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.growth_data import LARGE, SMALL, Loader, Size
from benchmarks.ingest_client import Parser, durable_site, write_figures
from tests.sites import Site

GOAL = 1.5


def grow(site: Site, sizes: dict[str, Size], rounds: int) -> dict[str, Any]:
    import django

    os.environ["LOG_LEVEL"] = "WARNING"
    django.setup()
    from django.db import connections

    from benchmarks.growth_acts import measure_all

    loader = Loader(site.database_url)
    found: dict[str, Any] = {"ms": {}, "sizes": {}, "seconds to load": {}}
    for name, size in sizes.items():
        began = time.monotonic()
        loader.grow_to(size)
        found["seconds to load"][name] = round(time.monotonic() - began, 1)
        print(f"growth: {name} after {found['seconds to load'][name]} s", file=sys.stderr)
        for act, ms in measure_all(loader, rounds).items():
            found["ms"].setdefault(act, {})[name] = None if ms is None else round(ms, 2)
        found["sizes"][name] = loader.sizes()
    for figures in found["ms"].values():
        small, large = figures["small"], figures["large"]
        figures["ratio"] = round(large / small, 2) if small and large else None
    loader.close()
    connections.close_all()
    return found


def table(found: dict[str, Any]) -> list[str]:
    """Return the lines of two tables of Markdown."""

    def cell(value: float | None) -> str:
        return "-" if value is None else f"{value:,}"

    lines = ["| what | ms, small | ms, large | ratio |", "|---|---|---|---|"]
    for act, figures in found["ms"].items():
        mark = "" if figures["ratio"] is not None and figures["ratio"] <= GOAL else " **!**"
        lines.append(
            f"| {act} | {cell(figures['small'])} | {cell(figures['large'])} | {cell(figures['ratio'])}{mark} |"
        )
    lines += ["", "| table | rows | MB | MB of indexes |", "|---|---|---|---|"]
    for name, figures in found["sizes"]["large"].items():
        lines.append(f"| `{name}` | {figures['rows']:,} | {figures['MB']:,} | {figures['MB of indexes']:,} |")
    return lines


def main() -> int:
    parser = Parser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--size", type=float, default=1.0, help="of the large set, as a factor")
    parser.add_argument("--rounds", type=int, default=5, help="of each act, at least")
    parser.add_argument("--json", metavar="FILE", help="write the figures there; - is standard output")
    options = parser.parse_args()
    sizes = {"small": SMALL, "large": LARGE.scaled(options.size)}
    if sizes["large"].viewers < 2 * SMALL.viewers or options.size > 10 or options.rounds < 1:
        parser.error("size is 0.002 to 10, rounds at least 1")
    with durable_site() as site:
        found = grow(site, sizes, options.rounds)
    print("\n".join(table(found)), file=sys.stderr if options.json == "-" else sys.stdout)
    write_figures(found, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
