"""Notices an attack: many newcomers who write alike within seconds.

Pure, and in the memory of a node, which sees its own share of the comments. Asked by videos.likes for each comment that
was stored; what follows is the matter of videos.gate.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from screening.folding import folded, words

WINDOW_MS = 10_000
NEWCOMER_MS = 3_600_000
AUTHORS_MIN = 6
GRAM = 4  # letters
GRAMS_MIN = 12
"""Shorter texts are what honest people write alike: greetings, cheers."""
GIST_LETTERS_MAX = 200
LIKENESS = 0.6
TEXTS_MAX = 60
VIDEOS_MAX = 1_000
QUIET_MS = 5_000
"""So long after one attack was noticed no other is looked for at the video."""

Gist = frozenset[str]


@dataclass(frozen=True, slots=True)
class Attack:
    """`since`: when the first of its people came to the site. `began`: their first comment."""

    gist: Gist
    since: datetime
    began: datetime


@dataclass(frozen=True, slots=True)
class _Text:
    author_id: UUID
    gist: Gist
    at_ms: int


def gist(text: str) -> Gist:
    """Return what a text says, to be compared: all runs of `GRAM` letters, however they are written."""
    letters = "".join(words(folded(text)))[:GIST_LETTERS_MAX]
    return frozenset(letters[start : start + GRAM] for start in range(len(letters) - GRAM + 1))


def are_alike(one: Gist, other: Gist) -> bool:
    return len(one & other) >= LIKENESS * len(one | other)


def came_at_ms(viewer_id: UUID) -> int:
    """Return when a viewer came to the site, as their id says (UUID version 7)."""
    return viewer_id.int >> 80


class AttackWatch:
    """The newest comments of newcomers, of each video."""

    def __init__(self) -> None:
        self._texts: OrderedDict[UUID, deque[_Text]] = OrderedDict()
        self._quiet_until_ms: dict[UUID, int] = {}

    def seen(self, video_id: UUID, author_id: UUID, body: str, at_ms: int) -> Attack | None:
        """Take a comment in. Return the attack that it belongs to, once."""
        if at_ms - came_at_ms(author_id) > NEWCOMER_MS or len(found := gist(body)) < GRAMS_MIN:
            return None
        texts = self._texts.setdefault(video_id, deque(maxlen=TEXTS_MAX))
        self._texts.move_to_end(video_id)
        if len(self._texts) > VIDEOS_MAX:
            self._quiet_until_ms.pop(self._texts.popitem(last=False)[0], None)
        texts.append(_Text(author_id, found, at_ms))
        alike = [text for text in texts if at_ms - text.at_ms <= WINDOW_MS and are_alike(text.gist, found)]
        authors = {text.author_id for text in alike}
        if len(authors) < AUTHORS_MIN or at_ms < self._quiet_until_ms.get(video_id, 0):
            return None
        self._quiet_until_ms[video_id] = at_ms + QUIET_MS
        return Attack(found, _time(min(map(came_at_ms, authors))), _time(min(text.at_ms for text in alike)))


def _time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


watch = AttackWatch()
"""What this process sees."""
