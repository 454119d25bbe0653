import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    replaces = [
        ("realtime", "0001_initial"),
        ("realtime", "0002_seen_viewers"),
        ("realtime", "0003_view_figures"),
        ("realtime", "0004_drawn_epoch"),
        ("realtime", "0005_things"),
        ("realtime", "0006_fill_things"),
    ]

    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Topic",
            fields=[
                ("name", models.CharField(max_length=100, primary_key=True, serialize=False)),
                ("seq", models.BigIntegerField(default=0)),
                ("version", models.BigIntegerField(default=0)),
                ("viewers_peak", models.BigIntegerField(default=0)),
            ],
            options={
                "permissions": (("view_figures", "Can see the operator's page"),),
            },
        ),
        migrations.CreateModel(
            name="LoggedEvent",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "topic_id", "seq", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "topic",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="events", to="realtime.topic"
                    ),
                ),
                ("seq", models.BigIntegerField()),
                ("name", models.CharField(max_length=32)),
                ("data", models.JSONField()),
                ("thing", models.CharField(blank=True, db_default="", max_length=64)),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "indexes": [
                    models.Index(fields=["at"], name="realtime_lo_at_6d4e43_idx"),
                    models.Index(
                        condition=models.Q(("thing", ""), _negated=True), fields=["topic", "thing"], name="event_thing"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Audience",
            fields=[
                (
                    "topic",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        serialize=False,
                        to="realtime.topic",
                    ),
                ),
                ("level", models.SmallIntegerField(default=0)),
                ("kept", models.BigIntegerField(default=0)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("kept__gte", 0), ("level__gte", 0)), name="audience_not_negative"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="SeenViewer",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "topic_id", "key", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "topic",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="realtime.topic",
                    ),
                ),
                ("key", models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name="DrawnEpoch",
            fields=[
                ("id", models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("drawn", models.CharField(max_length=40)),
            ],
            options={
                "constraints": [models.CheckConstraint(condition=models.Q(("id", 1)), name="one_drawn_epoch")],
            },
        ),
        migrations.RunSQL(
            "INSERT INTO realtime_drawnepoch (id, drawn) VALUES (1, gen_random_uuid())", migrations.RunSQL.noop
        ),
    ]
