"""Django's sessions, but malformed keys never reach the database. Set as SESSION_ENGINE."""

from __future__ import annotations

from typing import Any

from django.contrib.sessions.backends import db
from django.db import connection
from django.utils import timezone

_LOAD = "SELECT session_data FROM django_session WHERE session_key = %s AND expire_date > %s"


class SessionStore(db.SessionStore):
    def _validate_session_key(self, key: str | None) -> bool:
        """A cookie may quote a NUL (`"\\000"`), which PostgreSQL takes for an error of ours."""
        return key is not None and len(key) >= 8 and key.isascii() and key.isalnum()

    def load(self) -> dict[str, Any]:
        """Return what the session holds. One query, as text: each page and call with a session makes it."""
        with connection.cursor() as cursor:
            cursor.execute(_LOAD, [self.session_key, timezone.now()])
            row = cursor.fetchone()
        if row is None:
            self._session_key = None
            return {}
        held: dict[str, Any] = self.decode(row[0])
        return held
