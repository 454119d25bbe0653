"""Indexes of the admin's lists, and fewer others."""

from django.db import migrations, models

from realtime.indexes import AddIndexMeanwhile, DropIndexesMeanwhile

FEW = {
    "viewer_staff": models.Q(("is_staff", True)),
    "viewer_broadcaster": models.Q(("is_broadcaster", True)),
    "viewer_inactive": models.Q(("is_active", False)),
}


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("accounts", "0001_squashed_0007"), ("sessions", "0001_initial")]

    operations = [
        *(
            AddIndexMeanwhile("viewer", models.Index(condition=which, fields=["id"], name=name))
            for name, which in FEW.items()
        ),
        # Those that Django makes for LIKE, which nobody uses on these.
        DropIndexesMeanwhile(
            ("accounts_viewer", "username"), ("accounts_signedin", "session_key"), ("django_session", "session_key")
        ),
    ]
