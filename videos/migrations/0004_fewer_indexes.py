"""Fewer indexes of likes and comments to write, and one for the list of deleted comments."""

import django.db.models.deletion
from django.db import migrations, models

from realtime.indexes import AddIndexMeanwhile, DropIndexesMeanwhile


def _of_video(model: str, related_name: str) -> migrations.AlterField:
    return migrations.AlterField(
        model_name=model,
        name="video",
        field=models.ForeignKey(
            db_index=False,
            on_delete=django.db.models.deletion.CASCADE,
            related_name=related_name,
            to="videos.video",
        ),
    )


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("videos", "0003_held_questions")]

    operations = [
        AddIndexMeanwhile(
            "comment",
            models.Index(condition=models.Q(("reply_to__isnull", False)), fields=["reply_to"], name="comment_answers"),
        ),
        AddIndexMeanwhile(
            "comment",
            models.Index(condition=models.Q(("deleted_at__isnull", False)), fields=["id"], name="comment_deleted"),
        ),
        migrations.SeparateDatabaseAndState(
            # Django would also make the foreign keys anew, and check all rows meanwhile.
            state_operations=[
                _of_video("like", "likes"),
                _of_video("likecount", "like_counts"),
                migrations.AlterField(
                    model_name="comment",
                    name="reply_to",
                    field=models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="replies",
                        to="videos.comment",
                    ),
                ),
            ],
        ),
        DropIndexesMeanwhile(
            ("videos_like", "video_id"), ("videos_likecount", "video_id"), ("videos_comment", "reply_to_id")
        ),
    ]
