"""Word lists that are ready to be matched: made once for each version, and kept in this process.

Called by videos.screened, inside the transaction that stores a comment: it brings versions, and gets lists. A version
that is not here yet costs one query.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

import psycopg

from screening.models import wordlist_of
from screening.words import Wordlist

KEPT_MAX = 200

_READ = (
    "SELECT version, refused, held FROM screening_channelwords WHERE version = ANY(%(versions)s)"
    " UNION ALL SELECT version, refused, held FROM screening_sitewords WHERE version = ANY(%(versions)s)"
)
_kept: OrderedDict[UUID, Wordlist] = OrderedDict()


def wordlists(connection: psycopg.Connection[Any], versions: Collection[UUID]) -> Mapping[UUID, Wordlist]:
    """Return the lists of these versions. The least recently asked for are forgotten. Used by one thread."""
    if missing := [version for version in versions if version not in _kept]:
        for version, refused, held in connection.execute(_READ, {"versions": missing}).fetchall():
            _kept[version] = wordlist_of(refused, held)
    found = {version: _kept[version] for version in versions if version in _kept}
    for version in found:
        _kept.move_to_end(version)
    while len(_kept) > max(KEPT_MAX, len(found)):
        _kept.popitem(last=False)
    return found
