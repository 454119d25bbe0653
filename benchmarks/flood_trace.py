"""What the main thread of a page does: CPU time by kind of work, from a trace of Chromium (benchmarks/flood.py).

Times are the thread's own CPU time, not the clock's: what other programs of this machine take from it does not count.
What the threads beside it take to draw is counted apart: without a graphics card they draw in software.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

CATEGORIES = ["devtools.timeline", "disabled-by-default-devtools.timeline", "toplevel"]
# Kind of work → how the names of its events begin. The first that fits.
KINDS = {
    "style": ("UpdateLayoutTree",),
    "paint": ("PrePaint", "Paint", "Layerize", "UpdateLayer", "Commit"),
    "layout": ("Layout",),
    "hit test": ("HitTest",),
    "garbage": ("V8.GC", "MajorGC", "MinorGC", "CppGC"),
    "script": ("FunctionCall", "Evaluate", "EventDispatch", "TimerFire", "Fire", "RunMicrotasks"),
}
DRAWING = {"Compositor", "ThreadPoolForegroundWorker", "VizCompositorThread", "CrGpuMain"}
LONG_MS = 50
TASK = "RunTask"

Event = dict[str, Any]
Thread = tuple[int, int]


def kind_of(name: str) -> str:
    """Return the kind of work that events of this name are."""
    return next((kind for kind, starts in KINDS.items() if name.startswith(starts)), "other")


def thread_of(event: Event) -> Thread:
    return event["pid"], event["tid"]


def own_us(events: list[Event]) -> Counter[str]:
    """Return the CPU time by kind, of each event without those within it. `events`: of one thread."""
    found: Counter[str] = Counter()
    around: list[Event] = []
    for each in sorted(events, key=lambda each: (each["ts"], -each["dur"])):
        while around and around[-1]["ts"] + around[-1]["dur"] <= each["ts"]:
            around.pop()
        if around:
            found[kind_of(around[-1]["name"])] -= each["tdur"]
        found[kind_of(each["name"])] += each["tdur"]
        around.append(each)
    return found


def main_thread(trace: bytes) -> dict[str, Any]:
    """Return shares of the traced time in %: each kind on the main thread, its long tasks, the threads beside it."""
    events: list[Event] = json.loads(trace)["traceEvents"]
    names = {thread_of(each): each["args"]["name"] for each in events if each["name"] == "thread_name"}
    timed = [each for each in events if each["ph"] == "X" and "tdur" in each]
    busy_us: Counter[Thread] = Counter()
    for each in timed:
        if each["name"] == TASK:
            busy_us[thread_of(each)] += each["tdur"]
    # Chromium keeps a page in reserve, too: the one that worked.
    main = max((thread for thread in busy_us if names.get(thread) == "CrRendererMain"), key=busy_us.__getitem__)
    events = [each for each in timed if thread_of(each) == main]
    span_us = max(each["ts"] for each in events) - min(each["ts"] for each in events)

    def share(us: float) -> float:
        return round(float(100 * us / span_us), 1)

    us = own_us(events)
    counts = Counter(each["name"] for each in events)
    long_us = [each["tdur"] for each in events if each["name"] == TASK and each["tdur"] > LONG_MS * 1_000]
    return {
        "main thread %": {kind: share(us[kind]) for kind in [*KINDS, "other"]} | {"all": share(us.total())},
        "long tasks %, by CPU": share(sum(long_us)),
        "longest task ms, by CPU": round(max(long_us, default=0) / 1_000),
        "styles, layouts, frames": [counts["UpdateLayoutTree"], counts["Layout"], counts["Commit"]],
        "threads that draw %": share(sum(us for thread, us in busy_us.items() if names.get(thread) in DRAWING)),
    }
