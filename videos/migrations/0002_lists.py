"""Indexes of the lists of cards (videos.cards)."""

from datetime import UTC, datetime

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models.functions import Coalesce

from realtime.indexes import AddIndexMeanwhile


def _listed(status: str) -> models.Q:
    return models.Q(status=status, visibility="public")


INDEXES = [
    models.Index(fields=["owner", "-id"], name="video_owner"),
    models.Index(fields=["-started_at", "-id"], condition=_listed("live"), name="video_listed_live"),
    models.Index(
        Coalesce("starts_at", models.Value(datetime(9999, 12, 31, tzinfo=UTC))),
        "id",
        condition=_listed("upcoming"),
        name="video_listed_next",
    ),
    models.Index(fields=["-ended_at", "-id"], condition=_listed("ended"), name="video_listed_ended"),
    models.Index(fields=["owner", "-ended_at", "-id"], condition=_listed("ended"), name="video_channel_ended"),
]


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("videos", "0001_squashed_0011"),
    ]

    operations = [
        *(AddIndexMeanwhile("video", index) for index in INDEXES),
        migrations.AlterField(
            model_name="video",
            name="owner",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="videos",
                to=settings.AUTH_USER_MODEL,
                verbose_name="broadcaster",
            ),
        ),
    ]
