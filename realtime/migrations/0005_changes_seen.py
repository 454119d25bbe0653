import django.contrib.postgres.indexes
from django.db import migrations

from realtime.indexes import AddIndexMeanwhile
from realtime.triggers import AddTriggerMeanwhile


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("realtime", "0004_changes")]

    operations = [
        AddTriggerMeanwhile(
            "topic_changed",
            "realtime_topic",
            "INSERT OR UPDATE OF seq, version ON {table} FOR EACH ROW",
            "realtime_topic_changed()",
            moment="BEFORE",
        ),
        AddTriggerMeanwhile("topic_gone", "realtime_topic", "DELETE ON {table} FOR EACH ROW", "realtime_topic_gone()"),
        AddIndexMeanwhile(
            "topic",
            django.contrib.postgres.indexes.BrinIndex(
                autosummarize=True, fields=["changed"], name="topic_changed", pages_per_range=8
            ),
        ),
    ]
