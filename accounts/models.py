"""The table of viewers. All code that acts on behalf of a viewer uses it."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.db import models
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from web.ids import new_id

NAME_MAX = 40
_STAMP_SALT = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash"


def stamp_of(password: str) -> str:
    """Return the stamp of a viewer with that password hash: the beginning of Django's session hash, without a model."""
    return salted_hmac(_STAMP_SALT, password, algorithm="sha256").hexdigest()[:16]


class Viewer(AbstractUser):
    """A person: a guest with only a name, or an account with a password. Some broadcast, some are staff."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    username = models.CharField(_("username"), max_length=150, unique=True, validators=[UnicodeUsernameValidator()])
    name = models.CharField(_("name"), max_length=NAME_MAX)
    is_guest = models.BooleanField(_("guest"), default=False)
    is_broadcaster = models.BooleanField(_("broadcaster"), default=False, help_text=_("May create and run videos."))
    is_hidden = models.BooleanField(
        _("hidden"), default=False, db_default=False, help_text=_("Does not want to be seen online.")
    )
    last_active_at = models.DateTimeField(_("last active"), null=True, blank=True, editable=False)
    first_name: Any = None
    last_name: Any = None

    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        verbose_name = _("viewer")
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["id"], condition=models.Q(is_superuser=True), name="viewer_superuser"),
        ]

    def __str__(self) -> str:
        return self.name or self.username

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.name = self.name or self.username[:NAME_MAX]
        super().save(*args, **kwargs)

    def stamp(self) -> str:
        """Return the part of a token that depends on the password. A new password makes old tokens worthless."""
        return stamp_of(self.password)

    def get_full_name(self) -> str:
        return self.name

    def get_short_name(self) -> str:
        return self.name
