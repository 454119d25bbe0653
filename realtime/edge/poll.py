"""Finds which of many sockets have something to read or room to write: epoll, or what macOS and BSD have.

Called by realtime.edge.sockets, and by the load generator's viewers. Its own descriptor is readable while a socket is
ready, so one loop can wait for thousands.
"""

from __future__ import annotations

import select
import selectors
import sys

READ, WRITE = 1, 4  # epoll's own numbers; everything else that it reports means the end, which we then read


class SelectorPoll:
    """The poll that works everywhere."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self.close = self._selector.close

    def fileno(self) -> int:
        descriptor: int = self._selector.fileno()
        return descriptor

    def add(self, descriptor: int, interest: int = READ) -> None:
        self._selector.register(descriptor, _for_selector(interest))

    def watch(self, descriptor: int, interest: int) -> None:
        """Change what to watch for: READ and WRITE, or 0 for only the end of the connection, if the system shows it."""
        watched = descriptor in self._selector.get_map()
        if not interest:
            if watched:
                self._selector.unregister(descriptor)
        elif watched:
            self._selector.modify(descriptor, _for_selector(interest))
        else:
            self._selector.register(descriptor, _for_selector(interest))

    def remove(self, descriptor: int) -> None:
        if descriptor in self._selector.get_map():
            self._selector.unregister(descriptor)

    def ready(self, most: int) -> list[tuple[int, int]]:
        """Return up to `most` descriptors, each with what it is ready for."""
        return [
            (key.fd, (READ if events & selectors.EVENT_READ else 0) | (WRITE if events & selectors.EVENT_WRITE else 0))
            for key, events in self._selector.select(0)[:most]
        ]


def _for_selector(interest: int) -> int:
    read = selectors.EVENT_READ if interest & READ else 0
    return read | (selectors.EVENT_WRITE if interest & WRITE else 0)


if sys.platform == "linux":

    class Poll:
        """epoll: no object a socket."""

        def __init__(self) -> None:
            self._epoll = select.epoll()
            self.fileno = self._epoll.fileno
            self.close = self._epoll.close
            self.remove = self._epoll.unregister

        def add(self, descriptor: int, interest: int = READ) -> None:
            self._epoll.register(descriptor, interest | select.EPOLLRDHUP)

        def watch(self, descriptor: int, interest: int) -> None:
            self._epoll.modify(descriptor, interest | select.EPOLLRDHUP)

        def ready(self, most: int) -> list[tuple[int, int]]:
            return self._epoll.poll(0, most)

else:
    Poll = SelectorPoll
