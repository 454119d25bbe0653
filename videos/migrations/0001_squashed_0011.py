import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import web.ids


class Migration(migrations.Migration):
    replaces = [
        ("videos", "0001_initial"),
        ("videos", "0002_ingest"),
        ("videos", "0003_timeline"),
        ("videos", "0004_comment_index"),
        ("videos", "0005_comments_after_end"),
        ("videos", "0006_captions"),
        ("videos", "0007_video_source"),
        ("videos", "0008_board"),
        ("videos", "0009_held_comments"),
        ("videos", "0010_comment_deletion"),
        ("videos", "0011_comment_edits"),
    ]

    initial = True

    dependencies = [
        ("accounts", "0001_squashed_0007"),
    ]

    operations = [
        migrations.CreateModel(
            name="Video",
            fields=[
                ("id", models.UUIDField(default=web.ids.new_id, editable=False, primary_key=True, serialize=False)),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="videos",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="broadcaster",
                    ),
                ),
                ("title", models.CharField(max_length=120, verbose_name="title")),
                (
                    "description",
                    models.TextField(
                        blank=True,
                        validators=[django.core.validators.MaxLengthValidator(2000)],
                        verbose_name="description",
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[("upcoming", "upcoming"), ("live", "live"), ("ended", "ended")],
                        default="upcoming",
                        max_length=8,
                        verbose_name="status",
                    ),
                ),
                (
                    "visibility",
                    models.CharField(
                        choices=[("public", "public"), ("unlisted", "unlisted"), ("private", "private")],
                        default="public",
                        max_length=8,
                        verbose_name="visibility",
                    ),
                ),
                ("comments_enabled", models.BooleanField(default=True, verbose_name="comments")),
                (
                    "playlist",
                    models.CharField(
                        blank=True,
                        help_text="Path on this site, like /media/<id>/live.m3u8; empty: no picture.",
                        max_length=300,
                        verbose_name="HLS playlist",
                    ),
                ),
                (
                    "source",
                    models.CharField(
                        blank=True,
                        db_default="",
                        help_text="RTSP or HLS, at an origin of LIVE_PULL_ORIGINS; empty: an encoder sends.",
                        max_length=300,
                        verbose_name="address to fetch from",
                    ),
                ),
                (
                    "picture",
                    models.CharField(
                        blank=True,
                        choices=[("waiting", "waiting"), ("live", "live"), ("stalled", "stalled"), ("gone", "gone")],
                        db_default="",
                        editable=False,
                        max_length=8,
                        verbose_name="picture",
                    ),
                ),
                (
                    "picture_since",
                    models.DateTimeField(blank=True, editable=False, null=True, verbose_name="picture since"),
                ),
                (
                    "starts_itself",
                    models.BooleanField(
                        db_default=True,
                        default=True,
                        help_text="When the picture comes. Else with a click.",
                        verbose_name="goes live by itself",
                    ),
                ),
                (
                    "is_recorded",
                    models.BooleanField(
                        db_default=True,
                        default=True,
                        help_text="Can be watched when it has ended.",
                        verbose_name="recorded",
                    ),
                ),
                (
                    "comments_after_end",
                    models.BooleanField(
                        db_default=False,
                        default=False,
                        help_text="Viewers may comment when it has ended. What they write is marked.",
                        verbose_name="comments after the end",
                    ),
                ),
                (
                    "captions",
                    models.CharField(
                        blank=True, db_default="", editable=False, max_length=240, verbose_name="captions"
                    ),
                ),
                ("has_board", models.BooleanField(db_default=False, default=False, editable=False)),
                ("starts_at", models.DateTimeField(blank=True, null=True, verbose_name="planned start")),
                ("started_at", models.DateTimeField(blank=True, editable=False, null=True, verbose_name="started")),
                ("ended_at", models.DateTimeField(blank=True, editable=False, null=True, verbose_name="ended")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
            ],
            options={
                "verbose_name": "video",
                "indexes": [
                    models.Index(fields=["status", "-created_at"], name="videos_vide_status_9ed8a1_idx"),
                    models.Index(fields=["-ended_at"], name="video_ended"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("status__in", ["upcoming", "live", "ended"])), name="video_status"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("status", "upcoming"),
                            ("started_at__isnull", False),
                            models.Q(("ended_at__isnull", False), ("status", "ended")),
                            _connector="OR",
                        ),
                        name="video_times",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="StreamKey",
            fields=[
                (
                    "viewer",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="stream_key",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("version", models.PositiveIntegerField(default=1)),
            ],
        ),
        migrations.CreateModel(
            name="DeletedVideo",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("deleted_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.CreateModel(
            name="Like",
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
                        on_delete=django.db.models.deletion.CASCADE, related_name="likes", to="videos.video"
                    ),
                ),
                (
                    "viewer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="likes", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("like", "like"),
                            ("celebrate", "celebrate"),
                            ("support", "support"),
                            ("love", "love"),
                            ("insightful", "insightful"),
                            ("funny", "funny"),
                        ],
                        max_length=10,
                    ),
                ),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("kind__in", ["like", "celebrate", "support", "love", "insightful", "funny"])
                        ),
                        name="like_kind",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="LikeCount",
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
                        on_delete=django.db.models.deletion.CASCADE, related_name="like_counts", to="videos.video"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("like", "like"),
                            ("celebrate", "celebrate"),
                            ("support", "support"),
                            ("love", "love"),
                            ("insightful", "insightful"),
                            ("funny", "funny"),
                        ],
                        max_length=10,
                    ),
                ),
                ("count", models.BigIntegerField()),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("count__gte", 0)), name="like_count_not_negative")
                ],
            },
        ),
        migrations.CreateModel(
            name="Comment",
            fields=[
                ("id", models.UUIDField(default=web.ids.new_id, editable=False, primary_key=True, serialize=False)),
                (
                    "video",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="comments",
                        to="videos.video",
                        verbose_name="video",
                    ),
                ),
                (
                    "author",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="comments",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="author",
                    ),
                ),
                (
                    "reply_to",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="replies",
                        to="videos.comment",
                    ),
                ),
                (
                    "body",
                    models.TextField(validators=[django.core.validators.MaxLengthValidator(1000)], verbose_name="body"),
                ),
                ("client_id", models.CharField(blank=True, max_length=64, null=True)),
                ("seq", models.BigIntegerField()),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="written"),
                ),
                ("deleted_at", models.DateTimeField(blank=True, null=True, verbose_name="deleted")),
                ("deletion", models.UUIDField(editable=False, null=True)),
                ("pinned_at", models.DateTimeField(blank=True, null=True, verbose_name="pinned")),
                ("edited_at", models.DateTimeField(blank=True, null=True, verbose_name="edited")),
            ],
            options={
                "verbose_name": "comment",
                "indexes": [
                    models.Index(
                        condition=models.Q(("deleted_at", None)), fields=["video", "-seq"], name="comment_shown"
                    ),
                    models.Index(
                        condition=models.Q(("pinned_at__isnull", False)), fields=["video"], name="comment_pinned"
                    ),
                    models.Index(fields=["video", "created_at"], name="comment_at"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("video", "seq"), name="comment_seq"),
                    models.UniqueConstraint(fields=("video", "author", "client_id"), name="comment_client_id"),
                    models.CheckConstraint(condition=models.Q(("body", ""), _negated=True), name="comment_not_empty"),
                ],
            },
        ),
        migrations.CreateModel(
            name="HeldComment",
            fields=[
                ("id", models.UUIDField(default=web.ids.new_id, editable=False, primary_key=True, serialize=False)),
                (
                    "video",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="held",
                        to="videos.video",
                        verbose_name="video",
                    ),
                ),
                (
                    "author",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="held",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="author",
                    ),
                ),
                (
                    "reply_to",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="videos.comment",
                    ),
                ),
                (
                    "body",
                    models.TextField(validators=[django.core.validators.MaxLengthValidator(1000)], verbose_name="body"),
                ),
                ("client_id", models.CharField(blank=True, max_length=64, null=True)),
                ("reason", models.CharField(max_length=200, verbose_name="why")),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="written"),
                ),
            ],
            options={
                "verbose_name": "held comment",
                "constraints": [
                    models.UniqueConstraint(fields=("video", "author", "client_id"), name="held_client_id")
                ],
            },
        ),
        migrations.CreateModel(
            name="CommentVersion",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "comment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="versions", to="videos.comment"
                    ),
                ),
                ("body", models.TextField()),
                ("written_at", models.DateTimeField()),
            ],
        ),
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
            options={
                "indexes": [models.Index(fields=["video", "pinned_at"], name="pin_at")],
            },
        ),
        migrations.CreateModel(
            name="CaptionTrack",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "video",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="caption_tracks",
                        to="videos.video",
                    ),
                ),
                ("language", models.CharField(max_length=20)),
                ("text", models.TextField()),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("video", "language"), name="caption_language")],
            },
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
    ]
