import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import web.ids


class Migration(migrations.Migration):
    replaces = [
        ("moderation", "0001_initial"),
        ("moderation", "0002_arrivals"),
        ("moderation", "0003_replaced_restrictions"),
        ("moderation", "0004_complaints"),
    ]

    initial = True

    dependencies = [
        ("accounts", "0001_squashed_0007"),
    ]

    operations = [
        migrations.CreateModel(
            name="Role",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "channel",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="roles_given",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="channel",
                    ),
                ),
                (
                    "viewer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="roles",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="viewer",
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("moderator", "moderator"), ("helper", "helper")], max_length=9, verbose_name="role"
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="since"),
                ),
            ],
            options={
                "verbose_name": "role",
                "constraints": [
                    models.UniqueConstraint(fields=("channel", "viewer"), name="role_once"),
                    models.CheckConstraint(condition=models.Q(("kind__in", ["moderator", "helper"])), name="role_kind"),
                    models.CheckConstraint(
                        condition=models.Q(("channel", models.F("viewer")), _negated=True), name="role_of_another"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Restriction",
            fields=[
                ("id", models.UUIDField(default=web.ids.new_id, editable=False, primary_key=True, serialize=False)),
                (
                    "channel",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="restrictions_given",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="channel",
                    ),
                ),
                (
                    "viewer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="restrictions",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="viewer",
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("time_out", "time-out"), ("ban", "ban"), ("shadow", "shadow")],
                        max_length=8,
                        verbose_name="kind",
                    ),
                ),
                ("reason", models.CharField(blank=True, db_default="", max_length=200, verbose_name="reason")),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="since"),
                ),
                ("until", models.DateTimeField(blank=True, null=True, verbose_name="until")),
                (
                    "given_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="given by",
                    ),
                ),
                ("lifted_at", models.DateTimeField(blank=True, null=True, verbose_name="lifted")),
                (
                    "network_until",
                    models.DateTimeField(blank=True, null=True, verbose_name="new guests of their networks until"),
                ),
                (
                    "source",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="inherited",
                        to="moderation.restriction",
                        verbose_name="because of",
                    ),
                ),
                ("is_of_network", models.BooleanField(db_default=False, default=False, editable=False)),
                (
                    "replaces",
                    models.ForeignKey(
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="moderation.restriction",
                    ),
                ),
            ],
            options={
                "verbose_name": "restriction",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("lifted_at", None)),
                        fields=("viewer", "channel"),
                        name="restriction_once",
                        nulls_distinct=False,
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["time_out", "ban", "shadow"])), name="restriction_kind"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("kind", "time_out"), _negated=True), ("until__isnull", False), _connector="OR"
                        ),
                        name="restriction_time_out_ends",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Arrival",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "viewer",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("device", models.CharField(blank=True, max_length=32)),
                ("network", models.CharField(db_index=True, max_length=32)),
                ("seen_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("device", ""), _negated=True), fields=["device"], name="arrival_device"
                    ),
                    models.Index(fields=["seen_at"], name="arrival_at"),
                ],
                "constraints": [models.UniqueConstraint(fields=("viewer", "device", "network"), name="arrival_once")],
            },
        ),
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                ("id", models.UUIDField(default=web.ids.new_id, editable=False, primary_key=True, serialize=False)),
                (
                    "channel",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="channel",
                    ),
                ),
                ("seq", models.BigIntegerField()),
                ("act", models.CharField(max_length=24, verbose_name="act")),
                (
                    "actor",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="by",
                    ),
                ),
                (
                    "viewer",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="viewer",
                    ),
                ),
                ("about", models.UUIDField(null=True, verbose_name="about")),
                ("video_id", models.UUIDField(null=True, verbose_name="video")),
                ("text", models.CharField(blank=True, db_default="", max_length=200, verbose_name="text")),
                ("reason", models.CharField(blank=True, db_default="", max_length=200, verbose_name="reason")),
                ("until", models.DateTimeField(null=True, verbose_name="until")),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="at"),
                ),
                ("undone_at", models.DateTimeField(null=True, verbose_name="undone")),
                (
                    "undone_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="undone by",
                    ),
                ),
            ],
            options={
                "verbose_name": "act of moderation",
                "verbose_name_plural": "acts of moderation",
                "indexes": [models.Index(fields=["viewer", "channel"], name="audit_viewer")],
                "constraints": [models.UniqueConstraint(fields=("channel", "seq"), name="audit_seq")],
            },
        ),
        migrations.CreateModel(
            name="Complaint",
            fields=[
                ("id", models.UUIDField(default=web.ids.new_id, editable=False, primary_key=True, serialize=False)),
                (
                    "channel",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="channel",
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("comment", "comment"), ("person", "person")], max_length=8, verbose_name="kind"
                    ),
                ),
                ("about", models.UUIDField(verbose_name="about")),
                ("video_id", models.UUIDField(null=True, verbose_name="video")),
                (
                    "viewer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="person",
                    ),
                ),
                ("text", models.CharField(blank=True, db_default="", max_length=280, verbose_name="text")),
                (
                    "reporter",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="reported by",
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("spam", "Spam or advertising"),
                            ("hate", "Harassment or hate"),
                            ("sexual", "Sexual content"),
                            ("danger", "Violence or danger"),
                            ("other", "Something else"),
                        ],
                        max_length=8,
                        verbose_name="reason",
                    ),
                ),
                ("remark", models.CharField(blank=True, db_default="", max_length=200, verbose_name="remark")),
                (
                    "is_for_site",
                    models.BooleanField(db_default=False, default=False, verbose_name="for the people of the site"),
                ),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="at"),
                ),
                ("settled_at", models.DateTimeField(null=True, verbose_name="settled")),
                ("settlement", models.UUIDField(editable=False, null=True)),
            ],
            options={
                "verbose_name": "report by a viewer",
                "verbose_name_plural": "reports by viewers",
                "indexes": [
                    models.Index(
                        condition=models.Q(("settled_at", None)), fields=["channel", "about"], name="complaint_open"
                    ),
                    models.Index(fields=["created_at"], name="complaint_at"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("channel", "about", "reporter"), name="complaint_once"),
                    models.CheckConstraint(
                        condition=models.Q(("reporter", models.F("viewer")), _negated=True),
                        name="complaint_about_another",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="PersonNote",
            fields=[
                ("id", models.UUIDField(default=web.ids.new_id, editable=False, primary_key=True, serialize=False)),
                (
                    "channel",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notes_kept",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="channel",
                    ),
                ),
                (
                    "viewer",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notes",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="viewer",
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
                ("body", models.CharField(max_length=1000, verbose_name="text")),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="at"),
                ),
            ],
            options={
                "verbose_name": "note",
                "indexes": [models.Index(fields=["viewer", "channel"], name="note_about")],
            },
        ),
    ]
