import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("videos", "0005_comments_after_end"),
    ]

    operations = [
        migrations.AddField(
            model_name="video",
            name="captions",
            field=models.CharField(blank=True, db_default="", editable=False, max_length=240, verbose_name="captions"),
        ),
        migrations.CreateModel(
            name="CaptionTrack",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("language", models.CharField(max_length=20)),
                ("text", models.TextField()),
                (
                    "video",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="caption_tracks",
                        to="videos.video",
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("video", "language"), name="caption_language")],
            },
        ),
    ]
