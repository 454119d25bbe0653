"""What a guest who signs in has here: the rules and lists of their channel, if the account has none of its own.

Hop: beside the path, called by accounts.merging in its transaction.
"""

from __future__ import annotations

from accounts.belongings import Belongings
from accounts.models import Viewer
from realtime.log.writer import LockedHeads
from screening.models import Alarm, ChannelRules, ChannelWords, Gate


class RulesOfGuest(Belongings):
    def hand_over(self, guest: Viewer, account: Viewer, heads: LockedHeads) -> None:
        for model in (ChannelRules, ChannelWords, Gate, Alarm):
            if not model._default_manager.filter(owner=account).exists():
                model._default_manager.filter(owner=guest).update(owner=account)
