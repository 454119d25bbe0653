"""Passwords in tests: hashed as those of a site, in fewer rounds. Called by tests.conftest and tests.forks."""

from __future__ import annotations

from django.contrib.auth.hashers import PBKDF2PasswordHasher


def hash_quickly() -> None:
    """Hash the passwords of this process in 1,000 rounds: a million take 0.22 s of CPU, and tests need hundreds."""
    PBKDF2PasswordHasher.iterations = 1_000
