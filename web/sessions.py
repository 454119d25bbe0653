"""Django's sessions, but malformed keys never reach the database. Set as SESSION_ENGINE."""

from __future__ import annotations

from django.contrib.sessions.backends import db


class SessionStore(db.SessionStore):
    def _validate_session_key(self, key: str | None) -> bool:
        """A cookie may quote a NUL (`"\\000"`), which PostgreSQL takes for an error of ours."""
        return key is not None and len(key) >= 8 and key.isascii() and key.isalnum()
