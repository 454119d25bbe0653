"""The walk with one like that docs/how-it-works.md shows is the one that the code takes."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from tests.rooms import open_room
from tests.sites import Site, wait_for
from tests.watching import WebSocketWatcher, watching

LIKES = 5
ROUNDS_MAX = 8
# What nodes do all the time. They have done all of it once when each of these was called.
ROUNDS = {
    "realtime/telemetry.py",
    "realtime/edge/sockets.py",
    *(f"realtime/node/{name}.py" for name in ("acknowledgements", "leases", "presence", "repair")),
}
Call = tuple[str, str]  # file, function


class Walk:
    """Watches the processes of a site: tests/walk/sitecustomize.py writes down what they call."""

    def __init__(self, folder: Path, checkout: Path) -> None:
        self._folder = folder
        self._window = folder / "window"
        self.env = {"WALK_FOLDER": str(folder), "PYTHONPATH": str(checkout / "tests" / "walk")}

    def begin(self, window: str) -> None:
        self._window.symlink_to(window)

    def end(self) -> None:
        self._window.unlink()

    def calls(self, window: str) -> set[Call]:
        lines = [line for file in self._folder.glob("*.calls") for line in file.read_text().splitlines()]
        return {(file, function) for named, file, function in (line.split("\t") for line in lines) if named == window}


def files(calls: set[Call]) -> set[str]:
    return {file for file, _ in calls}


def walk_on(page: str) -> tuple[list[str], set[str]]:
    """Return the files of the walk in the order of the page, and those that it names around them."""
    path = page.partition("## The path of a like")[2].partition("\n## ")[0].partition("Beside the path")[0]
    table = "\n".join(line for line in path.splitlines() if line.startswith("| "))
    around = {
        folder + name
        for folder, names in re.findall(r"\[`([a-z/]+/)`\]\([^)]*\)((?:,? (?:and )?`\w+\.py`)+)", path)
        for name in re.findall(r"`(\w+\.py)`", names)
    }
    linked = set(re.findall(r"\[`([\w/]+\.py)`\]", path))
    walk = list(dict.fromkeys(re.findall(r"\[`([\w/]+\.py)`\]", table)))
    return walk, (around | linked) - {*walk, "tests/walk/test_walk.py"}


async def test_page_names_the_files_that_a_like_passes(
    start_site: Callable[..., Site], tmp_path: Path, checkout: Path
) -> None:
    walk = Walk(tmp_path, checkout)
    site = start_site(nodes=2, env=walk.env)
    taken: list[set[Call]] = []
    by_itself: set[Call] = set()
    on_page, around = walk_on((checkout / "docs" / "how-it-works.md").read_text())
    async with open_room(site) as room, watching(WebSocketWatcher(site.urls[1], room.topic)) as (viewer,):
        for number in range(ROUNDS_MAX):
            names = [f"like {number}.{one}" for one in range(LIKES)]
            for one, name in enumerate(names, number * LIKES):
                kind = ("love", "like")[one % 2]
                walk.begin(name)
                await room.like(kind=kind)
                await viewer.wait_for(lambda kind=kind: viewer.likes["kinds"][kind] == 1, kind)  # type: ignore[misc]
                walk.end()
            idle = f"idle {number}"
            walk.begin(idle)
            wait_for(lambda idle=idle: files(walk.calls(idle)) >= ROUNDS, "all that nodes do without a like")  # type: ignore[misc]
            walk.end()
            taken += [walk.calls(name) for name in names]
            by_itself |= walk.calls(idle)
            unnamed = files(set[Call].intersection(*taken) - by_itself) - around - {*on_page}
            if not unnamed:  # on a slow machine a clock may have run out during each like
                break
    assert unnamed == set(), "a like goes through files that the page does not name"
    assert set(on_page) <= files(set().union(*taken)), "the page leads past files where no like goes"
    assert around <= files(set().union(*taken))
    assert len(on_page) <= 14
