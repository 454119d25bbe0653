"""What apps declare to the platform at start: kinds of topics, commands, and how to recognize a viewer.

Hop: beside the path. `realtime` imports no app; each app registers here in its AppConfig.ready().
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from realtime.events import ID, Burst, Counters, Durable, Event, Signal, State, TopicName
from realtime.identity import Identity
from realtime.kinds import Rechecks, Review, TopicKind


class CommandError(Exception):
    """A refused command: the viewer's mistake, with a code and a sentence."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


# Called with the viewer's identity, their address and the message. Returns what the acknowledgement holds.
RunCommand = Callable[[Identity, str, dict[str, Any]], Awaitable[dict[str, Any]]]
# Called with a request's headers. Returns the identity that it comes for. Raises CommandError for bad credentials.
Identify = Callable[[dict[bytes, bytes]], Awaitable[Identity]]
# Called with a request's headers. Returns the viewer's id if the credentials themselves say it, else "". It asks no
# database, so only the counting of viewers may depend on it.
ViewerIdOf = Callable[[dict[bytes, bytes]], str]
# Called with the identities of viewers. In a database thread.
LookAgain = Callable[[Sequence[Identity]], Review]
# Called with where the last look ended, "" for the first one. Returns what has changed since. In a database thread.
LookForRechecks = Callable[[str], Rechecks]
# Called with viewers and when they were last active, in ms. In a database thread.
SaveLastActive = Callable[[Mapping[str, int]], None]


@dataclass(slots=True)
class Registry:
    kinds: dict[str, TopicKind] = field(default_factory=dict)
    commands: dict[str, RunCommand] = field(default_factory=dict)
    identify: Identify | None = None
    claim: ViewerIdOf | None = None
    review: LookAgain | None = None
    rechecks: LookForRechecks | None = None
    save_last_active: SaveLastActive | None = None

    def add_kind(self, kind: TopicKind) -> None:
        self.kinds[kind.prefix] = kind

    def is_topic(self, text: str) -> bool:
        """Whether the text names a topic of a declared kind."""
        prefix, _, id = text.partition(":")
        return prefix in self.kinds and _ID.fullmatch(id) is not None

    def topic(self, text: object) -> TopicName:
        """Return `text` as the name of such a topic. Raises ValueError."""
        if isinstance(text, str) and self.is_topic(text):
            return TopicName(text)
        raise ValueError(f"a topic looks like {next(iter(self.kinds), 'kind')}:<id>")

    @property
    def topic_pattern(self) -> str:
        """The form of such a name, as a regular expression."""
        return f"(?:{'|'.join(self.kinds)}):{ID}"

    @property
    def presence_prefix(self) -> str:
        """How topics begin that say who is online, such as `presence:`. "": no kind has such topics."""
        return next((f"{prefix}:" for prefix, kind in self.kinds.items() if kind.is_presence), "")

    def check(self, event: Event) -> TopicKind:
        """Return the kind of the event's topic. Raises ValueError if the kind does not name the event."""
        kind = self.kinds.get(event.topic.partition(":")[0])
        if kind is None:
            raise ValueError(f"{event.topic}: no kind of topics begins so")
        match event:
            case Durable(name=name):
                is_named = name in kind.events
            case State(name=name):
                is_named = name in kind.states
            case Signal(name=name):
                is_named = name in kind.signals
            case Burst():
                name, is_named = "a burst", bool(kind.burst)
            case Counters():
                name, is_named = "a counter", bool(kind.counter)
        if not is_named:
            raise ValueError(f"{event.topic}: {type(kind).__name__} does not name {name}")
        return kind

    def add_command(self, op: str, command: RunCommand) -> None:
        self.commands[op] = command


_ID = re.compile(ID, re.ASCII)
registry = Registry()
