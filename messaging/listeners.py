"""Who wants to know of new messages: apps above add themselves. Called by messaging.acts."""

from __future__ import annotations

from collections.abc import Callable, Collection
from uuid import UUID

MessageListener = Callable[[UUID, Collection[UUID]], None]
"""Called in the transaction that writes a message, with its conversation and the members other than its author."""

listeners: list[MessageListener] = []
