import uuid

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import web.ids


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("following", "0002_search"),
        ("videos", "0007_video_source"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="follow",
            index=models.Index(
                condition=models.Q(("alerts", True)), fields=["channel", "viewer"], name="follow_alerts"
            ),
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
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
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
            ],
        ),
        migrations.CreateModel(
            name="PushDevice",
            fields=[
                ("id", models.UUIDField(default=web.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("endpoint", models.TextField(unique=True)),
                ("p256dh", models.CharField(max_length=100)),
                ("auth", models.CharField(max_length=100)),
                ("session_key", models.CharField(blank=True, db_default="", max_length=40)),
                (
                    "viewer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="push_devices",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
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
                ("kind", models.CharField(choices=[("soon", "starts soon"), ("live", "is live")], max_length=4)),
                ("at", models.DateTimeField()),
                ("after", models.UUIDField(db_default=uuid.UUID("00000000-0000-0000-0000-000000000000"))),
                ("leased_until", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("done_at", models.DateTimeField(null=True)),
                (
                    "video",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="announced",
                        to="videos.video",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("done_at", None)), fields=["leased_until"], name="announced_waiting"
                    )
                ],
            },
        ),
    ]
