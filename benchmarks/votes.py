"""How many votes one process commits: `./run benchmarks/votes.py`.

A crowd votes in one poll through the group commit (polls.votes), each viewer once, on a PostgreSQL with fsync on.
There is no HTTP around it. Afterwards the numbers of the options have to be those of the rows.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.ingest_client import Parser, durable_site, write_figures

if TYPE_CHECKING:
    from accounts.tokens import Claim

OPTIONS = ("One", "Two", "Three", "Four")


def _poll(voters: int) -> tuple[UUID, UUID, list[int], list[Claim]]:
    """Make a poll and those who vote in it: the ids of video, poll and options, and the voters."""
    from accounts.models import Viewer
    from accounts.tokens import Claim
    from polls import polls
    from videos import broadcasts

    owner = Viewer.objects.create_user("owner", is_broadcaster=True)
    video = broadcasts.create_video(owner, title="A poll")
    poll = polls.open_poll(video.id, owner, "Which?", OPTIONS)
    made = Viewer.objects.bulk_create(
        Viewer(username=f"voter-{number}", name=f"Voter {number}", is_guest=True) for number in range(voters)
    )
    return video.id, UUID(poll["id"]), [option["id"] for option in poll["options"]], [Claim(who.id) for who in made]


async def measure(options: argparse.Namespace) -> dict[str, float]:
    from polls.models import PollOption, Vote
    from polls.votes import group_commit, vote

    video_id, poll_id, choices, voters = await asyncio.to_thread(_poll, options.voters)
    took_ms: list[float] = []

    async def votes(crowd: Iterator[tuple[int, Claim]]) -> None:
        for number, who in crowd:
            began = time.perf_counter()
            await vote(video_id, poll_id, choices[number % len(choices)], who)
            took_ms.append((time.perf_counter() - began) * 1_000)

    crowd = iter(enumerate(voters))
    cpu, began = time.process_time(), time.perf_counter()
    await asyncio.gather(*(votes(crowd) for _ in range(options.at_once)))
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    group_commit.close()

    def counted() -> tuple[int, int]:
        return sum(PollOption.objects.filter(poll=poll_id).values_list("votes", flat=True)), Vote.objects.count()

    if await asyncio.to_thread(counted) != (options.voters, options.voters):
        raise SystemExit("the numbers are not those of the rows")
    took_ms.sort()
    return {
        "votes_per_s": options.voters / seconds,
        "cpu_us": cpu * 1e6 / options.voters,
        "p50_ms": took_ms[len(took_ms) // 2],
        "p99_ms": took_ms[len(took_ms) * 99 // 100],
    }


def main() -> int:
    parser = Parser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--voters", type=int, default=20_000)
    parser.add_argument("--at-once", type=int, default=500, help="votes under way at the same time")
    parser.add_argument("--json", metavar="FILE", help="write the figures there; - is standard output")
    options = parser.parse_args()
    with durable_site():
        import django

        django.setup()
        found = asyncio.run(measure(options))
    write_figures(found, options.json)
    if options.json != "-":
        print(" · ".join(f"{name} {value:,.1f}" for name, value in found.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
