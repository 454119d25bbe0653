import django.db.models.deletion
from django.db import migrations, models

_PINNED_NOW = """
INSERT INTO videos_pin (video_id, comment_id, pinned_at)
SELECT video_id, id, pinned_at FROM videos_comment WHERE pinned_at IS NOT NULL
"""


class Migration(migrations.Migration):
    dependencies = [
        ("videos", "0002_ingest"),
    ]

    operations = [
        migrations.CreateModel(
            name="Pin",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "video",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="pins",
                        to="videos.video",
                    ),
                ),
                (
                    "comment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="pins", to="videos.comment"
                    ),
                ),
                ("pinned_at", models.DateTimeField()),
                ("unpinned_at", models.DateTimeField(null=True)),
            ],
            options={"indexes": [models.Index(fields=["video", "pinned_at"], name="pin_at")]},
        ),
        migrations.CreateModel(
            name="TimelineStep",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "video_id", "at", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "video",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="timeline",
                        to="videos.video",
                    ),
                ),
                ("at", models.DateTimeField()),
                ("likes", models.JSONField(null=True)),
                ("reactions", models.JSONField(default=dict)),
                ("comments", models.IntegerField(default=0)),
                ("viewers", models.IntegerField(null=True)),
            ],
        ),
        migrations.AddIndex(
            model_name="comment",
            index=models.Index(fields=["video", "created_at"], name="comment_at"),
        ),
        migrations.AddIndex(
            model_name="video",
            index=models.Index(fields=["-ended_at"], name="video_ended"),
        ),
        migrations.RunSQL(_PINNED_NOW, migrations.RunSQL.noop),
    ]
