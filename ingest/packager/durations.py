"""How long segments, the window and the distance from its end are."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Durations:
    """Seconds. `segment`: the shortest segment; `segment_max`: the longest one, then it ends without a keyframe;
    `window`: how far back players can go; `part_hold_back`: how far from the end players stay that load parts.
    """

    segment: float = 2.0
    segment_max: float = 4.0
    window: float = 1800.0
    part_hold_back: float = 1.0

    @property
    def target(self) -> int:
        """What TARGETDURATION says."""
        return math.ceil(self.segment_max)
