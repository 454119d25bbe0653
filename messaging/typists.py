"""Who is typing a message: published to the other members of the conversation."""

from __future__ import annotations

from uuid import UUID

from accounts.models import Viewer
from accounts.tokens import Claim, viewer_of_claim
from accounts.typists import checked, publish
from messaging.reading import blockers_between, conversation_for
from messaging.representation import conversation_topic
from moderation.restrictions import takes_part


async def type_in_conversation(conversation_id: UUID, who: Viewer | Claim, *, is_typing: bool) -> None:
    """Publish it to the other members. If one of two members blocks the other, nothing is published, without an error.

    Raises SignedOut, NotFound, Forbidden (a time-out of the whole site), StoreUnavailable.
    """
    topic = conversation_topic(conversation_id)
    typist = await checked(topic, who, lambda: member_who_types(conversation_id, who), is_typing=is_typing)
    if typist is not None:
        publish(topic, typist, is_typing=is_typing)


def member_who_types(conversation_id: UUID, who: Viewer | Claim) -> Viewer | None:
    """Return who is seen typing, or None where one of two blocks the other, or under a shadow of the whole site.

    Raises as `type_in_conversation`.
    """
    if not takes_part(None, who.id):
        return None
    conversation = conversation_for(conversation_id, who.id)
    if conversation.pair is not None and blockers_between(who.id, [UUID(id) for id in conversation.pair.split(":")]):
        return None
    return viewer_of_claim(who)
