"""Lots, bids and stars. PostgreSQL is the truth; the platform knows who watches."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from realtime.events import TopicName


class Lot(models.Model):
    """A thing that is sold. Only those invited may see one that is private."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    title = models.CharField(max_length=200)
    start = models.PositiveIntegerField(help_text="The lowest first bid, in euros.")
    is_closed = models.BooleanField(default=False, editable=False)
    is_private = models.BooleanField(default=False)
    invited = models.ManyToManyField(settings.AUTH_USER_MODEL, blank=True, related_name="invitations")

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return f"/lots/{self.id}/"

    @property
    def topic(self) -> TopicName:
        return TopicName(f"lot:{self.id}")


class Bid(models.Model):
    """An offer, in euros."""

    lot = models.ForeignKey(Lot, on_delete=models.CASCADE, related_name="bids")
    bidder = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    amount = models.PositiveIntegerField()
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-amount",)
        constraints = (models.UniqueConstraint(fields=("lot", "amount"), name="one_bid_of_an_amount"),)

    def __str__(self) -> str:
        return f"{self.amount} € for {self.lot}"


class Star(models.Model):
    """Somebody keeps an eye on a lot."""

    lot = models.ForeignKey(Lot, on_delete=models.CASCADE, related_name="stars")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("lot", "user"), name="one_star_of_a_user"),)

    def __str__(self) -> str:
        return f"{self.user}: {self.lot}"
