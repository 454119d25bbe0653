"""The table of viewers. All code that acts on behalf of a viewer uses it."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from accounts.lookalikes import KEY_MAX, name_key
from web.ids import new_id

NAME_MAX = 40
_STAMP_SALT = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash"


def stamp_of(password: str) -> str:
    """Return the stamp of a viewer with that password hash: the beginning of Django's session hash, without a model."""
    return salted_hmac(_STAMP_SALT, password, algorithm="sha256").hexdigest()[:16]


def new_code() -> str:
    return secrets.token_urlsafe(16)


def in_two_weeks() -> datetime:
    return timezone.now() + timedelta(days=14)


class Viewer(AbstractUser):
    """A person: a guest with only a name, or an account with a password. Some broadcast, some are staff."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    username = models.CharField(_("username"), max_length=150, unique=True, validators=[UnicodeUsernameValidator()])
    name = models.CharField(_("name"), max_length=NAME_MAX)
    name_key = models.CharField(max_length=KEY_MAX, default="", db_default="", editable=False)
    came_to = models.UUIDField(null=True, editable=False)
    """Of a guest: the id of the video where they came in by this name."""
    is_guest = models.BooleanField(_("guest"), default=False)
    is_broadcaster = models.BooleanField(_("broadcaster"), default=False, help_text=_("May create and run videos."))
    is_hidden = models.BooleanField(
        _("hidden"), default=False, db_default=False, help_text=_("Does not want to be seen online.")
    )
    language = models.CharField(_("language"), max_length=10, blank=True, default="", db_default="")
    last_active_at = models.DateTimeField(_("last active"), null=True, blank=True, editable=False)
    picture = models.BigIntegerField(default=0, db_default=0, editable=False)
    """When they have sent their picture, in ms; 0: they have none (accounts.portraits)."""
    first_name: Any = None
    last_name: Any = None

    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        verbose_name = _("viewer")
        verbose_name_plural = _("viewers")
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["id"], condition=models.Q(is_superuser=True), name="viewer_superuser"),
            # Of the admin's lists of few among many.
            models.Index(fields=["id"], condition=models.Q(is_staff=True), name="viewer_staff"),
            models.Index(fields=["id"], condition=models.Q(is_broadcaster=True), name="viewer_broadcaster"),
            models.Index(fields=["id"], condition=models.Q(is_active=False), name="viewer_inactive"),
            # Who has a name: accounts first, then the newest guests (accounts.taken).
            models.Index(fields=["name_key", "is_guest", "-id"], name="viewer_name_key"),
        ]

    def __str__(self) -> str:
        return self.name or self.username

    def save(self, *args: Any, update_fields: Iterable[str] | None = None, **kwargs: Any) -> None:
        self.name = self.name or self.username[:NAME_MAX]
        self.name_key = name_key(self.name)
        if update_fields is not None and "name" in update_fields:
            update_fields = {*update_fields, "name_key"}
        super().save(*args, update_fields=update_fields, **kwargs)

    def stamp(self) -> str:
        """Return the part of a token that depends on the password. A new password makes old tokens worthless."""
        return stamp_of(self.password)

    def get_full_name(self) -> str:
        return self.name

    def get_short_name(self) -> str:
        return self.name


class Mail(models.Model):
    """A mail that has not been sent yet (accounts.outbox). It may hold a link that opens an account."""

    to = models.JSONField(_("to"))
    subject = models.CharField(_("subject"), max_length=200)
    body = models.TextField()
    headers = models.JSONField(default=dict, db_default={})
    made_at = models.DateTimeField(_("made"), db_default=Now())
    next_try_at = models.DateTimeField(_("next try"), db_default=Now(), db_index=True)
    tries = models.PositiveSmallIntegerField(_("tries"), default=0, db_default=0)
    error = models.CharField(_("error"), max_length=200, default="", db_default="")

    class Meta:
        verbose_name = _("mail")
        verbose_name_plural = _("mails")

    def __str__(self) -> str:
        return self.subject


class Invitation(models.Model):
    """Lets one person sign up where sign-up is by invitation (accounts.invitations)."""

    code = models.CharField(_("code"), max_length=32, primary_key=True, default=new_code, editable=False)
    note = models.CharField(_("note"), max_length=100, blank=True, default="", db_default="")
    made_by = models.ForeignKey(Viewer, models.SET_NULL, null=True, editable=False, related_name="+")
    made_at = models.DateTimeField(_("made"), db_default=Now())
    expires_at = models.DateTimeField(_("good until"), default=in_two_weeks)
    used_by = models.ForeignKey(Viewer, models.CASCADE, null=True, editable=False, related_name="+")

    class Meta:
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")

    def __str__(self) -> str:
        return self.note or self.code


class SignedIn(models.Model):
    """A browser in which an account is signed in: one of its sessions (accounts.browsers)."""

    viewer = models.ForeignKey(Viewer, models.CASCADE, related_name="+")
    session_key = models.CharField(max_length=40, unique=True)
    agent = models.CharField(max_length=200, default="", db_default="")
    address = models.CharField(max_length=45, default="", db_default="")
    began_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.agent


class Recheck(models.Model):
    """A viewer or a session that has changed, so that what they opened is checked again (accounts.rechecks). Neither:
    anybody may have changed. `transaction`: which one of the database did it.
    """

    id = models.UUIDField(primary_key=True, db_default=RandomUUID(), editable=False)
    transaction = models.BigIntegerField(db_index=True)
    viewer = models.CharField(max_length=40, db_default="")
    session = models.CharField(max_length=40, db_default="")
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.viewer or self.session


class Erasure(models.Model):
    """An account that is to go. A job deletes it, and this row with it (accounts.removal).

    `asked_by`: who of the staff wants it. Null: its owner.
    """

    viewer = models.OneToOneField(Viewer, models.CASCADE, primary_key=True, related_name="+")
    asked_by = models.ForeignKey(Viewer, models.SET_NULL, null=True, db_index=False, related_name="+")
    asked_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return str(self.viewer_id)


class Portrait(models.Model):
    """The picture of a person (accounts.portraits)."""

    viewer = models.OneToOneField(Viewer, models.CASCADE, primary_key=True, related_name="+")
    data = models.BinaryField()
    changed_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return str(self.viewer_id)
