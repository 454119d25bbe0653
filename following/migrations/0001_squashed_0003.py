"""The tables, and the indexes of the words of channels and videos, with the expressions of following.search."""

import uuid

import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import web.ids

FOLDED = r"to_tsvector('simple', translate(regexp_replace(normalize({}, NFKD), '[\u0300-\u036f]', '', 'g'), './@:_-', '      '))"
INDEXES = {
    "video_words": ("videos_video", "title || ' ' || description", "visibility = 'public'"),
    "viewer_words": ("accounts_viewer", "name", "(is_broadcaster OR is_staff OR is_superuser)"),
    "channel_words": ("following_channel", "coalesce(handle, '') || ' ' || about", "true"),
}


class Migration(migrations.Migration):
    replaces = [("following", "0001_initial"), ("following", "0002_search"), ("following", "0003_reminders")]

    initial = True

    dependencies = [
        ("accounts", "0001_squashed_0007"),
        ("videos", "0001_squashed_0011"),
    ]

    operations = [
        migrations.CreateModel(
            name="Channel",
            fields=[
                (
                    "owner",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="channel",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="broadcaster",
                    ),
                ),
                (
                    "handle",
                    models.CharField(
                        blank=True,
                        help_text="Its name in addresses.",
                        max_length=30,
                        null=True,
                        unique=True,
                        verbose_name="handle",
                    ),
                ),
                (
                    "about",
                    models.TextField(
                        blank=True,
                        db_default="",
                        validators=[django.core.validators.MaxLengthValidator(2000)],
                        verbose_name="about",
                    ),
                ),
                ("followers", models.BigIntegerField(db_default=0, editable=False, verbose_name="followers")),
            ],
            options={
                "verbose_name": "channel",
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("followers__gte", 0)), name="followers_not_negative")
                ],
            },
        ),
        migrations.CreateModel(
            name="Follow",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "viewer_id", "channel_id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "viewer",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="following",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "channel",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="follows", to="following.channel"
                    ),
                ),
                ("alerts", models.BooleanField(db_default=False)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("alerts", True)), fields=["channel", "viewer"], name="follow_alerts"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Reminder",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "video_id", "viewer_id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "video",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="reminders",
                        to="videos.video",
                    ),
                ),
                (
                    "viewer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="reminders",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.CreateModel(
            name="PushDevice",
            fields=[
                ("id", models.UUIDField(default=web.ids.new_id, editable=False, primary_key=True, serialize=False)),
                (
                    "viewer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="push_devices",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("endpoint", models.TextField(unique=True)),
                ("p256dh", models.CharField(max_length=100)),
                ("auth", models.CharField(max_length=100)),
                ("session_key", models.CharField(blank=True, db_default="", max_length=40)),
            ],
        ),
        migrations.CreateModel(
            name="Announced",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "video_id", "kind", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "video",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="announced",
                        to="videos.video",
                    ),
                ),
                ("kind", models.CharField(choices=[("soon", "starts soon"), ("live", "is live")], max_length=4)),
                ("at", models.DateTimeField()),
                ("after", models.UUIDField(db_default=uuid.UUID("00000000-0000-0000-0000-000000000000"))),
                ("leased_until", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("done_at", models.DateTimeField(null=True)),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("done_at", None)), fields=["leased_until"], name="announced_waiting"
                    )
                ],
            },
        ),
        *(
            migrations.RunSQL(
                f"CREATE INDEX {name} ON {table} USING gin ({FOLDED.format(text)}) WHERE {which}", f"DROP INDEX {name}"
            )
            for name, (table, text, which) in INDEXES.items()
        ),
    ]
