"""The newest durable events of a topic, as a node keeps them for those who come back (realtime.node.openings).

Hop: beside the last but one, as a part of realtime.node.feed. What an event takes back is gone from here too, as it is
from the event log (realtime.log.things).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from realtime.events import Frame, compact_json


class Ring:
    """Frames as a later reader gets them, in the order of their seq; of more than `most` the newest.

    Beside each frame is the thing whose content it holds. A thousand deletions may come at once, for a thousand frames:
    to search the frames themselves takes a second, which nobody may wait.
    """

    def __init__(self, most: int) -> None:
        self._frames: deque[Frame] = deque(maxlen=most)
        self._things: deque[str] = deque(maxlen=most)

    def __len__(self) -> int:
        return len(self._frames)

    def __iter__(self) -> Iterator[Frame]:
        return iter(self._frames)

    def append(self, frame: Frame, thing: str = "") -> None:
        self._frames.append(frame)
        self._things.append(thing)

    def clear(self) -> None:
        self._frames.clear()
        self._things.clear()

    def change(self, thing: str, data: Mapping[str, Any], *, gone_by: str = "") -> None:
        """Have the frames that hold the thing say what an event says, each with its own seq and time.

        `gone_by`: the name of the event that takes the thing back. Else they keep their names.
        """
        place = -1
        for _ in range(self._things.count(thing)):
            place = self._things.index(thing, place + 1)
            kept = self._frames[place]
            held = orjson.loads(kept.body)
            body = compact_json({**data, "seq": held["seq"], "at_ms": held["at_ms"]})
            self._frames[place] = Frame(gone_by or kept.name, body, id=kept.id)
            if gone_by:
                self._things[place] = ""
