"""Notices an attack: many newcomers who write alike within seconds, come from few addresses, or are loud all at once.

Pure. `AttackWatch` is the memory of a node, which sees its own share of the comments; `crowd_in` looks at the newest
comments of a video, wherever they were written. Both are asked by videos.alarms.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
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
LOOK_EVERY_MS = 500

WINDOW = timedelta(milliseconds=WINDOW_MS)
JUST_CAME = timedelta(minutes=5)
"""Before their comment: so long somebody counts as one of a crowd, whatever they write."""
WAVE_GAP = timedelta(seconds=10)
"""Who came so long after the one before them is of another wave: honest people who trickle in are not of the crowd."""
TOGETHER_MIN = 3
"""So many people of a wave behind one address count as one of its groups."""
GROUPS_MIN = 3
"""One address, or two, may be a school. A crowd behind many is none."""
GROUPED_MIN = 15
RUSH_COMMENTS_MIN = 40
RUSH_AUTHORS_MIN = 20
BEFORE = timedelta(minutes=1)
FAR_ABOVE = 5
"""So many times as many comments of newcomers as in the minute before are far above what the room had."""

Gist = frozenset[str]


class AttackKind(StrEnum):
    ALIKE = "alike"
    GUESTS = "guests"
    RUSH = "rush"


@dataclass(frozen=True, slots=True)
class Attack:
    """`since`: when the first of its people came to the site. `began`: their first comment.

    `people`, `comments`: of those who made it one. `addresses`: from how many they came; 0: not looked at. `gist`: what
    their texts are like; None: they differ.
    """

    kind: AttackKind
    since: datetime
    began: datetime
    people: int
    comments: int
    addresses: int = 0
    gist: Gist | None = None

    def is_like(self, body: str) -> bool:
        """Return whether a text reads like it. If its texts differ, each one does."""
        return self.gist is None or are_alike(gist(body), self.gist)


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
    """The newest comments of newcomers, of each video, and when `crowd_in` was last asked."""

    def __init__(self) -> None:
        self._texts: OrderedDict[UUID, deque[_Text]] = OrderedDict()
        self._quiet_until_ms: dict[UUID, int] = {}
        self._look_from_ms: OrderedDict[UUID, int] = OrderedDict()

    def seen(self, video_id: UUID, author_id: UUID, body: str, at_ms: int) -> Attack | None:
        """Take a comment in. Return the attack of texts alike that it belongs to, once."""
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
        since, began = _time(min(map(came_at_ms, authors))), _time(min(text.at_ms for text in alike))
        return Attack(AttackKind.ALIKE, since, began, len(authors), len(alike), gist=found)

    def is_to_look(self, video_id: UUID, author_id: UUID, at_ms: int) -> bool:
        """Return whether it is time to look at the video's newest comments: after one of somebody who has just come."""
        has_just_come = at_ms - came_at_ms(author_id) <= JUST_CAME.total_seconds() * 1000
        if not has_just_come or at_ms < self._look_from_ms.get(video_id, 0):
            return False
        self._look_from_ms[video_id] = at_ms + LOOK_EVERY_MS
        self._look_from_ms.move_to_end(video_id)
        if len(self._look_from_ms) > VIDEOS_MAX:
            self._look_from_ms.popitem(last=False)
        return True


def _time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


watch = AttackWatch()
"""What this process sees."""


@dataclass(frozen=True, slots=True)
class Recent:
    """A comment of the last `WINDOW`. `address`: a hash of that from which its author came; empty: not known."""

    author_id: UUID
    came_at: datetime
    at: datetime
    address: str = ""

    @property
    def has_just_come(self) -> bool:
        return self.at - self.came_at <= JUST_CAME


def crowd_in(recent: Sequence[Recent]) -> Attack | None:
    """Return the attack that the comments of the last `WINDOW` are, if it was calmer before (`is_far_above`).

    More than half of them are by people who have just come, in one wave. There are `GROUPS_MIN` addresses with
    `TOGETHER_MIN` of them or more, or they write `RUSH_COMMENTS_MIN` comments.
    """
    new = [each for each in recent if each.has_just_come]
    if 2 * len(new) <= len(recent):
        return None
    wave = _largest_wave(each.came_at for each in new)
    crowd = [each for each in new if wave[0] <= each.came_at <= wave[-1]]
    groups: dict[str, set[UUID]] = {}
    for each in crowd:
        groups.setdefault(each.address, set()).add(each.author_id)
    together = [people for address, people in groups.items() if address and len(people) >= TOGETHER_MIN]
    if len(together) >= GROUPS_MIN and (grouped := sum(map(len, together))) >= GROUPED_MIN:
        return _attack(AttackKind.GUESTS, crowd, grouped, addresses=len(together))
    people = len({each.author_id for each in crowd})
    if len(crowd) >= RUSH_COMMENTS_MIN and people >= RUSH_AUTHORS_MIN:
        return _attack(AttackKind.RUSH, crowd, people, addresses=len(groups))
    return None


def _largest_wave(came: Iterable[datetime]) -> list[datetime]:
    waves: list[list[datetime]] = []
    for at in sorted(came):
        if waves and at - waves[-1][-1] <= WAVE_GAP:
            waves[-1].append(at)
        else:
            waves.append([at])
    return max(waves, key=len)


def _attack(kind: AttackKind, crowd: Collection[Recent], people: int, *, addresses: int) -> Attack:
    since, began = min(each.came_at for each in crowd), min(each.at for each in crowd)
    return Attack(kind, since, began, people, len(crowd), addresses)


def is_far_above(attack: Attack, before: int) -> bool:
    """Return whether newcomers wrote far less just before. `before`: their comments in `BEFORE`, before `WINDOW`."""
    return attack.comments >= FAR_ABOVE * before * (WINDOW / BEFORE)
