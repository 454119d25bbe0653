import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import web.ids


class Migration(migrations.Migration):
    replaces = [
        ("polls", "0001_board"),
        ("polls", "0002_announcements"),
        ("polls", "0003_questions"),
        ("polls", "0004_goal_moments"),
    ]

    initial = True

    dependencies = [
        ("accounts", "0001_squashed_0007"),
        ("videos", "0001_squashed_0011"),
    ]

    operations = [
        migrations.CreateModel(
            name="Poll",
            fields=[
                ("id", models.UUIDField(default=web.ids.new_id, editable=False, primary_key=True, serialize=False)),
                (
                    "video",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="polls",
                        to="videos.video",
                        verbose_name="video",
                    ),
                ),
                (
                    "opener",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="opened_polls",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="opened by",
                    ),
                ),
                ("question", models.CharField(max_length=200, verbose_name="question")),
                (
                    "is_for_accounts",
                    models.BooleanField(db_default=False, default=False, verbose_name="for accounts only"),
                ),
                (
                    "opened_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="opened"),
                ),
                ("ends_at", models.DateTimeField(null=True, verbose_name="ends")),
                ("withdrawn_at", models.DateTimeField(null=True, verbose_name="withdrawn")),
            ],
            options={
                "verbose_name": "poll",
                "indexes": [models.Index(fields=["video", "-opened_at", "-id"], name="poll_newest")],
            },
        ),
        migrations.CreateModel(
            name="PollOption",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "poll",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="options",
                        to="polls.poll",
                    ),
                ),
                ("place", models.SmallIntegerField()),
                ("text", models.CharField(max_length=80)),
                ("votes", models.BigIntegerField(db_default=0, default=0)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("poll", "place"), name="option_place"),
                    models.CheckConstraint(condition=models.Q(("votes__gte", 0)), name="votes_not_negative"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Vote",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "poll_id", "viewer_id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "poll",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="votes",
                        to="polls.poll",
                    ),
                ),
                (
                    "viewer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="votes", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "option",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="polls.polloption",
                    ),
                ),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.CreateModel(
            name="QuestionList",
            fields=[
                (
                    "video",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="question_list",
                        serialize=False,
                        to="videos.video",
                    ),
                ),
                ("is_open", models.BooleanField(db_default=True, default=True)),
            ],
        ),
        migrations.CreateModel(
            name="Question",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "video",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="questions",
                        to="videos.video",
                        verbose_name="video",
                    ),
                ),
                (
                    "author",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="questions",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="author",
                    ),
                ),
                ("body", models.CharField(max_length=300, verbose_name="question")),
                ("client_id", models.CharField(max_length=64, null=True)),
                ("votes", models.BigIntegerField(db_default=0, default=0, verbose_name="votes")),
                (
                    "asked_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="asked"),
                ),
                ("answering_at", models.DateTimeField(null=True, verbose_name="answering since")),
                ("answered_at", models.DateTimeField(null=True, verbose_name="answered")),
                ("deleted_at", models.DateTimeField(null=True, verbose_name="deleted")),
            ],
            options={
                "verbose_name": "viewer's question",
                "verbose_name_plural": "viewers' questions",
                "indexes": [
                    models.Index(
                        condition=models.Q(("answered_at", None), ("deleted_at", None)),
                        fields=["video"],
                        name="question_listed",
                    ),
                    models.Index(
                        condition=models.Q(("answered_at__isnull", False), ("deleted_at", None)),
                        fields=["video", "-answered_at"],
                        name="question_answered",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("video", "author", "client_id"), name="question_client_id"),
                    models.UniqueConstraint(
                        condition=models.Q(
                            ("answered_at", None), ("deleted_at", None), ("answering_at__isnull", False)
                        ),
                        fields=("video",),
                        name="question_one_answering",
                    ),
                    models.CheckConstraint(condition=models.Q(("votes__gte", 0)), name="question_votes_not_negative"),
                ],
            },
        ),
        migrations.CreateModel(
            name="QuestionVote",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "question_id", "viewer_id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "question",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="cast",
                        to="polls.question",
                    ),
                ),
                (
                    "viewer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.CreateModel(
            name="Announcement",
            fields=[
                ("id", models.UUIDField(default=web.ids.new_id, editable=False, primary_key=True, serialize=False)),
                (
                    "video",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="announcements",
                        to="videos.video",
                        verbose_name="video",
                    ),
                ),
                (
                    "author",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="author",
                    ),
                ),
                ("text", models.CharField(max_length=200, verbose_name="text")),
                (
                    "made_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="made"),
                ),
                ("ended_at", models.DateTimeField(null=True, verbose_name="taken away")),
            ],
            options={
                "verbose_name": "announcement",
            },
        ),
        migrations.CreateModel(
            name="Goal",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "video",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="goals",
                        to="videos.video",
                        verbose_name="video",
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("likes", "likes"), ("viewers", "viewers")], max_length=8, verbose_name="kind"
                    ),
                ),
                ("title", models.CharField(blank=True, db_default="", max_length=60, verbose_name="title")),
                ("target", models.PositiveIntegerField(verbose_name="number")),
                (
                    "set_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="set"),
                ),
                ("reached_at", models.DateTimeField(null=True, verbose_name="reached")),
            ],
            options={
                "verbose_name": "goal",
                "constraints": [models.UniqueConstraint(fields=("video", "kind"), name="goal_once")],
            },
        ),
        migrations.CreateModel(
            name="Raid",
            fields=[
                (
                    "video",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="raid",
                        serialize=False,
                        to="videos.video",
                    ),
                ),
                ("target_id", models.UUIDField(db_index=True)),
                ("target_title", models.CharField(max_length=120)),
                ("target_name", models.CharField(max_length=40)),
                ("name", models.CharField(max_length=40)),
                ("viewers", models.PositiveIntegerField(verbose_name="viewers")),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="at")),
                ("leaves_at", models.DateTimeField(verbose_name="left")),
            ],
            options={
                "verbose_name": "raid",
            },
        ),
    ]
