from django.db import migrations

from realtime.triggers import AddTriggerMeanwhile


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("moderation", "0007_plurals"), ("accounts", "0007_triggers")]

    operations = [
        AddTriggerMeanwhile(
            "recheck_changed",
            "moderation_role",
            "INSERT OR UPDATE OR DELETE ON {table} FOR EACH ROW",
            "accounts_recheck('viewer_id')",
        ),
    ]
