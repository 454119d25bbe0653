"""What a broadcaster says of their channel, and who follows it. Called by all of this app.

The constraints decide: one follow per viewer and channel, and a handle is one channel's.
"""

from __future__ import annotations

from typing import ClassVar

from django.core.validators import MaxLengthValidator
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.models import Viewer
from following.text import ABOUT_MAX, HANDLE_MAX


class Channel(models.Model):
    """A broadcaster's place on the site. Without a row nobody follows it, and nothing is said of it.

    `followers` equals `count(*)` of Follow, kept in the same transaction.
    """

    owner = models.OneToOneField(
        Viewer, models.CASCADE, primary_key=True, related_name="channel", verbose_name=_("broadcaster")
    )
    # Null, not empty: channels without one must not count as the same.
    handle = models.CharField(
        _("handle"), max_length=HANDLE_MAX, null=True, blank=True, unique=True, help_text=_("Its name in addresses.")
    )
    about = models.TextField(_("about"), blank=True, db_default="", validators=[MaxLengthValidator(ABOUT_MAX)])
    followers = models.BigIntegerField(_("followers"), db_default=0, editable=False)

    class Meta:
        verbose_name = _("channel")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=models.Q(followers__gte=0), name="followers_not_negative"),
        ]

    def __str__(self) -> str:
        return self.handle or str(self.owner_id)


class Follow(models.Model):
    """One viewer follows one channel. `alerts`: they want to hear when it goes live."""

    pk = models.CompositePrimaryKey("viewer_id", "channel_id")
    viewer = models.ForeignKey(Viewer, models.CASCADE, db_index=False, related_name="following")
    channel = models.ForeignKey(Channel, models.CASCADE, related_name="follows")
    alerts = models.BooleanField(db_default=False)
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.viewer_id} follows {self.channel_id}"
