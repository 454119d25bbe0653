import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import web.ids


class Migration(migrations.Migration):
    replaces = [("screening", "0001_initial"), ("screening", "0002_gate"), ("screening", "0003_raids_off")]

    initial = True

    dependencies = [
        ("accounts", "0001_squashed_0007"),
    ]

    operations = [
        migrations.CreateModel(
            name="ChannelRules",
            fields=[
                (
                    "owner",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="rules",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "slow_seconds",
                    models.PositiveIntegerField(
                        db_default=0,
                        default=0,
                        help_text="So long each viewer waits between two comments; 0: no wait.",
                        validators=[django.core.validators.MaxValueValidator(3600)],
                        verbose_name="slow mode, seconds",
                    ),
                ),
                (
                    "account_minutes",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Only accounts that are as old may comment, no guests; empty: all may.",
                        null=True,
                        validators=[django.core.validators.MaxValueValidator(129600)],
                        verbose_name="age of accounts, minutes",
                    ),
                ),
                (
                    "follow_minutes",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Only those who have followed for as long may comment; empty: all may.",
                        null=True,
                        validators=[django.core.validators.MaxValueValidator(129600)],
                        verbose_name="followers only, minutes",
                    ),
                ),
                ("emoji_only", models.BooleanField(db_default=False, default=False, verbose_name="emoji only")),
                ("links_off", models.BooleanField(db_default=False, default=False, verbose_name="no links")),
                (
                    "capitals_off",
                    models.BooleanField(db_default=False, default=False, verbose_name="no shouting in capitals"),
                ),
                ("repeats_off", models.BooleanField(db_default=False, default=False, verbose_name="no repeating")),
                (
                    "shield",
                    models.BooleanField(
                        db_default=False,
                        default=False,
                        help_text="Newcomers who write alike, many at once, are shut out for ten minutes.",
                        verbose_name="attack shield",
                    ),
                ),
                (
                    "raids_off",
                    models.BooleanField(
                        db_default=False,
                        default=False,
                        help_text="Other broadcasters cannot send their viewers here.",
                        verbose_name="no raids from other channels",
                    ),
                ),
                ("changed_at", models.DateTimeField(auto_now=True, verbose_name="changed")),
            ],
            options={
                "verbose_name": "rules of a channel",
                "verbose_name_plural": "rules of channels",
            },
        ),
        migrations.CreateModel(
            name="Gate",
            fields=[
                (
                    "owner",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="gate",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="ChannelWords",
            fields=[
                (
                    "refused",
                    models.TextField(blank=True, db_default="", default="", max_length=60000, verbose_name="refused"),
                ),
                (
                    "held",
                    models.TextField(
                        blank=True, db_default="", default="", max_length=60000, verbose_name="held for review"
                    ),
                ),
                ("version", models.UUIDField(default=web.ids.new_id, editable=False)),
                ("changed_at", models.DateTimeField(auto_now=True, verbose_name="changed")),
                (
                    "owner",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="words",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "words of channels",
                "verbose_name_plural": "words of channels",
            },
        ),
        migrations.CreateModel(
            name="SiteWords",
            fields=[
                (
                    "refused",
                    models.TextField(blank=True, db_default="", default="", max_length=60000, verbose_name="refused"),
                ),
                (
                    "held",
                    models.TextField(
                        blank=True, db_default="", default="", max_length=60000, verbose_name="held for review"
                    ),
                ),
                ("version", models.UUIDField(default=web.ids.new_id, editable=False)),
                ("changed_at", models.DateTimeField(auto_now=True, verbose_name="changed")),
                ("id", models.PositiveSmallIntegerField(default=1, editable=False, primary_key=True, serialize=False)),
            ],
            options={
                "verbose_name": "words of the site",
                "verbose_name_plural": "words of the site",
                "constraints": [models.CheckConstraint(condition=models.Q(("id", 1)), name="site_words_one_row")],
            },
        ),
    ]
