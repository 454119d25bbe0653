import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import web.ids


class Migration(migrations.Migration):
    replaces = [("messaging", "0001_initial"), ("messaging", "0002_message_edits")]

    initial = True

    dependencies = [
        ("accounts", "0001_squashed_0007"),
    ]

    operations = [
        migrations.CreateModel(
            name="Conversation",
            fields=[
                ("id", models.UUIDField(default=web.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("title", models.CharField(blank=True, max_length=120, verbose_name="title")),
                (
                    "creator",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="started_conversations",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="started by",
                    ),
                ),
                ("pair", models.CharField(editable=False, max_length=73, null=True)),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="started"),
                ),
                (
                    "active_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), verbose_name="last activity"
                    ),
                ),
            ],
            options={
                "verbose_name": "conversation",
                "constraints": [models.UniqueConstraint(fields=("pair",), name="conversation_pair")],
            },
        ),
        migrations.CreateModel(
            name="Member",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "conversation_id", "viewer_id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "conversation",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="members",
                        to="messaging.conversation",
                    ),
                ),
                (
                    "viewer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="memberships",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("joined_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("joined_seq", models.BigIntegerField(default=0)),
                ("left_at", models.DateTimeField(null=True)),
                ("seen_seq", models.BigIntegerField(default=0)),
                ("unread", models.BigIntegerField(default=0)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("unread__gte", 0)), name="member_unread_not_negative")
                ],
            },
        ),
        migrations.CreateModel(
            name="Message",
            fields=[
                ("id", models.UUIDField(default=web.ids.new_id, editable=False, primary_key=True, serialize=False)),
                (
                    "conversation",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="messages",
                        to="messaging.conversation",
                    ),
                ),
                (
                    "author",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="messages",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("body", models.TextField(blank=True, validators=[django.core.validators.MaxLengthValidator(1000)])),
                ("client_id", models.CharField(max_length=64, null=True)),
                ("seq", models.BigIntegerField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("edited_at", models.DateTimeField(null=True)),
                ("deleted_at", models.DateTimeField(null=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("conversation", "seq"), name="message_seq"),
                    models.UniqueConstraint(fields=("conversation", "author", "client_id"), name="message_client_id"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("deleted_at", None), models.Q(("body", ""), _negated=True)),
                            models.Q(("body", ""), ("deleted_at__isnull", False)),
                            _connector="OR",
                        ),
                        name="message_has_text_or_is_deleted",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="MessageVersion",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "message",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="versions", to="messaging.message"
                    ),
                ),
                ("body", models.TextField()),
                ("written_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Block",
            fields=[
                ("id", models.UUIDField(default=web.ids.new_id, editable=False, primary_key=True, serialize=False)),
                (
                    "blocker",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="blocks",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="who blocks",
                    ),
                ),
                (
                    "blocked",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="blocked_by",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="who is blocked",
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="since"),
                ),
            ],
            options={
                "verbose_name": "block",
                "constraints": [
                    models.UniqueConstraint(fields=("blocker", "blocked"), name="block_once"),
                    models.CheckConstraint(
                        condition=models.Q(("blocker", models.F("blocked")), _negated=True), name="block_of_another"
                    ),
                ],
            },
        ),
    ]
